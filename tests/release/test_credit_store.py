from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from aplantida.data.database import Database
from aplantida.release.credit_store import CREDIT_SCHEMA, CreditStore


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "image_id": hashlib.sha256(str(number).encode()).hexdigest()[:32],
        "scientific_name": f"Planta n{number % 7}",
        "author": f"Author {number % 11}",
        "license_id": "CC-BY-4.0",
        "source": "iNaturalist",
        "url": f"https://photos.example/{number}.jpg",
        **changes,
    }


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "database") as database:
        yield database


def store_of(database: Database, tmp_path: Path, rows: list[dict[str, Any]], missing: int = 0) -> CreditStore:
    ids = [item["image_id"] for item in rows] + [f"{number:032x}" for number in range(missing)]
    pq.write_table(pa.table({"image_id": ids}), tmp_path / "split.parquet")
    store = CreditStore(database, tmp_path / "split.parquet")
    others = [row(number) for number in range(1000, 1020)]
    for start in range(0, len(rows + others), 10):
        store.add(pa.Table.from_pylist((others + rows)[start : start + 10], CREDIT_SCHEMA))
    assert store.absent() == (missing, f"{0:032x}" if missing else None)
    return store


def test_the_list_holds_every_photo_by_species_however_many_may_be_sorted_at_once(
    database: Database, tmp_path: Path
) -> None:
    rows = [row(number, author=None) if number % 5 == 0 else row(number) for number in range(100)]
    store = store_of(database, tmp_path, rows)
    written = []
    for at_once in (1_000_000, 30, 1):
        database.rows_sorted_at_once = at_once
        store.write_list(tmp_path / "list.parquet", tmp_path / "list.csv")
        written.append((tmp_path / "list.parquet").read_bytes())
    assert written[1:] == written[:1] * 2
    listed = pq.read_table(tmp_path / "list.parquet")
    order = [(item["scientific_name"], item["author"] or "~", item["image_id"]) for item in listed.to_pylist()]
    assert order == sorted(order)
    assert sorted(map(str, listed.to_pylist())) == sorted(map(str, rows))
    convert = csv.ConvertOptions(column_types=CREDIT_SCHEMA, strings_can_be_null=True)
    read = csv.read_csv(tmp_path / "list.csv", convert_options=convert)
    assert read.to_pylist() == listed.to_pylist()


def test_photos_outside_the_split_do_not_count_and_absent_ones_are_named(database: Database, tmp_path: Path) -> None:
    store = store_of(database, tmp_path, [row(number) for number in range(20)], missing=3)
    assert store.count() == {"num_photos": 20, "num_species": 7, "num_authors": 11, "num_nameless": 0}
    assert store.authors(2) == [("Author 0", 2), ("Author 1", 2)]
    assert store.by_license() == {"CC-BY-4.0": 20}


def test_every_refused_photo_is_listed(database: Database, tmp_path: Path) -> None:
    rows = [row(number, license_id="CC-BY-NC-4.0" if number < 60 else "CC0-1.0") for number in range(80)]
    rows += [row(number, author=" \t") for number in range(80, 90)]
    store = store_of(database, tmp_path, rows)
    database.rows_sorted_at_once = 8
    store.refuse({("CC-BY-NC-4.0", False): "no!", ("CC-BY-4.0", True): "who?"})
    number, first = store.violations(3)
    shard = pa.table(
        {"image_id": [item["image_id"] for item in rows], "license_text": [f"text {at}" for at in range(90)]}
    )
    listed = store.refused_among(shard)
    assert (number, len(listed)) == (70, 70)
    assert [sentence for _, _, sentence in listed[:3]] == first
    assert [image_id for image_id, _, _ in listed] == sorted(image_id for image_id, _, _ in listed)
    bad = rows[85]["image_id"]
    assert (bad, "text 85", f"photo {bad} (Planta n1, https://photos.example/85.jpg): who?") in listed
    assert store.refused_among(shard.slice(60, 20)) == []
    count, ids = store.missing_author(["CC-BY-4.0"], 4)
    assert (count, ids) == (10, sorted(item["image_id"] for item in rows[80:])[:4])
    assert store.missing_author([], 4) == (0, [])
