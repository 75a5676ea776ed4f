"""Photos in hash-bucket shards: which record goes where, and how a shard is put together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, REJECTION_SCHEMA, shard_of

VALIDATORS = [pa.field("etag", pa.string()), pa.field("last_modified", pa.string())]
PHOTO_COLUMNS = [name for name in IMAGE_SCHEMA.names if name not in RECORD_SCHEMA.names]
RESULT_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string()),
        *(IMAGE_SCHEMA.field(name).with_nullable(True) for name in PHOTO_COLUMNS),
        pa.field("reason", pa.string()),  # null for a stored photo
        pa.field("detail", pa.string()),
        *VALIDATORS,  # what the server called this version of the file, and said of its age
        pa.field("not_modified", pa.bool_()),  # the server says that the version at hand is the newest
    ]
)
VALIDATOR_SCHEMA = pa.schema([pa.field("image_id", pa.string(), nullable=False), *VALIDATORS])


def shard_name(shard: int) -> str:
    """Name of a shard's file."""
    return f"shards/shard-{shard:05d}.parquet"


def failures_name(shard: int) -> str:
    """Name of the file of a shard's failures."""
    return f"failures/shard-{shard:05d}.parquet"


def validators_name(shard: int) -> str:
    """Name of the file of what servers said to ask with again; no result: the same photo may come with another."""
    return f"aside/validators/shard-{shard:05d}.parquet"


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


def sort_out(records: pa.Table, results: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """What a shard consists of, each in the order of its records.

    Args:
        records: the shard's records.
        results: a row of ``RESULT_SCHEMA`` for each, in any order.

    Returns:
        The stored photos (``IMAGE_SCHEMA``), the failures (``REJECTION_SCHEMA``), and what servers said of the stored
        photos' versions (``VALIDATOR_SCHEMA``; silent ones have no row).
    """
    at = {image_id: row for row, image_id in enumerate(results["image_id"].to_pylist())}
    told = results.take(pa.array([at[image_id] for image_id in records["image_id"].to_pylist()], pa.int64()))
    columns = {name: records[name] for name in RECORD_SCHEMA.names} | {name: told[name] for name in told.column_names}
    stored = pc.field("reason").is_null()
    versioned = stored & (pc.field("etag").is_valid() | pc.field("last_modified").is_valid())
    wanted = ((stored, IMAGE_SCHEMA), (~stored, REJECTION_SCHEMA), (versioned, VALIDATOR_SCHEMA))
    everything = pa.table(columns)
    photos, failures, validators = (
        everything.filter(rows).select(schema.names).cast(schema).combine_chunks() for rows, schema in wanted
    )
    return photos, failures, validators


def stored_images(shard: Path, wanted: Set[str]) -> Iterator[list[tuple[str, bytes]]]:
    """``image_id`` and JPEG of some photos of a shard, a row group at a time."""
    with pq.ParquetFile(shard) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, ["image_id"])["image_id"].to_pylist()
            rows = [row for row, image_id in enumerate(ids) if image_id in wanted]
            if rows:
                images = file.read_row_group(group, ["image"])["image"].take(pa.array(rows, pa.int64()))
                yield list(zip([ids[row] for row in rows], images.to_pylist(), strict=True))


@dataclass(frozen=True, slots=True)
class EarlierShard:
    """A shard of an earlier artifact, or of this one so far.

    An ``image_id`` stands for a document and a URL, so that the photo holds whatever else of the record has changed.

    Attributes:
        folder: the artifact's.
        number: the shard's.
    """

    folder: Path
    number: int

    def stored(self) -> dict[str, tuple[str | None, str | None]]:
        """By ``image_id`` of the photos: ETag and date to ask with."""
        ids = pq.read_table(self.folder / shard_name(self.number), columns=["image_id"])["image_id"].to_pylist()
        path = self.folder / validators_name(self.number)
        said = {row["image_id"]: row for row in (pq.read_table(path).to_pylist() if path.is_file() else [])}
        return {
            image_id: (said[image_id]["etag"], said[image_id]["last_modified"]) if image_id in said else (None, None)
            for image_id in ids
        }

    def failed(self, not_again: frozenset[str]) -> set[str]:
        """``image_id`` of the failures, but for reasons in ``not_again``."""
        rows = pq.read_table(self.folder / failures_name(self.number), columns=["image_id", "reason"]).to_pylist()
        return {row["image_id"] for row in rows if row["reason"] not in not_again}

    def results(self, wanted: Collection[str]) -> pa.Table:
        """What is known of the photos in ``wanted``, as a table of ``RESULT_SCHEMA``: photos with their bytes."""
        said = self.stored()
        photos = pq.read_table(self.folder / shard_name(self.number), columns=["image_id", *PHOTO_COLUMNS])
        for at, field in enumerate(VALIDATORS):
            values = [said[image_id][at] for image_id in photos["image_id"].to_pylist()]
            photos = photos.append_column(field, pa.array(values, field.type))
        failures = pq.read_table(self.folder / failures_name(self.number), columns=["image_id", "reason", "detail"])
        known = pa.concat_tables([RESULT_SCHEMA.empty_table(), photos, failures], promote_options="default")
        return known.filter(pc.field("image_id").isin(sorted(wanted))).cast(RESULT_SCHEMA)
