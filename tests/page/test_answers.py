"""Every rule of decision.json in a real Chromium: the answers of ``classifier.js`` are Python's."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from aplantida.predict import predict, predict_plant
from tests.fixtures.bundle import write_manifest
from tests.fixtures.ruled_bundle import PLACES, RULES, RuledBundle
from tests.fixtures.web_host import WebHost

ASK = """async ([questions, worker]) => {
  const { load } = await import("/m/classifier.js");
  const classifier = await load("/m/", { worker });
  const read = async (name) => (await fetch("/photos/" + name)).blob();
  const answers = [];
  for (const [names, place] of questions) {
    const photos = await Promise.all(names.map(read));
    answers.push(await classifier.classify(photos.length === 1 ? photos[0] : photos, 5, { place }));
  }
  const { places, thread } = classifier;
  classifier.dispose();
  return { answers, places, thread };
}"""


@pytest.fixture
def host(ruled: RuledBundle) -> Iterator[WebHost]:
    with WebHost(ruled.folder, "/m/") as host:
        host.roots["/photos/"] = ruled.photos[0].parent
        yield host


def asked(ruled: RuledBundle, questions: list[tuple[tuple[int, ...], str | None]]) -> list[Any]:
    return [[[ruled.photos[number].name for number in photos], place] for photos, place in questions]


def test_one_photo_gives_pythons_answer_by_every_rule(ruled: RuledBundle, host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    questions: list[tuple[tuple[int, ...], str | None]] = [((at,), None) for at in range(len(ruled.photos))]
    found = page.evaluate(ASK, [asked(ruled, questions), True])
    assert found["thread"] == "worker"
    assert found["places"] == list(PLACES)
    seen = Counter[str]()
    for (photos, _), mine in zip(questions, found["answers"], strict=True):
        compare(mine, ruled, photos, None)
        seen[mine["rule"]] += 1
    assert set(seen) == RULES
    assert sum(seen.values()) >= 200
    rows = predict(ruled.folder, [str(path) for path in ruled.photos])
    for mine, row in zip(found["answers"], rows, strict=True):
        assert {key: mine[key] for key in ("decision", "rule", "taxon", "set_size")} == {
            key: row[key] for key in ("decision", "rule", "taxon", "set_size")
        }
        assert [item["scientific_name"] for item in mine["top"]] == [item["scientific_name"] for item in row["top"]]


@pytest.mark.parametrize("worker", [True, False])
def test_several_photos_and_places_give_pythons_answer(
    ruled: RuledBundle, host: WebHost, page: Page, worker: bool
) -> None:
    page.goto(host.origin)
    questions: list[tuple[tuple[int, ...], str | None]] = []
    for at in range(60):
        photos = tuple(range(at, at + 1 + at % 3))
        questions.append((photos, (None, *PLACES)[at % 4]))
    found = page.evaluate(ASK, [asked(ruled, questions), worker])
    rules, places = Counter[str](), Counter[bool]()
    for (photos, place), mine in zip(questions, found["answers"], strict=True):
        compare(mine, ruled, photos, place)
        rules[mine["rule"]] += 1
        places[ruled.answer(photos, place) != ruled.answer(photos)] += 1
    assert len(rules) >= 6
    assert places[True] > 5  # a place that changes nothing would prove nothing
    row = predict_plant(ruled.folder, [str(path) for path in ruled.photos[2:5]], place="ES")
    (mine,) = page.evaluate(ASK, [asked(ruled, [((2, 3, 4), "ES")]), worker])["answers"]
    assert [item["scientific_name"] for item in mine["top"]] == [item["scientific_name"] for item in row["top"]]
    assert mine["rule"] == row["rule"]


def compare(mine: dict[str, Any], ruled: RuledBundle, photos: tuple[int, ...], place: str | None) -> None:
    wanted = ruled.answer(photos, place)
    assert (mine["decision"], mine["rule"]) == (wanted.decision, wanted.rule), (photos, place)
    assert (mine["taxon"], mine["set_size"]) == (wanted.taxon, wanted.set_size), (photos, place)
    if wanted.probability is None:
        assert mine["probability"] is None
    else:
        assert mine["probability"] == pytest.approx(wanted.probability, abs=1e-5)


def test_what_is_no_list_of_photos_and_no_place_is_said(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load, AplantidaError } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const photo = await (await fetch("/photos/000.png")).blob();
      const broken = new Blob([new Uint8Array([255, 216, 255, 224, 0, 0])]);
      const asked = [
        classifier.classify([]),
        classifier.classify([photo, null]),
        classifier.classify(photo, 5, { place: 7 }),
        classifier.classify(photo, 5, { place: "MX" }),
        classifier.classify([photo, broken, photo]),
      ];
      return Promise.all(asked.map((one) => one.catch(({ code, message }) => [code, message.slice(0, 14)])));
    }""")
    assert [code for code, _ in found] == ["argument"] * 4 + ["unreadable"]
    assert found[4][1] == "photo 2 of 3: "


def test_an_answer_of_several_photos_can_be_cancelled_and_shows_each(host: WebHost, page: Page) -> None:
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/m/classifier.js");
      const classifier = await load("/m/");
      const photo = await (await fetch("/photos/000.png")).blob();
      const bitmap = await createImageBitmap(photo);
      const seen = [];
      const onPreview = (preview, at) => seen.push([at, preview.type]);
      const { top } = await classifier.classify([photo, bitmap, photo], 3, { onPreview });
      const control = new AbortController();
      const stop = { signal: control.signal, onPreview: () => control.abort() };
      const stopped = classifier.classify([photo, photo], 5, stop);
      return [seen, top.length, await stopped.catch((error) => error.name), bitmap.width > 0];
    }""")
    assert found == [[[at, "image/jpeg"] for at in range(3)], 3, "AbortError", True]


def test_features_of_another_width_are_the_bundles_fault(ruled: RuledBundle, tmp_path: Path, page: Page) -> None:
    folder = shutil.copytree(ruled.folder, tmp_path / "bundle")
    value = json.loads((folder / "decision.json").read_text())
    value["strangers"]["plant"]["weights"] = value["strangers"]["known"]["scales"]
    (folder / "decision.json").write_text(json.dumps(value))
    write_manifest(folder)
    with WebHost(folder, "/m/") as host:
        host.roots["/photos/"] = ruled.photos[0].parent
        page.goto(host.origin)
        found = page.evaluate("""async () => {
          const { load } = await import("/m/classifier.js");
          const photo = await (await fetch("/photos/000.png")).blob();
          const classifier = await load("/m/");
          return classifier.classify(photo).catch(({ code, file, message }) => [code, file, message]);
        }""")
    assert found == ["bundle", "decision.json", "decision.json: head of 2 features, the model gives 32"]
