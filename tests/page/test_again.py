"""Another place is another answer at once: what the model made of a photo is kept, and the model is not run again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.pages import SECONDS, view
from tests.fixtures.ruled_bundle import PLACES, RuledBundle
from tests.fixtures.web_host import WebHost

# Every order that a page gives its engine, and how many photos go with it: without one nothing can be run.
ORDERS = """globalThis.orders = [];
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  if (message.op) orders.push([message.op, (message.photos ?? []).length]);
  return post.call(this, message, ...rest);
};"""
WATCH = """() => new MutationObserver(() => {
  if (document.documentElement.dataset.view !== "result") globalThis.flickered = true;
}).observe(document.documentElement, { attributes: true })"""
AGAIN = """async ([photos, places, worker]) => {
  const { load } = await import("/m/classifier.js");
  const classifier = await load("/m/", { worker });
  const blobs = await Promise.all(photos.map(async (name) => (await fetch("/photos/" + name)).blob()));
  const previews = [];
  const outputs = await classifier.outputs(blobs, { onPreview: (_, at) => previews.push(at) });
  const kept = structuredClone(outputs);
  const answers = [];
  for (const place of places) {
    const { milliseconds: _, ...again } = await classifier.decide(kept, 5, { place });
    const { milliseconds, ...whole } = await classifier.classify(blobs, 5, { place });
    answers.push([again, whole]);
  }
  const one = await classifier.decide(outputs[0]);
  const { length } = classifier.scientificNames;
  classifier.dispose();
  const sizes = outputs.map(({ logits, features }) => [logits.length === length, features.length]);
  return { answers, one, previews, sizes };
}"""


@pytest.fixture
def host(ruled: RuledBundle) -> Iterator[WebHost]:
    with WebHost(ruled.folder, "/m/") as host:
        host.roots["/photos/"] = ruled.photos[0].parent
        yield host


@pytest.mark.parametrize("worker", [True, False])
def test_outputs_that_were_kept_give_the_answers_of_the_photos(
    ruled: RuledBundle, host: WebHost, page: Page, worker: bool
) -> None:
    page.goto(host.origin)
    places = [None, *PLACES]
    found = page.evaluate(AGAIN, [[path.name for path in ruled.photos[3:5]], places, worker])
    for place, (again, whole) in zip(places, found["answers"], strict=True):
        assert again == whole
        assert (again["decision"], again["taxon"]) == (
            ruled.answer((3, 4), place).decision,
            ruled.answer((3, 4), place).taxon,
        )
    assert found["one"]["decision"] == ruled.answer((3,)).decision
    assert found["one"]["milliseconds"] > 0
    assert found["previews"] == [0, 1]
    assert found["sizes"] == [[True, 32]] * 2


def test_what_are_no_outputs_of_this_model_is_refused(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const photo = await (await fetch("/photos/000.png")).blob();
      const [outputs] = await classifier.outputs(photo);
      const asked = [
        () => classifier.decide([]),
        () => classifier.decide(null),
        () => classifier.decide([outputs, photo]),
        () => classifier.decide({ ...outputs, logits: outputs.logits.slice(1) }),
        () => classifier.decide({ ...outputs, digest: "another" }),
        () => classifier.decide({ ...outputs, features: undefined }),
        () => classifier.decide({ ...outputs, features: Array.from(outputs.features) }),
        () => classifier.decide({ ...outputs, features: null }),
        () => classifier.decide({ ...outputs, features: outputs.features.slice(1) }),
        () => classifier.decide([outputs, { ...outputs, features: new Float32Array(0) }]),
        () => classifier.decide({ ...outputs, milliseconds: undefined }),
        () => classifier.decide({ ...outputs, milliseconds: NaN }),
        () => classifier.decide(outputs, 0),
        () => classifier.decide(outputs, 5, { place: "MX" }),
        () => classifier.outputs([]),
      ];
      const codes = [];
      for (const ask of asked) codes.push(await ask().then(() => "answered", ({ code }) => code));
      const control = new AbortController();
      const stopped = classifier.outputs([photo, photo], { signal: control.signal, onPreview: () => control.abort() });
      return [...codes, await stopped.catch(({ name }) => name)];
    }""")
    assert found == [*["argument"] * 15, "AbortError"]


def test_the_page_looks_once_and_answers_for_every_place(ruled: RuledBundle, page: Page) -> None:
    number = next(
        at
        for at in range(len(ruled.photos))
        if (there := ruled.answer((at,), "ES")).taxon and there != ruled.answer((at,)) and there.decision == "species"
    )
    page.add_init_script(ORDERS)
    with WebHost(ruled.folder) as host:
        page.goto(host.url)
        view(page, "ready")
        page.set_input_files("#photo", str(ruled.photos[number]))
        view(page, "result")
        answer, choice = page.locator("#answer"), page.locator("#place")
        expect(answer).to_have_attribute("data-decision", ruled.answer((number,)).decision)
        page.evaluate(WATCH)
        for place in ("ES", "FR", ""):
            choice.select_option(place)
            wanted = ruled.answer((number,), place or None)
            expect(answer).to_have_attribute("data-decision", wanted.decision, timeout=SECONDS)
            expect(page.locator("#winner")).to_have_text(wanted.taxon or "", timeout=SECONDS)
        assert page.evaluate("() => globalThis.flickered ?? false") is False
        orders = page.evaluate("() => orders")
        assert [order for order in orders if order[1]] == [["outputs", 1]]
        assert [op for op, _ in orders] == ["open", "outputs", *["decide"] * 4]


def test_a_regions_pack_says_whose_plants_alone_it_names(ruled: RuledBundle, tmp_path: Path, page: Page) -> None:
    folder = shutil.copytree(ruled.folder, tmp_path / "bundle")
    manifest = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**manifest, "region": "EU_SW"}))
    with WebHost(folder) as host:
        page.goto(host.url)
        view(page, "ready")
        expect(page.locator("#only")).to_have_text("Plants of EU_SW only: those of other places I cannot name.")
        page.set_input_files("#photo", str(ruled.photos[0]))
        view(page, "result")
        page.locator("#language").click()
        expect(page.locator("#only")).to_contain_text("Solo plantas de EU_SW")
        expect(page.locator("#only")).to_be_visible()
        region = "async () => (await (await import('./classifier.js')).load('./')).region"
        assert page.evaluate(region) == "EU_SW"
    with WebHost(ruled.folder) as host:
        page.goto(host.url)
        view(page, "ready")
        expect(page.locator("#only")).to_be_hidden()
        assert page.evaluate(region) is None
