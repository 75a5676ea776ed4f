"""Who stops waiting for a photo waits no longer, and nothing that was made for it keeps its memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.fixtures.web_host import WebHost

# counts the bitmaps on the page's thread that hold pixels: closing, or handing one over, lets go of them
SETUP = """async (worker) => {
  globalThis.made = [];
  const before = globalThis.createImageBitmap;
  globalThis.createImageBitmap = async (...given) => {
    const bitmap = await before(...given);
    made.push(bitmap);
    return bitmap;
  };
  globalThis.open = () => made.filter(({ width }) => width > 0).length;
  globalThis.canvas = Object.assign(document.createElement("canvas"), { width: 300, height: 200 });
  canvas.getContext("2d").fillRect(0, 0, 300, 200);
  const { load } = await import("/m/classifier.js");
  globalThis.classifier = await load("/m/", { worker });
  globalThis.said = ({ name, code }) => (name === "AplantidaError" ? code : name);
  globalThis.rest = () => new Promise((resolve) => setTimeout(resolve, 300));
}"""


@pytest.fixture
def host(bundle: Path) -> Iterator[WebHost]:
    with WebHost(bundle, "/m/") as host:
        yield host


@pytest.mark.parametrize("worker", [True, False])
def test_bitmaps_go_with_whoever_waited_for_them(host: WebHost, page: Page, worker: bool) -> None:
    page.goto(host.origin)
    page.evaluate(SETUP, worker)
    found = page.evaluate("""async () => {
      const found = {};
      const times = (count, one) => Promise.all(Array.from({ length: count }, one));
      const cancelled = async () => {
        const control = new AbortController();
        const asked = classifier.classify(canvas, 5, { signal: control.signal }).catch(said);
        control.abort();
        return asked;
      };
      const ends = new Set(await times(20, cancelled));
      found.cancelled = [...ends, made.length, (await rest(), open())];
      const blank = new Image();
      const mixed = await classifier.classify([canvas, blank, canvas]).catch(said);
      found.one_failed = [mixed, (await rest(), open())];
      const answered = await classifier.classify([canvas, canvas]);
      found.answered = [answered.top.length, (await rest(), open())];
      const asked = [classifier.logits(canvas).catch(said), classifier.outputs([canvas]).catch(said)];
      classifier.dispose();
      asked.push(classifier.prepare(canvas).catch(said));
      found.disposed = [...await Promise.all(asked), (await rest(), open())];
      return found;
    }""")
    assert found == {
        "cancelled": ["AbortError", 20, 0],
        "one_failed": ["unreadable", 0],
        "answered": [5, 0],
        "disposed": ["disposed", "disposed", "disposed", 0],
    }


def test_a_cancelled_wait_for_an_image_element_ends_at_once(host: WebHost, page: Page) -> None:
    """Its file may never come, and what a browser decodes may not be stopped."""
    page.goto(host.origin)
    page.evaluate(SETUP, True)
    found = page.evaluate("""async () => {
      const image = Object.assign(new Image(), { src: canvas.toDataURL() });
      await image.decode();
      const found = [];
      let ended = 0;
      globalThis.fetch = (url, { signal }) => new Promise((_, reject) =>
        signal.addEventListener("abort", () => { ended += 1; reject(signal.reason); }));
      const ask = async () => {
        const control = new AbortController();
        const asked = classifier.classify(image, 5, { signal: control.signal }).catch(said);
        setTimeout(() => control.abort(), 50);
        return Promise.race([asked, rest().then(rest).then(() => "still waiting")]);
      };
      found.push(await ask(), ended);
      globalThis.fetch = () => Promise.reject(new TypeError("of another origin"));
      image.decode = () => new Promise(() => undefined);
      found.push(await ask());
      return found;
    }""")
    assert found == ["AbortError", 1, "AbortError"]
