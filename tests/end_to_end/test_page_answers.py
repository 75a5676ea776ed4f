"""What the page says of each kind of answer, in both languages, in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from aplantida.export.browser import BrowserClassifier, chromium
from aplantida.export.http_server import FolderServer
from aplantida.export.node import NodeClassifier
from aplantida.predict import read_photo
from tests.export.test_decide_twin import decision
from tests.fixtures.bundle import write_bundle, write_manifest
from tests.fixtures.photos import write_photos

NEVER = {"score": "energy", "threshold": 1e9}
WARNING = {"en": "Never eat or use a plant because of this answer alone.", "es": "No comas ni uses nunca una planta"}


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with chromium(locale="en-US") as context:
        yield context


def bundle_of(folder: Path, **changes: Any) -> Path:
    bundle = write_bundle(folder / "bundle")
    nothing = {"roll_up": {rank: {"threshold": None, "precision": None} for rank in ("genus", "family")}}
    value = {**decision("lac", None, None), **nothing, "threshold": 1.0, **changes}
    (bundle / "decision.json").write_text(json.dumps(value))
    write_manifest(bundle)
    return bundle


def everything(levels: float) -> dict[str, Any]:
    return {"method": "lac", "penalty": 0.01, "max_size": 10, "levels": [{"level": 0.9, "threshold": levels}]}


@pytest.mark.parametrize(
    ("changes", "said", "in_spanish"),
    [
        ({"strangers": {"plant": NEVER, "known": None}}, "I see no plant here", "Aquí no veo ninguna planta"),
        ({"strangers": {"plant": None, "known": NEVER}}, "A plant I do not know", "Una planta que no conozco"),
        (
            {
                "roll_up": {
                    "genus": {"threshold": 0.0, "precision": 0.9},
                    "family": {"threshold": None, "precision": None},
                }
            },
            "Probably one of this genus",
            "Probablemente de este género",
        ),
        ({"sets": everything(1.0)}, "One of these", "Una de estas"),
        ({"sets": everything(-1.0)}, "I am not sure", "No estoy seguro"),
        ({"threshold": 0.0}, "Likely", "Probablemente"),
    ],
)
def test_each_answer_is_said_with_the_warning(
    browser: BrowserContext, tmp_path: Path, changes: dict[str, Any], said: str, in_spanish: str
) -> None:
    (photo,) = write_photos(tmp_path, 1)
    bundle = bundle_of(tmp_path, **changes)
    page = browser.new_page()
    with FolderServer(bundle) as server:
        page.goto(server.url)
        expect(page.locator("html")).to_have_attribute("data-view", "ready", timeout=60_000)
        page.set_input_files("#photo", str(photo))
        expect(page.locator("#verdict")).to_have_text(said, timeout=60_000)
        expect(page.locator("#note")).to_contain_text(WARNING["en"])
        is_stranger = "strangers" in changes
        expect(page.locator("#bars")).to_be_visible(visible=not is_stranger)
        if is_stranger:
            page.locator("#closest").click()
            expect(page.locator("#bars")).to_be_visible()
        page.locator("#language").click()
        expect(page.locator("#verdict")).to_have_text(in_spanish)
        expect(page.locator("#note")).to_contain_text(WARNING["es"])
        page.locator("#language").click()
    page.close()


def test_chromium_and_node_decide_alike(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, 6)
    bundle = bundle_of(tmp_path, sets=everything(0.97), threshold=0.3)
    with NodeClassifier(bundle) as node, BrowserClassifier(bundle) as page:
        found = page.classify_files(photos)
        wanted = [node.classify(read_photo(photo)) for photo in photos]
    assert [item.decision for item in found] == [item["decision"] for item in wanted]
