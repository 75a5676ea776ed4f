"""The short fixed run gives what it gave: results change only when a version rises, and the changelog says so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aplantida.phases.registry import PHASES, load_phase
from aplantida.pipeline.config import CHECKOUT, load_config, merge
from aplantida.pipeline.recipe import changes_since, recipe_of
from tests.fixtures.digests import NO_ARITHMETIC, measure, processor, read_recipes, read_table, unexplained
from tests.fixtures.mini_run import MiniRun, request_of

pytestmark = pytest.mark.timeout(3600)


def test_every_digest_is_that_of_the_table(mini_run: MiniRun) -> None:
    table, found = read_table(), measure(mini_run)
    assert set(found) == set(table["now"])
    alike = processor() == table["processor"]
    rows = {name: row for name, row in table["now"].items() if alike or row["phase"] in NO_ARITHMETIC}
    assert len(rows) >= 3
    assert {name: found[name] for name in rows} == rows, "run `python -m tests.fixtures.digests` after a version rose"
    if not alike:
        pytest.skip(f"{len(found) - len(rows)} digests not compared: the table was made on {table['processor']}")


def test_no_digest_of_the_table_changed_without_a_version() -> None:
    table = read_table()
    assert unexplained(table["before"], table["now"]) == []
    altered = {
        name: {**row, "digest": "other"} if name == "split_dataset" else row for name, row in table["before"].items()
    }
    assert unexplained(table["before"], altered) == ["split_dataset"]
    risen = {name: {**row, "digest": "other"} for name, row in table["before"].items()}
    risen["export_dataset"] = {**risen["export_dataset"], "version": 99}
    assert unexplained(table["before"], risen) == ["audit_dataset"]  # all others descend from the export


# what the demo's files and the graph say otherwise since then, as it was said then
SAID_THEN: dict[str, dict[str, Any]] = {
    "evaluation": {"num_non_plants": 0},
    "calibration": {"target_precision": 0.9},
    "licenses": {"decisions": []},
    "bundle": {"name": "demo"},
    "manifest": {"name": "demo"},
}
COMPARED_SINCE = "models.baseline, fine-tuned: (absent)"  # one more model on the dashboard


def test_what_3693cb9_sealed_is_the_same_recipe_today(mini_run: MiniRun) -> None:
    """Keys added, moved or dropped since make no sealed artifact another's: only a version does."""
    recipes, compared = read_recipes(), 0
    with mini_run.serving():
        run = mini_run.load()
    for node in run.nodes:
        phase, request = load_phase(node.phase), request_of(run, node)
        if node.name not in recipes:
            continue
        values = merge(request["values"], SAID_THEN.get(node.name, {}))
        config = load_config(phase.config, request["files"], values)
        earlier = {**recipes[node.name], "inputs": {}, "sources": {}}
        found = changes_since(earlier, recipe_of(phase, config, {}, {}), phase.config)
        assert [change for change in found if not change.startswith(("version: ", COMPARED_SINCE))] == [], node.name
        assert set(recipes[node.name]["inputs"]) >= {
            name for name, spec in phase.input_specs.items() if not spec.optional
        }
        compared += 1
    assert compared == len(recipes) == 26


def test_every_risen_version_has_a_line_in_the_changelog() -> None:
    before = {row["phase"]: row["version"] for row in read_table()["before"].values()}
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    for phase in PHASES:
        version = load_phase(phase).version
        for number in range(before.get(phase, version) + 1, version + 1):
            assert re.search(rf"^- `{phase}` version {number}: \S", text, re.MULTILINE), f"{phase} version {number}"
