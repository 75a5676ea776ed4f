"""Photos in hash-bucket shards: which record goes where, and how a shard is put together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, REJECTION_SCHEMA, shard_of

PHOTO_COLUMNS = [name for name in IMAGE_SCHEMA.names if name not in RECORD_SCHEMA.names]
RESULT_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string()),
        *(IMAGE_SCHEMA.field(name).with_nullable(True) for name in PHOTO_COLUMNS),
        pa.field("reason", pa.string()),  # null for a stored photo
        pa.field("detail", pa.string()),
    ]
)


def shard_name(shard: int) -> str:
    """Name of a shard's file."""
    return f"shards/shard-{shard:05d}.parquet"


def failures_name(shard: int) -> str:
    """Name of the file of a shard's failures."""
    return f"failures/shard-{shard:05d}.parquet"


def plan_shards(records: pa.Table, num_shards: int) -> list[pa.Table]:
    """The records of each shard, sorted by ``image_id``; a record's shard depends on nothing but its id."""
    ordered = records.select(RECORD_SCHEMA.names).sort_by("image_id").combine_chunks()
    rows: list[list[int]] = [[] for _ in range(num_shards)]
    for row, image_id in enumerate(ordered["image_id"].to_pylist()):
        rows[shard_of(image_id, num_shards)].append(row)
    return [ordered.take(pa.array(some, pa.int64())).combine_chunks() for some in rows]


def records_digest(records: pa.Table) -> str:
    """sha256 over the content of records, in their order."""
    total = hashlib.sha256()
    for row in records.select(RECORD_SCHEMA.names).to_pylist():
        total.update(json.dumps(list(row.values()), ensure_ascii=False).encode() + b"\n")
    return total.hexdigest()


def shard_table(records: pa.Table, results: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    """The stored photos of a shard as a table of ``IMAGE_SCHEMA``, in the order of its records.

    Args:
        records: the shard's records.
        results: by ``image_id``, the columns of ``RESULT_SCHEMA``.
    """
    kept = [row for row, image_id in enumerate(records["image_id"].to_pylist()) if results[image_id]["reason"] is None]
    stored = records.take(pa.array(kept, pa.int64()))
    photos = [results[image_id] for image_id in stored["image_id"].to_pylist()]
    columns: dict[str, Any] = {name: stored[name] for name in RECORD_SCHEMA.names}
    for name in PHOTO_COLUMNS:
        columns[name] = pa.array([photo[name] for photo in photos], IMAGE_SCHEMA.field(name).type)
    return pa.table(columns, schema=IMAGE_SCHEMA).combine_chunks()


def failure_table(records: pa.Table, results: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    """The others as a table of ``REJECTION_SCHEMA``."""
    wanted = ["image_id", "document_id", "scientific_name", "url"]
    rows = [
        {**record, "reason": results[record["image_id"]]["reason"], "detail": results[record["image_id"]]["detail"]}
        for record in records.select(wanted).to_pylist()
        if results[record["image_id"]]["reason"] is not None
    ]
    return pa.Table.from_pylist(rows, REJECTION_SCHEMA)


def earlier_results(shard_path: Path, failures_path: Path, not_again: frozenset[str]) -> dict[str, dict[str, Any]]:
    """What an earlier shard knows, by ``image_id``: its photos, and its failures but for reasons in ``not_again``.

    An ``image_id`` stands for a document and a URL, so that the photo holds whatever else of the record has changed.
    """
    known: dict[str, dict[str, Any]] = {}
    for row in pq.read_table(shard_path, columns=["image_id", *PHOTO_COLUMNS]).to_pylist():
        known[row["image_id"]] = {**row, "reason": None, "detail": None}
    for row in pq.read_table(failures_path, columns=["image_id", "reason", "detail"]).to_pylist():
        if row["reason"] not in not_again:
            known[row["image_id"]] = row
    return known
