"""What browsers of some years ago lack: photos are read, calls cancelled, and what runs is checked all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from aplantida.predict import predict
from tests.fixtures.photos import draw
from tests.fixtures.web_host import WebHost

# Chrome before 112, Firefox before 111 and Safari before 17 know "none" and "flipY" alone; signals had no reason
WITHOUT = """() => {
  const before = globalThis.createImageBitmap;
  globalThis.createImageBitmap = async (...given) => {
    const { imageOrientation = "none" } = given.find((one) => one?.premultiplyAlpha) ?? {};
    if (imageOrientation !== "none") throw new TypeError(`'${imageOrientation}' is no valid enum value`);
    return before(...given);
  };
  delete AbortSignal.prototype.throwIfAborted;
  delete AbortSignal.prototype.reason;
}"""
LOOK = """async (name) => {
  const { load } = await import("/m/classifier.js");
  const classifier = await load("/m/", { worker: false });
  const namesOf = ({ top }) => top.map((one) => one.scientific_name);
  const blob = await (await fetch("/photos/" + name)).blob();
  const image = Object.assign(new Image(), { src: "/photos/" + name });
  await image.decode();
  const names = [namesOf(await classifier.classify(blob)), namesOf(await classifier.classify(image))];
  globalThis.fetch = () => Promise.reject(new TypeError("of another origin"));
  return [...names, namesOf(await classifier.classify(image))];
}"""
CANCEL = """async () => {
  const { load } = await import("/m/classifier.js");
  const said = ({ name }) => name;
  const before = AbortSignal.abort();
  const found = [await load("/m/", { signal: before }).catch(said)];
  const control = new AbortController();
  setTimeout(() => control.abort(), 5);
  found.push(await load("/m/", { signal: control.signal }).catch(said));
  const classifier = await load("/m/");
  const photo = await (await fetch("/photos/turned.jpg")).blob();
  found.push(await classifier.classify(photo, 5, { signal: before }).catch(said));
  const soon = new AbortController();
  const asked = classifier.classify(photo, 5, { signal: soon.signal }).catch(said);
  soon.abort();
  return [...found, await asked];
}"""


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A photo that stands upright by its EXIF alone."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(draw(300, 200, 3)).save(path, exif=exif, quality=95)
    return path


@pytest.fixture
def host(bundle: Path, turned: Path) -> Iterator[WebHost]:
    with WebHost(bundle, "/m/") as host:
        host.roots["/photos/"] = turned.parent
        yield host


def test_photos_are_upright_without_a_word_for_it(host: WebHost, page: Page, bundle: Path, turned: Path) -> None:
    names = [item["scientific_name"] for item in next(predict(bundle, [str(turned)]))["top"]]
    page.goto(host.origin)
    page.evaluate(WITHOUT)
    assert page.evaluate(LOOK, turned.name) == [names] * 3


def test_calls_are_cancelled_by_signals_without_a_reason(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    page.evaluate(WITHOUT)
    assert page.evaluate(CANCEL) == ["AbortError"] * 4
