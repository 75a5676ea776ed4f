"""Never freezing: the work is done in a worker, may be cancelled, and waits its turn."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.fixtures.pages import comes_to, kept_offline, view
from tests.fixtures.photos import draw
from tests.fixtures.web_host import Answer, WebHost

# What is slow, counted on the main thread while a 12-megapixel photo is looked at, load included. How long it then
# stands still, benchmarks/browser.py measures.
HEAVY = """async (worker) => {
  const calls = {};
  const count = (owner, name) => {
    const before = owner[name];
    calls[name] = 0;
    owner[name] = function (...given) { calls[name] += 1; return before.apply(this, given); };
  };
  count(globalThis, "createImageBitmap");
  count(WebAssembly, "instantiate");
  for (const kind of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
    count(kind.prototype, "drawImage");
    count(kind.prototype, "getImageData");
  }
  const blob = await (await fetch("/photos/large.jpg")).blob();
  const { load } = await import("/m/classifier.js");
  const classifier = await load("/m/", { worker });
  const previews = [];
  await classifier.classify(blob, 5, { onPreview: (preview) => previews.push(preview) });
  const called = { ...calls };
  const { width, height } = await createImageBitmap(previews[0]);
  classifier.dispose();
  return { calls: called, thread: classifier.thread, preview: [width, height] };
}"""

# every WebAssembly memory that is made, and the bytes of those that are still reachable after a collection
MEMORIES = """() => {
  globalThis.made = [];
  globalThis.memories = () => made.flatMap((one) => one.deref()?.buffer.byteLength ?? []);
  const before = WebAssembly.instantiate;
  WebAssembly.instantiate = async function (...given) {
    const found = await before.apply(this, given);
    for (const one of Object.values((found.instance ?? found).exports)) {
      if (one instanceof WebAssembly.Memory) made.push(new WeakRef(one));
    }
    return found;
  };
}"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    Image.fromarray(draw(400, 300, 3)).resize((4000, 3000)).save(folder / "large.jpg", quality=90)
    Image.fromarray(draw(200, 160, 3)).save(folder / "small.jpg")
    return folder


@pytest.fixture
def host(bundle: Path, photos: Path) -> Iterator[WebHost]:
    with WebHost(bundle, "/m/") as host:
        host.roots["/photos/"] = photos
        yield host


def test_a_large_photo_leaves_the_main_thread_free(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate(HEAVY, True)
    assert (found["thread"], found["preview"]) == ("worker", [1024, 768])
    assert set(found["calls"].values()) == {0}
    page.goto(host.origin)
    alone = page.evaluate(HEAVY, False)
    assert (alone["thread"], alone["preview"]) == ("main", [1024, 768])
    assert all(count > 0 for count in alone["calls"].values()), alone["calls"]


def test_an_answer_can_be_cancelled_and_the_next_photo_does_not_wait_for_it(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const large = await (await fetch("/photos/large.jpg")).blob();
      const small = await (await fetch("/photos/small.jpg")).blob();
      const control = new AbortController();
      let begun = 0;
      const options = { signal: control.signal, onPreview: () => { begun += 1; } };
      const many = Array.from({ length: 30 }, () =>
        classifier.classify(large, 5, options).then(() => "answer", (error) => error.name));
      control.abort();
      const after = await classifier.classify(small);
      const late = await classifier.classify(small, 5, { signal: control.signal }).catch((error) => error.name);
      return { many: await Promise.all(many), names: after.top.length, begun, late };
    }""")
    assert found["many"] == ["AbortError"] * 30
    assert found["late"] == "AbortError"
    assert found["names"] == 5
    assert found["begun"] <= 1  # the one that was being looked at; the others were never decoded


def test_photos_given_at_once_wait_their_turn(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const small = await (await fetch("/photos/small.jpg")).blob();
      const large = await (await fetch("/photos/large.jpg")).blob();
      const order = [];
      await Promise.all([large, small, small].map(async (photo, at) => {
        await classifier.classify(photo);
        order.push(at);
      }));
      return order;
    }""")
    assert found == [0, 1, 2]


@pytest.mark.parametrize("worker", [True, False])
def test_dispose_ends_the_worker_and_says_so(host: WebHost, page: Page, worker: bool) -> None:
    page.goto(host.origin)
    found = page.evaluate(
        """async (worker) => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/", { worker });
      const small = await (await fetch("/photos/small.jpg")).blob();
      const waiting = classifier.classify(small).catch((error) => [error.name, error.code]);
      await new Promise((resolve) => setTimeout(resolve));
      classifier.dispose();
      classifier.dispose();
      const later = await classifier.classify(small).catch((error) => [error.name, error.code]);
      return [await waiting, later, (await (await load("/m/", { worker })).classify(small)).top.length];
    }""",
        worker,
    )
    assert found == [["AplantidaError", "disposed"], ["AplantidaError", "disposed"], 5]
    comes_to(page, lambda: len(page.workers), 1 if worker else 0)


