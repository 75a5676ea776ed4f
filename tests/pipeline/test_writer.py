from __future__ import annotations

import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aplantida.pipeline.artifact import PROGRESS
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
