"""What none should read all refuse alike, what is drawn is sRGB, and every refusal says what to do."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from aplantida.data.images import decode_upright
from aplantida.export.node import NodeClassifier
from tests.fixtures.odd_photos import coloured_photos
from tests.fixtures.pages import settled, view
from tests.fixtures.photos import draw
from tests.fixtures.web_host import WebHost, flipped

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"><rect width="60" height="40" fill="green"/></svg>'


def encoded(kind: str, pixels: Any = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw(60, 40, 1) if pixels is None else pixels).save(buffer, kind, **options)
    return buffer.getvalue()


FILES = {
    "a.jpg": (encoded("JPEG"), None),
    "a.png": (encoded("PNG"), None),
    "a.webp": (encoded("WEBP"), None),
    "a.gif": (encoded("GIF"), "unsupported_format"),
    "a.bmp": (encoded("BMP"), "unsupported_format"),
    "a.tiff": (encoded("TIFF"), "unsupported_format"),
    "a.avif": (encoded("AVIF"), "unsupported_format"),
    "a.svg": (SVG.encode(), "unsupported_format"),
    "b.svg": (b'\xef\xbb\xbf<?xml version="1.0"?>\n' + SVG.encode(), "unsupported_format"),
    "a.heic": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "unsupported_format"),
    "a.jxl": (b"\xff\x0a" + bytes(40), "unsupported_format"),
    "empty.jpg": (b"", "unsupported_format"),
    "page.jpg": (b"<!doctype html><title>404</title>", "unsupported_format"),
    "half.jpg": (b"\xff\xd8\xff\xe0" + bytes(300), "unreadable"),
    "one.png": (encoded("PNG", np.zeros((1, 1, 3), np.uint8)), "too_small"),
    "narrow.png": (encoded("PNG", np.zeros((31, 200, 3), np.uint8)), "too_small"),
    "least.png": (encoded("PNG", np.zeros((32, 32, 3), np.uint8)), None),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, (content, _) in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def host(bundle: Path, files: Path) -> Iterator[WebHost]:
    with WebHost(bundle, "/m/") as host:
        host.roots["/files/"] = files
        yield host


@pytest.mark.parametrize("worker", [True, False])
def test_formats_are_read_or_refused_by_what_the_file_is(host: WebHost, page: Page, worker: bool) -> None:
    page.goto(host.origin)
    found = page.evaluate(
        """async ([names, worker]) => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/", { worker });
      const codes = {};
      for (const name of names) {
        const blob = await (await fetch("/files/" + name)).blob();
        codes[name] = await classifier.classify(blob).then(() => null, (error) => error.code);
      }
      return codes;
    }""",
        [list(FILES), worker],
    )
    assert found == {name: code for name, (_, code) in FILES.items()}


@pytest.mark.parametrize(("name", "code"), [("a.svg", "unsupported_format"), ("a.avif", "unsupported_format"),
                                            ("one.png", "too_small"), ("a.png", None)])  # fmt: skip
@pytest.mark.parametrize("source", ["address", "blob"])
def test_an_image_element_is_no_way_round(host: WebHost, page: Page, name: str, code: str | None, source: str) -> None:
    page.goto(host.origin)
    script = """async ([name, source]) => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const image = new Image();
      image.src = "/files/" + name;
      if (source === "blob") {
        const bytes = await (await fetch(image.src)).arrayBuffer();
        image.src = URL.createObjectURL(new Blob([bytes], { type: name.endsWith("svg") ? "image/svg+xml" : "" }));
      }
      await image.decode();
      return classifier.classify(image).then(() => null, (error) => error.code);
    }"""
    host.extra["/files/a.svg"] = ("image/svg+xml", SVG)
    assert page.evaluate(script, [name, source]) == code


def test_the_colors_of_a_file_are_those_that_python_reads(
    bundle: Path, host: WebHost, page: Page, tmp_path: Path
) -> None:
    photos = {name: data for name, data in coloured_photos().items() if not name.endswith(("-pq", "-hlg"))}
    for name, data in photos.items():
        (tmp_path / name).write_bytes(data)
    host.roots["/colors/"] = tmp_path
    page.goto(host.origin)
    script = """async (names) => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const values = {};
      for (const name of names) {
        const blob = await (await fetch("/colors/" + name)).blob();
        values[name] = Array.from(await classifier.prepare(blob));
      }
      return values;
    }"""
    shown = page.evaluate(script, list(photos))
    assert len(shown) > 40
    with NodeClassifier(bundle) as node:
        wanted = {name: node.prepare(decode_upright(data, 10**7)[0]) for name, data in photos.items()}
    differences = {name: np.abs(np.array(shown[name]) - wanted[name].ravel()).max() for name in photos}
    assert {name: steps for name, steps in differences.items() if steps > 3} == {}
    assert np.abs(wanted["png-p3"].astype(float) - wanted["png-srgb"]).max() > 10


def test_what_was_drawn_in_another_color_space_is_taken_to_srgb(host: WebHost, page: Page, files: Path) -> None:
    Image.fromarray(draw(160, 120, 4)).save(files / "photo.png")
    page.goto(host.origin)
    plain, *others = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const bitmap = await createImageBitmap(await (await fetch("/files/photo.png")).blob());
      const drawn = (colorSpace, canvas) => {
        canvas.width = 160; canvas.height = 120;
        const drawing = canvas.getContext("2d", { colorSpace });
        drawing.drawImage(bitmap, 0, 0);
        return drawing;
      };
      const element = () => document.createElement("canvas");
      const p3 = drawn("display-p3", element());
      const given = [
        drawn("srgb", element()).canvas,
        p3.canvas,
        drawn("display-p3", new OffscreenCanvas(1, 1)).canvas,
        p3.getImageData(0, 0, 160, 120),
        await createImageBitmap(p3.canvas),
      ];
      return Promise.all(given.map(async (one) => Array.from(await classifier.prepare(one))));
    }""")
    for values in others:
        assert np.abs(np.array(values) - np.array(plain)).max() <= 3  # two roundings to 8 bits, of strong colors


