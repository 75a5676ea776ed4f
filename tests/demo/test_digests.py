"""The demo's digests are held against a committed table, by what this processor can be held to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aplantida.demo.digests import FORMAT, TABLE, compare, measure, processor, read_table, told
from aplantida.demo.driver import Run
from aplantida.pipeline.errors import BadRequest
from tests.fixtures.artifacts import seal

KINDS = {
    "export": "records",
    "images": "image_shards",
    "split": "split",
    "teacher": "checkpoint",
    "student": "checkpoint",
    "bundle": "model_bundle",
}


def rows(**digests: str) -> dict[str, dict[str, Any]]:
    return {name: {"kind": kind, "version": 1, "digest": digests.get(name, name)} for name, kind in KINDS.items()}


def table(nodes: Mapping[str, Any], on: str = "one") -> dict[str, Any]:
    return {"format": FORMAT, "processor": on, "nodes": nodes}


def test_equal_digests_are_equal_on_any_processor() -> None:
    assert compare(table(rows()), rows(), "one") == ["digests: all 6 are those of the table"]
    assert compare(table(rows()), rows(), "another") == ["digests: all 6 are those of the table"]


def test_what_differs_is_named() -> None:
    (line,) = compare(table(rows()), rows(split="x", bundle="y"), "one")
    assert line == "digests: 2 of 6 are not those of the table: split, bundle"
    found = rows(teacher="x")
    found["teacher"]["version"] = 2
    (line,) = compare(table(rows()), found, "one")
    assert line.endswith("teacher; of another version: teacher")


def test_another_processor_is_held_to_the_data_alone() -> None:
    rounds, data = compare(table(rows()), rows(teacher="x", bundle="y"), "another")
    assert rounds.startswith(
        "digests: this CPU rounds otherwise (another; the table is of one): only the 3 nodes before teacher"
    )
    assert data == "digests: all 3 are those of the table"
    _, data = compare(table(rows()), rows(images="z", teacher="x"), "another")
    assert data == "digests: 1 of 3 are not those of the table: images"


def test_the_first_training_that_rounds_otherwise_decides() -> None:
    rounds, rest = compare(table(rows()), rows(student="x", bundle="y"), "another")
    assert "rounds otherwise" in rounds
    assert rounds.endswith("only the 4 nodes before student are compared")
    assert rest == "digests: all 4 are those of the table"
    (line,) = compare(table(rows()), rows(bundle="y"), "another")  # made of equal models
    assert line == "digests: 1 of 6 are not those of the table: bundle"


def test_what_a_run_lacks_is_said() -> None:
    found = {name: row for name, row in rows().items() if name in ("export", "split")}
    lacks, line = compare(table(rows()), found, "one")
    assert lacks == "digests: the run lacks images, teacher, student, bundle"
    assert line == "digests: all 2 are those of the table"
    assert compare(table(rows()), {}, "another")[-1] == "digests: none to compare"


def test_a_table_of_a_part_says_what_it_does_not_know() -> None:
    part = {name: row for name, row in rows().items() if name in ("export", "teacher")}
    unknown, line = compare(table(part), rows(), "one")
    assert unknown == "digests: the table does not know images, split, student, bundle"
    assert line == "digests: all 2 are those of the table"


NONE = {name: {**row, "digest": None} for name, row in rows().items()}


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "[]", "{}", "[" * 100_000, '{"nodes": {}}', '{"nodes": {"a": {}}}'),
        *(json.dumps(table({})), json.dumps(table(NONE))),
    ],
    ids=range(9),
)
def test_a_table_that_is_none_is_loud(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "digests.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadRequest, match=r"digests\.json: .*python -m aplantida\.demo\.digests"):
        read_table(file)
    (line,) = told(cast("Run", None), file)
    assert line.startswith("digests: not compared: ")


def test_the_committed_table_is_a_table_and_artifacts_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(TABLE.read_text())["format"] == FORMAT
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    made = seal("split", "split", lambda output: {"files": output.write_text("a.txt", "a").bytes})
    nodes = [SimpleNamespace(name="split", needs=lambda: ["images"]), SimpleNamespace(name="all", needs=lambda: ["*"])]
    run = cast("Run", SimpleNamespace(nodes=nodes, output=lambda name: tmp_path / name))
    assert measure(run) == {"split": {"kind": "split", "version": 1, "digest": made.digest}}
    file = tmp_path / "digests.json"
    file.write_text(json.dumps(table(measure(run), processor())))
    assert told(run, file) == ["digests: all 1 are those of the table"]
