"""The whole chain, small: four drawn species from MongoDB to a bundle that Chromium has run, then all of it skipped."""

from __future__ import annotations

import json

import pytest

from aplantida.pipeline.artifact import open_artifact
from tests.fixtures.mini_run import NODES, MiniRun, rows_of

pytestmark = pytest.mark.timeout(1800)


def test_from_mongo_to_the_browser(mini_run: MiniRun) -> None:
    printed = mini_run.first.stdout
    rows = rows_of(printed)
    assert len(rows) == NODES
    assert {status for status, _ in rows.values()} == {"done"}
    assert rows["split_dataset"][1].startswith("4 species")
    assert "distilled minus baseline" in printed
    assert "dist/models/mini_v1.0" in printed

    bundle = open_artifact(mini_run.root / "dist/models/mini_v1.0", "model_bundle")
    assert {"model/model.json", "decision.json", "index.html"} <= set(bundle.files)
    assert bundle.verify() == []
    assert json.loads(bundle.file("classes.json").read_text())["classes"]


def test_again_everything_is_skipped(mini_run: MiniRun) -> None:
    second = mini_run.demo()
    assert second.returncode == 0, second.stderr[-6000:]
    again, rows = rows_of(second.stdout), rows_of(mini_run.first.stdout)
    assert {status for status, _ in again.values()} == {"skipped"}
    assert {node: result for node, (_, result) in again.items()} == {node: result for node, (_, result) in rows.items()}
    assert "Started a local Ray" not in second.stderr
