from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aplantida.data.database import Database, DatabaseFull
from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.data.entry_runs import write_run
from aplantida.data.entry_store import EntryStore
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA
from tests.fixtures.entries import entry


@contextmanager
def store_of(
    folder: Path, rows: list[dict[str, Any]], least: int = 1, rows_per_run: int = 2, **options: Any
) -> Iterator[EntryStore]:
    """A checked store of rows that came in runs of two."""
    with Database.open(folder / "store", **options) as opened:
        store = EntryStore(opened)
        for start in range(0, len(rows), rows_per_run):
            table = pa.Table.from_pylist(rows[start : start + rows_per_run], ENTRY_SCHEMA)
            store.add(folder / write_run(folder, table))
        store.check_together(least)
        yield store


def checked(folder: Path, rows: list[dict[str, Any]], least: int = 1) -> list[tuple[str | None, str | None]]:
    """Reason and detail of every row, by document and position; a row has its reason everywhere it is looked for."""
    with store_of(folder, rows, least) as store:
        facts = store.database.fetch("SELECT reason FROM checked ORDER BY document_id, position")
        store.write_records(folder / "records", folder / "lines")
        store.write_rejections(folder / "rejections")
    rejected = [(row["reason"], row["detail"]) for row in pq.read_table(folder / "rejections").to_pylist()]
    accepted = pq.read_table(folder / "records").num_rows
    assert accepted == len((folder / "lines").read_text().splitlines()) == len(rows) - len(rejected)
    assert [reason for reason, _detail in rejected] == [reason for (reason,) in facts if reason is not None]
    found = iter(rejected)
    return [(None, None) if reason is None else next(found) for (reason,) in facts]


def reasons(folder: Path, rows: list[dict[str, Any]], least: int = 1) -> list[str | None]:
    return [reason for reason, _detail in checked(folder, rows, least)]


def test_a_url_repeated_in_a_species_stays_once_whatever_the_order_of_rows(tmp_path: Path) -> None:
    rows = [entry("b", 0, "Rosa canina", "1"), entry("a", 5, "Rosa canina", "1"), entry("a", 9, "Rosa canina", "1")]
    for order in (rows, rows[::-1]):
        assert reasons(tmp_path, order) == [None] + ["same_url_in_one_species"] * 2


def test_a_url_of_two_species_is_refused_for_both_unless_one_was_refused_before(tmp_path: Path) -> None:
    rows = [entry("a", 0, "Rosa gallica", "1"), entry("b", 0, "Rosa canina", "1"), entry("b", 1, "Rosa canina", "1")]
    assert checked(tmp_path, rows) == [("same_url_in_two_species", "Rosa canina; Rosa gallica")] * 3
    rows[0]["reason"] = "license_refused"
    assert reasons(tmp_path, rows) == ["license_refused", None, "same_url_in_one_species"]


def test_images_are_counted_per_species_over_all_its_documents(tmp_path: Path) -> None:
    rows = [entry("a", n, "Rosa canina", f"a{n}") for n in range(2)]
    rows += [entry("b", n, "Rosa canina", f"b{n}") for n in range(2)]
    rows += [entry("c", n, "Rosa gallica", f"c{n}") for n in range(3)]
    few = "entry_of_species_with_too_few_images", "3 images, want 4"
    assert checked(tmp_path, rows, 4) == [(None, None)] * 4 + [few] * 3


def test_repeated_urls_do_not_count_as_images_of_a_species(tmp_path: Path) -> None:
    rows = [entry("a", n, "Rosa canina", "same") for n in range(3)] + [entry("a", 3, "Rosa canina", "other")]
    assert reasons(tmp_path, rows, 3)[0] == "entry_of_species_with_too_few_images"


def test_a_refused_document_has_no_url_and_comes_after_its_entries(tmp_path: Path) -> None:
    nameless = {"document_id": "a", "reason": "document_no_name"}
    rows = [nameless, entry("a", 0, "", "1", scientific_name=None, reason="entry_of_nameless_document")]
    rows += [{"document_id": "b", "reason": "document_no_images", "scientific_name": "Rosa canina"}]
    assert reasons(tmp_path, rows) == ["entry_of_nameless_document", "document_no_name", "document_no_images"]


def test_what_is_written_has_its_schema_and_order_and_the_same_bytes_with_other_runs_and_resources(
    tmp_path: Path,
) -> None:
    rows = [
        entry(f"d{n % 7}", n, f"Rosa {'ab'[n % 2]}", f"{n}", common_names=["es:rosa", "fr:é"], distribution=[])
        for n in range(600)
    ]
    rows += [entry("z", n, "Rosa a", f"z{n}", reason="license_refused", detail='it\'s "no"') for n in range(9)]
    written: list[list[bytes]] = []
    for memory_mb, rows_per_run in ((128, 1000), (512, 50)):
        paths = [tmp_path / f"it's {name} {memory_mb}" for name in ("records", "lines", "rejections")]
        with store_of(tmp_path, rows[::-1], rows_per_run=rows_per_run, memory_mb=memory_mb) as store:
            store.write_records(paths[0], paths[1])
            store.write_rejections(paths[2])
            assert store.count("reason") == {"license_refused": 9}
            assert store.count("scientific_name", accepted=True) == {"Rosa a": 300, "Rosa b": 300}
            assert store.count("scientific_name") == {"Rosa a": 309, "Rosa b": 300}
            assert store.count_distinct("document_id") == 8
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    records, rejections = pq.read_table(paths[0]), pq.read_table(paths[2])
    assert records.schema == RECORD_SCHEMA
    assert rejections.schema == REJECTION_SCHEMA
    ids = records["image_id"].to_pylist()
    assert ids == sorted(ids)
    assert len(ids) == 600
    assert [json.loads(line) for line in paths[1].read_text().splitlines()] == records.to_pylist()
    assert rejections["detail"].to_pylist() == ['it\'s "no"'] * 9


def test_more_facts_than_its_memory_holds(tmp_path: Path) -> None:
    long = "x" * 2_000
    with Database.open(tmp_path / "store", memory_mb=128) as opened:
        store = EntryStore(opened)
        for document in range(70):
            rows = [
                entry(f"d{document:03d}", n, "Rosa canina", f"{document}/{n}", license_text=f"{document}/{n}/{long}")
                for n in range(1000)
            ]
            rows[0]["reason"] = "license_refused"
            store.add(tmp_path / write_run(tmp_path, pa.Table.from_pylist(rows, ENTRY_SCHEMA)))
        store.check_together(1)
        assert any((tmp_path / "store").iterdir())  # on disk, that is
        store.write_records(tmp_path / "records", tmp_path / "lines")
        store.write_rejections(tmp_path / "rejections")
    assert pq.ParquetFile(tmp_path / "records").metadata.num_rows == 69_930
    assert pq.ParquetFile(tmp_path / "rejections").metadata.num_rows == 70
    assert not any((tmp_path / "store").glob("*"))


def test_a_database_without_room_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(DatabaseFull, match=r"Out of Memory"),
        Database.open(tmp_path / "store", memory_mb=4) as opened,
    ):
        opened.run("SELECT list(range) FROM range(10_000_000)")


def test_what_a_killed_session_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / "store" / "left.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with store_of(tmp_path, []):
        assert not left.exists()
