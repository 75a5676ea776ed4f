"""What a canvas gives back is not believed without proof, and no photo needs a wider one than browsers have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from aplantida.export.node import NodeClassifier
from tests.fixtures.photos import draw
from tests.fixtures.web_host import WebHost

WIDE = 70_000  # browsers' canvases have 32,767 to 65,535 pixels a side
# (what a canvas gives back, photo) → the code of the error, and the sizes of canvases that were made
ASK = """async ([change, name]) => {
  const sizes = [];
  globalThis.OffscreenCanvas = class extends OffscreenCanvas {
    constructor(...size) { super(...size); sizes.push(size); }
  };
  const kind = OffscreenCanvasRenderingContext2D.prototype;
  const { getImageData } = kind;
  kind.getImageData = function (...given) {
    const image = getImageData.apply(this, given);
    const { data } = image;
    for (let at = 0; at < data.length; at++) {
      if (change === "zeros") data[at] = 0;
      if (change === "white") data[at] = 255;
      if (change === "noise") data[at] = (data[at] + 97 * at) % 256;
      if (change === "right half" && at % (4 * image.width) > 2 * image.width) data[at] = 0;
      if (change === "farbled") data[at] ^= at % 2;
    }
    return image;
  };
  const { load } = await import("/m/classifier.js");
  const classifier = await load("/m/", { worker: false });
  const blob = await (await fetch("/photos/" + name)).blob();
  const bitmap = await createImageBitmap(blob);
  const p3 = new ImageData(200, 100, { colorSpace: "display-p3" });
  const code = (photo) => classifier.classify(photo).then(() => "named", (error) => error.code);
  return [await code(blob), await code(bitmap), await code(p3), Math.max(...sizes.map(([width]) => width))];
}"""
PREPARE = """async ([names, worker]) => {
  const { load } = await import("/m/classifier.js");
  const classifier = await load("/m/", { worker });
  const values = {};
  for (const name of names) {
    values[name] = Array.from(await classifier.prepare(await (await fetch("/photos/" + name)).blob()));
  }
  return values;
}"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, np.ndarray]:
    folder = tmp_path_factory.mktemp("panoramas")
    pixels = {
        folder / "wide.png": np.concatenate([draw(1000, 40, seed % 7) for seed in range(WIDE // 1000)], axis=1),
        folder / "seam.png": draw(16_400, 300, 5),  # its middle is where two canvases meet
    }
    for path, values in pixels.items():
        Image.fromarray(values).save(path, compress_level=1)
    return pixels


@pytest.fixture
def host(bundle: Path, photos: dict[Path, np.ndarray]) -> Iterator[WebHost]:
    with WebHost(bundle, "/m/") as host:
        host.roots["/photos/"] = next(iter(photos)).parent
        yield host


@pytest.mark.parametrize("change", ["zeros", "white", "noise", "right half"])
def test_what_is_not_what_was_drawn_names_no_plant(host: WebHost, page: Page, change: str) -> None:
    page.goto(host.origin)
    assert page.evaluate(ASK, [change, "wide.png"])[:3] == ["worker"] * 3


@pytest.mark.parametrize("change", ["none", "farbled"])
def test_what_is_within_rounding_is_taken_and_no_canvas_is_too_wide(host: WebHost, page: Page, change: str) -> None:
    page.goto(host.origin)
    *codes, widest = page.evaluate(ASK, [change, "wide.png"])
    assert codes == ["named"] * 3
    assert widest <= 8192


@pytest.mark.parametrize("worker", [True, False])
def test_panoramas_are_what_python_sees(
    host: WebHost, page: Page, bundle: Path, photos: dict[Path, np.ndarray], worker: bool
) -> None:
    page.goto(host.origin)
    found = page.evaluate(PREPARE, [[path.name for path in photos], worker])
    with NodeClassifier(bundle) as node:
        for path, pixels in photos.items():
            np.testing.assert_array_equal(np.array(found[path.name]), node.prepare(pixels).ravel())
