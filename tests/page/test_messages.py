"""Every message of the page in both languages, on a narrow phone: none falls through, none widens the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from aplantida.export.web_build import WEB
from tests.fixtures.pages import SECONDS, kept_offline, settled, view
from tests.fixtures.web_host import Answer, WebHost, missing

# the visible words of the page, but for what says that it is in another language
VISIBLE = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    const words = node.textContent.replace(/\\s+/g, " ").trim();
    const own = parent.closest("[lang]").lang;
    if (words && own === document.documentElement.lang && parent.checkVisibility()) found.push(words);
  }
  return found;
}"""


def texts(language: str) -> dict[str, str]:
    """The page's own dictionary, out of its source."""
    source = (WEB / "src" / "texts.ts").read_text(encoding="utf-8")
    block = source.split(f"const {language}")[1].split("\n};")[0]
    return dict(re.findall(r'^  (\w+):\s+"(.+)",$', block, re.MULTILINE))


ENGLISH, SPANISH = texts("ENGLISH"), texts("SPANISH")


class _Static(HTMLParser):
    """The text of each element with ``data-text``, by its key."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._key: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._key = dict(attrs).get("data-text")

    def handle_endtag(self, tag: str) -> None:
        self._key = None

    def handle_data(self, data: str) -> None:
        if self._key:
            self.found[self._key] = " ".join((self.found.get(self._key, "") + data).split())


def test_both_languages_have_every_message_and_the_page_says_the_same_without_scripts() -> None:
    assert len(ENGLISH) >= 60
    assert list(ENGLISH) == list(SPANISH)
    assert not [key for key in ENGLISH if ENGLISH[key] == SPANISH[key]]
    html = (WEB / "public" / "index.html").read_text(encoding="utf-8")
    static = _Static()
    static.feed(html)
    assert static.found
    assert {key: ENGLISH[key] for key in static.found} == static.found
    sources = html + "".join(path.read_text(encoding="utf-8") for path in (WEB / "src").glob("*.ts"))
    assert not [key for key in ENGLISH if len(re.findall(rf'[".]{key}\b', sources)) == 0]  # nothing that nobody says


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


PHOTOS = {
    "unreadable": b"\xff\xd8\xff\xe0" + bytes(300),
    "unsupported": b"GIF89a" + bytes(30),
    "tooSmall": png(31, 31),
    "tooLarge": png(10_001, 10_000),
}


def altered(answer: Answer, query: str) -> Answer:
    return Answer(answer.status, answer.body[:-1] + b"#", answer.headers)


def unreached(host: WebHost, page: Page) -> None:
    page.route(re.compile("weights"), lambda route: route.abort())
    page.add_init_script("Object.defineProperty(navigator, 'onLine', { value: false })")


def refused(host: WebHost, page: Page) -> None:
    host.faults["decision.json"] = missing


def not_whole(host: WebHost, page: Page) -> None:
    host.faults["decision.json"] = altered


def forbidden(host: WebHost, page: Page) -> None:
    host.headers["Content-Security-Policy"] = "script-src 'self'; worker-src 'self' blob:"


def too_old(host: WebHost, page: Page) -> None:
    page.add_init_script("delete globalThis.WebAssembly; delete globalThis.Worker")


LOADS: dict[str, Callable[[WebHost, Page], None]] = {
    "offlineNow": unreached,
    "refused": refused,
    "notWhole": not_whole,
    "forbidden": forbidden,
    "tooOld": too_old,
}


def in_spanish(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    page.add_init_script("Object.defineProperty(navigator, 'language', { value: 'es-ES' })")


def in_one_language(page: Page) -> None:
    """What is seen is in the page's language, all of it, and no wider than the phone."""
    for language, other in (("es", ENGLISH), ("en", SPANISH)):
        expect(page.locator("html")).to_have_attribute("lang", language)
        seen = page.evaluate(VISIBLE)
        assert seen
        assert not [words for words in seen if words in other.values()]
        assert page.evaluate("document.scrollingElement.scrollWidth") == 360
        page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "es")


def said(page: Page, key: str) -> None:
    """The problem is ``key``, in the language that is chosen."""
    words = page.locator("#problem-text")
    expect(words).to_have_text(SPANISH[key], timeout=SECONDS)
    page.locator("#language").click()
    expect(words).to_have_text(ENGLISH[key])
    page.locator("#language").click()
    in_one_language(page)


@pytest.mark.parametrize("key", LOADS)
def test_why_there_is_no_model_is_said_in_both_languages(bundle: Path, page: Page, key: str) -> None:
    in_spanish(page)
    with WebHost(bundle) as host:
        LOADS[key](host, page)
        page.goto(host.url)
        assert settled(page) == "problem"
        page.locator("#problem-detail summary").click()
        expect(page.locator("#repair")).to_be_visible()
        said(page, key)


def test_why_a_photo_is_not_read_is_said_in_both_languages(bundle: Path, page: Page) -> None:
    in_spanish(page)
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "ready")
        for key, content in PHOTOS.items():
            page.set_input_files("#photo", {"name": "photo", "mimeType": "image/jpeg", "buffer": content})
            said(page, key)
            expect(page.locator("#problem-actions")).to_be_hidden()


def test_what_nobody_thought_of_is_said_in_both_languages(bundle: Path, photo: Path, page: Page) -> None:
    """The worker ends in the middle of a photo; a program fails in a way that has no code."""
    in_spanish(page)
    page.add_init_script("""
      const { postMessage } = Worker.prototype;
      Worker.prototype.postMessage = function (order, transfer) {
        if (order.op === "outputs") this.onerror(new ErrorEvent("error", { message: "out of memory ".repeat(40) }));
        else postMessage.call(this, order, transfer);
      };
    """)
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "ready")
        kept_offline(page)
        page.set_input_files("#photo", str(photo))
        said(page, "looked")
        expect(page.locator("#retry")).to_be_visible()
        page.add_init_script("Worker.prototype.postMessage = () => { throw new TypeError('a'.repeat(900)) }")
        page.goto(host.url)
        assert settled(page) == "problem"
        said(page, "broken")


def test_an_answer_with_all_that_can_be_opened_is_in_one_language(bundle: Path, photo: Path, page: Page) -> None:
    in_spanish(page)
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "ready")
        kept_offline(page)
        in_one_language(page)
        page.set_input_files("#photo", str(photo))
        view(page, "result")
        page.locator("#credits summary").click()
        expect(page.locator("#credits-list h3")).to_have_count(5, timeout=SECONDS)
        in_one_language(page)
