"""What browsers of some years ago lack: photos are read, calls cancelled, and what runs is checked all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from aplantida.predict import predict
from tests.fixtures.pages import named, settled, view
from tests.fixtures.photos import draw
from tests.fixtures.web_host import Answer, Fault, WebHost

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


# Firefox before 115 and Safari before 17
NO_PRELOAD = """
  const { supports } = DOMTokenList.prototype;
  DOMTokenList.prototype.supports = function (word) { return word !== "modulepreload" && supports.call(this, word); };
  const { append } = Element.prototype;
  Element.prototype.append = function (...nodes) {
    append.apply(this, nodes.filter((node) => node.rel !== "modulepreload")); // the browser does nothing with it
  };
"""


def changed(after: int) -> Fault:
    """Once it was given so often, a program that says that it ran comes at all addresses but the ones never seen."""
    given = [0]

    def applied(answer: Answer, query: str) -> Answer:
        given[0] += 1
        if given[0] <= after or "again=" in query:
            return answer
        return Answer(200, answer.body + b"\nglobalThis.strange = true;", answer.headers)

    return applied


def test_an_engine_that_is_another_does_not_run(host: WebHost, page: Page) -> None:
    page.add_init_script(NO_PRELOAD)
    host.headers["Cache-Control"] = "no-store"
    host.faults["engine.js"] = changed(1)  # what is read first is checked; what the browser then imports is not that
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/", { worker: false });
      const { top } = await classifier.classify(await (await fetch("/photos/turned.jpg")).blob());
      return [classifier.thread, top.length, globalThis.strange ?? "did not run"];
    }""")
    assert found == ["main", 5, "did not run"]


def test_a_module_that_is_another_does_not_run(bundle: Path, page: Page, photo: Path, names: list[str]) -> None:
    page.add_init_script(NO_PRELOAD)
    with WebHost(bundle) as host:
        host.faults["classifier.js"] = changed(0)
        page.goto(host.url)
        view(page, "ready")
        assert settled(page) == "ready"
        assert named(page, photo) == names
        assert page.evaluate("globalThis.strange ?? 'did not run'") == "did not run"
