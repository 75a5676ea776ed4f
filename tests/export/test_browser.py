"""A bundle in a real Chromium: the same answers as Node, the same refusals, also without ``crypto.subtle``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Error

from aplantida.export.browser import BrowserClassifier, chromium, chromium_executable
from aplantida.export.http_server import FolderServer
from aplantida.export.node import NodeClassifier
from aplantida.predict import predict, read_photo
from tests.fixtures.bundle import write_bundle
from tests.fixtures.photos import draw, write_photos


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("browser") / "bundle")


def test_chromium_equals_predict_on_fifty_photos(bundle: Path, tmp_path: Path) -> None:
    photos = write_photos(tmp_path, 50)
    rows = list(predict(bundle, map(str, photos)))
    with BrowserClassifier(bundle) as browser:
        results = browser.classify_files(photos)
        assert browser.cold_seconds > 0
        assert "Chrome" in browser.agent
    assert len({row["top"][0]["scientific_name"] for row in rows}) > 3  # photos that all look alike would prove nothing
    for row, result in zip(rows, results, strict=True):
        assert [item["scientific_name"] for item in result.top][:1] == [row["top"][0]["scientific_name"]], row["photo"]
        assert result.decision == row["decision"]
        mine = {item["scientific_name"]: item["probability"] for item in row["top"]}
        for item in result.top:
            assert abs(item["probability"] - mine.get(item["scientific_name"], item["probability"])) <= 1e-3
        assert result.seconds > 0


def test_decoding_and_raw_outputs_equal_python_and_node(bundle: Path, tmp_path: Path) -> None:
    photos = write_photos(tmp_path, 12, seed=7)
    with NodeClassifier(bundle) as node, BrowserClassifier(bundle) as browser:
        inputs = np.stack([node.prepare(read_photo(path)) for path in photos])
        seen = np.stack([browser.prepare_file(path) for path in photos])
        assert np.abs(inputs - seen).max() <= 1  # 8-bit steps; transparency may round differently
        expected = np.stack([node.logits_of_input(square) for square in inputs])
        np.testing.assert_allclose(browser.logits_of_inputs(inputs), expected, atol=1e-4)


def test_an_altered_weight_byte_is_noticed_by_the_page(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle")
    weights = folder / "model" / "weights.bin"
    data = bytearray(weights.read_bytes())
    data[100] ^= 1
    weights.write_bytes(data)
    with pytest.raises(Error, match=r"weights\.bin was altered"), BrowserClassifier(folder):
        pass


def test_the_plain_digest_agrees_where_the_browser_has_none(bundle: Path) -> None:
    with FolderServer(bundle) as server, chromium() as context:
        server.extra["/blank.html"] = b"<!doctype html>"
        page = context.new_page()
        page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
        page.goto(server.url + "blank.html")
        load = "async () => (await (await import('./classifier.js')).load('./')).digest"
        digest = page.evaluate(load)  # loading compares every file's digest with bundle.json's
        assert page.evaluate("crypto.subtle === undefined")
    with NodeClassifier(bundle) as node:
        assert digest == node.info.digest


def test_every_kind_of_photo_gives_the_same_answer(bundle: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(draw(160, 120, 4)).save(tmp_path / "photo.png")
    with FolderServer(bundle) as server, chromium() as context:
        server.extra["/blank.html"] = b"<!doctype html>"
        server.extra["/photo"] = tmp_path / "photo.png"
        page = context.new_page()
        page.goto(server.url + "blank.html")
        answers = page.evaluate("""async () => {
          const { load } = await import("./classifier.js");
          const classifier = await load("./");
          const blob = new Blob([await (await fetch("/photo")).arrayBuffer()], { type: "image/png" });
          const image = new Image();
          image.src = URL.createObjectURL(blob);
          await image.decode();
          const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
          const drawing = canvas.getContext("2d");
          drawing.drawImage(image, 0, 0);
          const bitmap = await createImageBitmap(blob);
          const kinds = [blob, image, canvas, bitmap, drawing.getImageData(0, 0, 160, 120)];
          return Promise.all(kinds.map(async (kind) => Array.from(await classifier.logits(kind))));
        }""")
    assert len(answers) == 5
    for answer in answers[1:]:
        assert answer == answers[0]


def test_a_chromium_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM_PATH", "/nowhere/chromium")
    with pytest.raises(FileNotFoundError, match="/nowhere/chromium"):
        chromium_executable()