def test_arguments_out_of_range_are_said(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load, AplantidaError } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const blob = await (await fetch("/files/a.jpg")).blob();
      const wrong = [0, -1, 1.5, NaN, "5"].map((k) => classifier.classify(blob, k));
      wrong.push(classifier.classify(null), classifier.classify("a.jpg"), classifier.classify({}));
      wrong.push(classifier.logitsOfInput(new Float32Array(5)));
      const typed = async (answer) => answer.catch((error) => error instanceof AplantidaError && error.code);
      return { wrong: await Promise.all(wrong.map(typed)), many: (await classifier.classify(blob, 1000)).top.length };
    }""")
    assert found == {"wrong": ["argument"] * 9, "many": 30}


@pytest.mark.parametrize("change", ["gone", "changed"])
@pytest.mark.parametrize("worker", [True, False])
def test_a_file_that_can_no_longer_be_read_is_said(
    host: WebHost, page: Page, tmp_path: Path, worker: bool, change: str
) -> None:
    chosen = tmp_path / "chosen.jpg"
    chosen.write_bytes(FILES["a.jpg"][0])
    page.goto(host.origin)
    page.evaluate("() => { document.body.innerHTML = '<input type=file>'; }")
    page.set_input_files("input", str(chosen))
    page.evaluate("() => document.querySelector('input').files[0].lastModified")  # from now on it may not change
    chosen.unlink() if change == "gone" else chosen.write_bytes(bytes(50))
    if change == "changed":  # browsers look at whole seconds
        os.utime(chosen, (time.time() + 60, time.time() + 60))
    found = page.evaluate(
        """async (worker) => {
      const classifier = await (await import("/m/classifier.js")).load("/m/", { worker });
      const [file] = document.querySelector("input").files;
      const codes = [];
      for (const call of ["classify", "outputs", "prepare"]) {
        codes.push(await classifier[call](file).then(() => "answered", ({ code }) => code));
      }
      return codes;
    }""",
        worker,
    )
    assert found == ["unreadable"] * 3


def test_a_file_that_is_no_photo_is_said_in_the_visitors_language(bundle: Path, files: Path, page: Page) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'language', { value: 'es-ES' })")
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "ready")
        for name, words in {
            "a.svg": "No puedo leer este tipo de archivo. JPEG, PNG y WebP funcionan.",
            "half.jpg": "el archivo está dañado.",
            "one.png": "es demasiado pequeña para mostrar una planta.",
        }.items():
            page.set_input_files("#photo", str(files / name))
            expect(page.locator("#problem-text")).to_contain_text(words, timeout=60_000)
            expect(page.locator("#repair")).to_be_hidden()


def test_a_long_error_does_not_widen_the_page(bundle: Path, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    with WebHost(bundle) as host:
        host.faults["decision.json"] = lambda answer, query: flipped(answer, "")
        page.goto(host.url)
        assert settled(page) == "problem"
        page.locator("#problem-detail summary").click()
        expect(page.locator("#problem-words")).to_be_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth") == 360


def test_an_image_that_the_page_may_not_read_is_said(host: WebHost, page: Page, files: Path) -> None:
    with WebHost(files, "/elsewhere/") as other:
        page.goto(host.origin)
        script = """async (address) => {
          const { load } = await import("/m/classifier.js");
          const image = Object.assign(new Image(), { src: address });
          await image.decode();
          const codes = [];
          for (const worker of [true, false]) {
            const classifier = await load("/m/", { worker });
            codes.push(await classifier.classify(image).then(() => null, (error) => error.code));
            codes.push((await classifier.classify(await (await fetch("/files/a.png")).blob())).top.length);
          }
          return codes;
        }"""
        assert page.evaluate(script, other.url + "a.png") == ["unreadable", 5, "unreadable", 5]