# calls of any function of WebAssembly, which is what a run of the model consists of
CALLS = """() => {
  globalThis.calls = 0;
  const before = WebAssembly.instantiate;
  WebAssembly.instantiate = async function (...given) {
    const { module, instance } = await before.apply(this, given);
    const counted = ([name, one]) =>
      [name, typeof one === "function" ? (...values) => ((globalThis.calls += 1), one(...values)) : one];
    return { module, instance: { exports: Object.fromEntries(Object.entries(instance.exports).map(counted)) } };
  };
}"""


@pytest.mark.parametrize("call", ["classify", "outputs", "logits"])
def test_what_still_waits_is_not_looked_at_after_dispose(host: WebHost, page: Page, call: str) -> None:
    """Where the engine shares the page's thread, every run would hold the page up."""
    page.goto(host.origin)
    page.evaluate(CALLS)
    found = page.evaluate("""async (call) => {
      const { load } = await import("/m/classifier.js");
      const small = await (await fetch("/photos/small.jpg")).blob();
      const classifier = await load("/m/", { worker: false });
      let before = calls;
      await classifier[call](small);
      const run = calls - before;
      const first = classifier[call](small);
      const many = Array.from({ length: 30 }, () => classifier[call](small).catch(({ code }) => code));
      await first;
      before = calls;
      classifier.dispose();
      const codes = await Promise.all(many);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      return { run, more: calls - before, codes };
    }""", call)  # fmt: skip
    assert found["run"] > 10
    assert found["codes"] == ["disposed"] * 30
    assert found["more"] < 3 * found["run"]  # the one that ran, and the weights that are let go of


def nothing_is_left(page: Page) -> None:
    """No WebAssembly memory of ``MEMORIES`` outlives what is collected."""
    collector = page.context.new_cdp_session(page)

    def left() -> list[int]:
        collector.send("HeapProfiler.collectGarbage")
        return page.evaluate("memories()")

    comes_to(page, left, [])


def test_what_a_classifier_on_the_main_thread_took_goes_with_it(host: WebHost, page: Page) -> None:
    """Every load makes a WebAssembly memory of 16 MB, and reads a WebAssembly file of 0.4 MB."""
    page.goto(host.origin)
    page.evaluate(MEMORIES)
    used = []
    for _ in range(12):
        answer = page.evaluate("""async () => {
          const { load } = await import("/m/classifier.js");
          const classifier = await load("/m/", { worker: false });
          const live = memories().length;
          const { top } = await classifier.classify(await (await fetch("/photos/small.jpg")).blob());
          classifier.dispose();
          return [live, top.length];
        }""")
        assert answer == [1, 5]
        nothing_is_left(page)
        used.append(page.evaluate("performance.memory.usedJSHeapSize"))
    assert page.evaluate("made.length") == 12
    assert used[-1] < used[1] + 2e6  # ten WebAssembly files are 4 MB


def test_one_that_goes_while_another_comes_takes_nothing_from_it(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    page.evaluate(MEMORIES)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const small = await (await fetch("/photos/small.jpg")).blob();
      const counts = [];
      for (let wait = 0; wait < 60; wait += 10) {
        const going = await load("/m/", { worker: false });
        setTimeout(() => going.dispose(), wait);
        const coming = await load("/m/", { worker: false });
        await new Promise((resolve) => setTimeout(resolve, wait));
        counts.push((await coming.classify(small)).top.length);
        coming.dispose();
      }
      return counts;
    }""")
    assert found == [5] * 6
    nothing_is_left(page)


def test_loading_can_be_cancelled(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const control = new AbortController();
      const loading = load("/m/", { signal: control.signal }).catch((error) => error.name);
      setTimeout(() => control.abort(), 5);
      return loading;
    }""")
    assert found == "AbortError"


def test_a_loading_cancelled_while_the_store_is_read_asks_for_nothing(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const control = new AbortController();
      const { match } = Cache.prototype;
      Cache.prototype.match = function (...given) {
        if (String(given[0]).endsWith("weights.bin")) control.abort();
        return match.apply(this, given);
      };
      return load("/m/", { signal: control.signal }).catch((error) => error.name);
    }""")
    assert found == "AbortError"
    page.wait_for_timeout(1000)
    assert [one for one in host.asked if one.path.endswith("weights.bin")] == []


def test_a_photo_given_while_the_page_loads_is_looked_at(bundle: Path, photos: Path, page: Page) -> None:
    def slow(answer: Answer, query: str) -> Answer:
        page_is_given_its_photo.wait(20)
        return answer

    page_is_given_its_photo = threading.Event()
    with WebHost(bundle) as host:
        host.faults["model/weights.bin"] = slow
        page.goto(host.url)
        view(page, "loading")
        page.set_input_files("#photo", str(photos / "large.jpg"))
        expect(page.locator("#loading-text")).to_have_text(re.compile("I have your photo and look at it as soon as"))
        page_is_given_its_photo.set()
        view(page, "result")
        kept_offline(page)
        assert page.locator("#preview").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1024


@pytest.mark.slow
def test_a_thousand_answers_leak_nothing(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    first, last = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/", { worker: false });
      const small = await (await fetch("/photos/small.jpg")).blob();
      const used = async (count) => {
        for (let at = 0; at < count; at++) await classifier.classify(small);
        return performance.memory.usedJSHeapSize;
      };
      return [await used(100), await used(1000)];
    }""")
    assert last < first + 20e6
