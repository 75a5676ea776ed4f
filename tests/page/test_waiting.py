"""While a visitor waits: what is said is what is done, in the language of the page, and what was promised happens."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.fixtures.bundle import write_manifest
from tests.fixtures.pages import SECONDS, comes_to, settled, view
from tests.fixtures.web_host import WebHost
from tests.page.test_messages import SPANISH

# long waits take a part of their time, or never end; short ones take a twentieth
WAITS = """
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (done, wait, ...rest) => setTimeout(done, wait >= 10000 ? wait * SCALE : wait / 20, ...rest);
  Object.defineProperty(navigator, "onLine", { value: false }); // a lost connection is not waited for
  delete Navigator.prototype.serviceWorker; // it would get them by itself
"""


class Weights:
    """The model's weights, which do not come for now."""

    def __init__(self, page: Page, scale: float) -> None:
        self.asked = 0
        self.come = False
        page.add_init_script(WAITS.replace("SCALE", str(scale)))
        page.route(re.compile("weights"), self._answer)

    def _answer(self, route: Route) -> None:
        self.asked += 1
        if self.come:
            route.continue_()
        else:
            route.abort()


def test_the_language_changes_and_what_is_being_done_does_not(bundle: Path, photo: Path, page: Page) -> None:
    page.add_init_script("""
      const { postMessage } = Worker.prototype;
      Worker.prototype.postMessage = function (order, ...rest) {
        if (order.op !== "outputs") postMessage.call(this, order, ...rest); // a photo that takes for ever
      };
    """)
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "ready")
        page.set_input_files("#photo", str(photo))
        for words in ("Looking…", "Mirando…", "Looking…"):
            expect(page.locator("#loading-text")).to_have_text(words)
            page.locator("#language").click()
        view(page, "loading")


def test_example_photos_are_named_in_the_language_that_is_chosen(bundle: Path, page: Page) -> None:
    with WebHost(bundle) as host:
        page.goto(host.url)
        images = page.locator("#example-photos img")
        expect(images).to_have_count(4, timeout=SECONDS)
        for words in ("Example photo", SPANISH["example"]):
            for image in images.all():
                expect(image).to_have_attribute("alt", re.compile(f"^{words}: [A-Z][a-z]+ [a-z]+$"))
            page.locator("#language").click()


def test_a_page_that_says_it_will_keep_trying_does(bundle: Path, page: Page) -> None:
    weights = Weights(page, 1 / 100)
    with WebHost(bundle) as host:
        page.goto(host.url)
        assert settled(page) == "problem"
        comes_to(page, lambda: weights.asked >= 5, True)
        weights.come = True
        view(page, "ready")


def test_it_tries_at_once_when_the_connection_is_back(bundle: Path, page: Page) -> None:
    weights = Weights(page, 1000)
    with WebHost(bundle) as host:
        page.goto(host.url)
        for _ in range(5):
            assert settled(page) == "problem"
            before = weights.asked
            page.evaluate("dispatchEvent(new Event('online'))")
            comes_to(page, lambda before=before: weights.asked > before, True)
        weights.come = True
        assert settled(page) == "problem"
        page.evaluate("dispatchEvent(new Event('online'))")
        view(page, "ready")


def test_weights_that_are_altered_for_good_are_not_fetched_for_ever(bundle: Path, tmp_path: Path, page: Page) -> None:
    page.add_init_script(WAITS.replace("SCALE", "1000"))
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    weights = folder / "model" / "weights.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with WebHost(folder) as host:
        page.goto(host.url)
        assert settled(page) == "problem"

        def again(done: Callable[[], bool]) -> None:
            comes_to(page, lambda: page.evaluate("dispatchEvent(new Event('online'))") and done(), True)

        sent: list[int] = []
        for _ in range(7):
            looks = len(host.asked)
            again(lambda looks=looks: len(host.asked) > looks)
            if settled(page) == "problem":
                sent.append(host.sent("weights.bin"))
        assert sent[0] > len(whole)  # it was tried again
        assert sent[-1] == sent[-3]
        weights.write_bytes(whole)
        write_manifest(folder, version="v2.0")
        again(lambda: settled(page) == "ready")


def test_a_problem_that_is_tried_again_is_no_problem_meanwhile(bundle: Path, page: Page) -> None:
    weights = Weights(page, 1000)
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "problem")
        page.unroute_all()
        page.route(re.compile("weights"), lambda route: None)  # neither an answer nor an end
        page.evaluate("dispatchEvent(new Event('online'))")
        view(page, "loading")
        page.locator("#language").click()
        expect(page.locator("#loading-text")).to_have_text("Descargando el modelo, solo esta vez…")
        view(page, "loading")
        assert weights.asked > 0
