from __future__ import annotations

import json
import os
import pickle
import platform
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aplantida.pipeline.artifact import PROGRESS
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.session import write_session, writing_session
from aplantida.pipeline.writer import ArtifactWriter, StaleSession


def test_an_orphan_of_an_older_session_cannot_write(root: Path) -> None:
    with writing_session(root / "a", {}) as first:
        orphan = pickle.loads(pickle.dumps(ArtifactWriter(root / "a", first)))
        assert orphan.write_text("x.txt", "1").bytes == 1
    with writing_session(root / "a", {}) as second:
        with pytest.raises(StaleSession):
            orphan.write_text("x.txt", "22")
        ArtifactWriter(root / "a", second).write_text("x.txt", "333")
    assert (root / "a" / "x.txt").read_text() == "333"


def test_a_live_lease_of_another_machine_is_respected(root: Path) -> None:
    (root / "a" / PROGRESS).mkdir(parents=True)
    write_session(root / "a", {"session_id": "s", "host": "another-machine", "pid": 1})
    with pytest.raises(Exception, match="another-machine"), writing_session(root / "a", {}):
        pass


@pytest.mark.parametrize(
    ("facts", "age", "held"),
    [
        ({"host": "another"}, 5, True),
        ({"host": "another"}, 600, False),
        ({"host": "another", "alive": time.time() - 86_400}, 5, True),  # its clock is slow
        ({"host": "another", "alive": time.time() + 86_400}, 600, False),  # its clock was fast, and it is dead
        ({"host": platform.node()}, 5, False),  # the lock alone decides, whatever process has its number now
        ({"host": platform.node(), "pid": os.getpid(), "boot": "another"}, 5, True),  # another of the same name
        ({"host": platform.node(), "boot": "another"}, 600, False),
        ({"host": "a-container-of-this-machine", "boot": "this"}, 5, False),
    ],
)
def test_a_lease_is_as_old_as_its_file_and_of_a_machine_not_of_a_name(
    root: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], age: float, held: bool
) -> None:
    monkeypatch.setattr("aplantida.pipeline.session.boot_id", lambda: "this")
    (root / "a" / PROGRESS).mkdir(parents=True)
    session = root / "a" / PROGRESS / "session.json"
    session.write_text(json.dumps({"session_id": "s", "pid": 1, "alive": time.time(), **facts}))
    os.utime(session, (time.time() - age, time.time() - age))
    if held:
        with pytest.raises(BadRequest, match="being written by process"), writing_session(root / "a", {}):
            pass
        return
    with writing_session(root / "a", {}) as session_id:
        assert ArtifactWriter(root / "a", session_id).write_text("x.txt", "1")


@pytest.mark.parametrize("text", ["", "[]", "null", "3", '{"host": "x"}', '{"host": "x", "alive": "now"}'])
def test_a_damaged_lease_is_of_nobody(root: Path, text: str) -> None:
    (root / "a" / PROGRESS).mkdir(parents=True)
    (root / "a" / PROGRESS / "session.json").write_text(text)
    with writing_session(root / "a", {}) as session_id:
        assert session_id


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\u200b", "\u202e", "\ufeff", "\x1c", "\x0b", "a\nb"])
def test_a_ledger_holds_any_text(root: Path, odd: str) -> None:
    with writing_session(root / "a", {}) as session:
        ArtifactWriter(root / "a", session).record_unit(f"one{odd}two", "k", [], {"said": f"x{odd}y"})
        again = ArtifactWriter(root / "a", session)
        assert again.unit_info(f"one{odd}two") == {"said": f"x{odd}y"}


def test_a_ledger_line_cut_short_is_dropped(root: Path) -> None:
    with writing_session(root / "a", {}) as session:
        writer = ArtifactWriter(root / "a", session)
        writer.record_unit("one", "k", [writer.write_text("1.txt", "one")])
        ledger = root / "a" / PROGRESS / "ledger.jsonl"
        ledger.write_text(ledger.read_text() + '{"unit": "two", "ke')
        again = ArtifactWriter(root / "a", session)
        assert again.is_done("one", "k")
        assert not again.is_done("one", "other key")
        assert "two" not in again.units
        again.record_unit("three", "k")
        assert all(json.loads(line) for line in ledger.read_text().splitlines())


def test_a_unit_whose_file_is_gone_is_not_done(root: Path) -> None:
    with writing_session(root / "a", {}) as session:
        writer = ArtifactWriter(root / "a", session)
        writer.record_unit("one", "k", [writer.write_text("1.txt", "one")])
        (root / "a" / "1.txt").unlink()
        assert not ArtifactWriter(root / "a", session).is_done("one", "k")


def test_equal_tables_give_equal_bytes(root: Path) -> None:
    table = pa.table({"a": list(range(2000)), "b": ["x", None] * 1000})
    with writing_session(root / "a", {}) as session:
        writer = ArtifactWriter(root / "a", session)
        assert writer.write_table("1.parquet", table).sha256 == writer.write_table("2.parquet", table).sha256


def test_columns_that_cannot_be_compressed_are_stored_as_they_are_and_all_others_are(root: Path) -> None:
    table = pa.table({"jpeg": [b"x" * 100] * 50, "name": ["x" * 100] * 50, "words": [["y" * 100, "z"]] * 50})
    with writing_session(root / "a", {}) as session:
        ArtifactWriter(root / "a", session).write_table("1.parquet", table, incompressible=["jpeg"])
    group = pq.ParquetFile(root / "a/1.parquet").metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert {column.path_in_schema: column.compression for column in columns} == {
        "jpeg": "UNCOMPRESSED",
        "name": "ZSTD",
        "words.list.element": "ZSTD",
    }
    assert columns[0].total_compressed_size > 50 * 100 > columns[1].total_compressed_size
    assert pq.read_table(root / "a/1.parquet").equals(table)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "artifact.json", "_progress/x", ""])
def test_names_that_cannot_name_a_result(root: Path, name: str) -> None:
    with writing_session(root / "a", {}) as session, pytest.raises(ValueError, match="cannot name a result file"):
        ArtifactWriter(root / "a", session).write_text(name, "x")
