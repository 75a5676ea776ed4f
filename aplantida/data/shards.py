"""Photos in hash-bucket shards: which record goes where, and how a shard is put together."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, shard_of

_SHARD = pa.field("shard", pa.int32())
_ROWS_PLANNED_AT_A_TIME, _MOST_OPEN_FILES = 65_536, 512
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


class ShardPlan:
    """Which record goes where: the records lie in a folder, by shard, so that none need be held in memory.

    Attributes:
        num_records: of all shards.
        num_shards: there are.
        secrets: of addresses: no shard holds them.
    """

    def __init__(self, folder: Path, num_records: int, num_shards: int, secrets: AddressSecrets = USUAL) -> None:
        self._folder, self.secrets = folder, secrets
        self.num_records, self.num_shards = num_records, num_shards

    @classmethod
    def of(cls, records: Path, folder: Path, num_shards: int, secrets: AddressSecrets = USUAL) -> ShardPlan:
        """Deal out the records of a Parquet file; a record's shard depends on nothing but its id.

        Args:
            records: of ``RECORD_SCHEMA``, in any order.
            folder: to be filled; what lies there is removed.
            num_shards: to deal out to.
            secrets: of addresses.
        """
        shutil.rmtree(folder, ignore_errors=True)
        placed = RECORD_SCHEMA.append(_SHARD)
        with pq.ParquetFile(records) as file:
            batches = file.iter_batches(_ROWS_PLANNED_AT_A_TIME, columns=RECORD_SCHEMA.names, use_threads=False)
            pads.write_dataset(
                (_placed(batch, num_shards, placed) for batch in batches),
                folder,
                schema=placed,
                format="parquet",
                partitioning=pads.partitioning(pa.schema([_SHARD])),
                max_partitions=num_shards,
                max_open_files=_MOST_OPEN_FILES,
                use_threads=False,
            )
            return cls(folder, file.metadata.num_rows, num_shards, secrets)

    def records(self, shard: int) -> pa.Table:
        """The records of a shard, sorted by ``image_id``."""
        files = sorted((self._folder / str(shard)).glob("*.parquet"))
        tables = [pq.ParquetFile(file).read(use_threads=False).cast(RECORD_SCHEMA) for file in files]
        return pa.concat_tables([RECORD_SCHEMA.empty_table(), *tables]).sort_by("image_id").combine_chunks()


def _placed(batch: pa.RecordBatch, num_shards: int, schema: pa.Schema) -> pa.RecordBatch:
    shards = [shard_of(image_id, num_shards) for image_id in batch["image_id"].to_pylist()]
    columns = [*(batch[name] for name in RECORD_SCHEMA.names), pa.array(shards, pa.int32())]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def records_digest(records: pa.Table) -> str:
    """sha256 over the content of records, in their order."""
    total = hashlib.sha256()
    for row in records.select(RECORD_SCHEMA.names).to_pylist():
        total.update(json.dumps(list(row.values()), ensure_ascii=False).encode() + b"\n")
    return total.hexdigest()


def repeated(photos: pa.Table, column: str) -> pa.Table:
    """The photos that share their value of a column with another one."""
    counts = photos.select([column]).group_by(column).aggregate([([], "count_all")])
    values = counts.filter(pc.field("count_all") > 1)[column].combine_chunks()
    return photos.filter(pc.field(column).isin(values))


def columns_of(shards: Iterable[Path], columns: Sequence[str], wanted: Iterable[str]) -> list[dict[str, Any]]:
    """Some columns of the photos of these ``image_id``, shard by shard."""
    ids = pa.array(sorted(wanted), pa.string())
    filters = pc.field("image_id").isin(ids)
    tables = (pq.read_table(shard, columns=list(columns), filters=filters) for shard in (shards if len(ids) else ()))
    return [row for table in tables for row in table.to_pylist()]


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

    def results(self, wanted: Set[str]) -> Iterator[pa.Table]:
        """What is known of the photos in ``wanted``: tables of ``RESULT_SCHEMA``, photos with their bytes."""
        said = self.stored()
        with pq.ParquetFile(self.folder / shard_name(self.number)) as file:
            for group in range(file.num_row_groups):
                found = file.read_row_group(group, ["image_id"])["image_id"].to_pylist()
                here = [row for row, image_id in enumerate(found) if image_id in wanted]
                if not here:
                    continue
                photos = file.read_row_group(group, ["image_id", *PHOTO_COLUMNS]).take(pa.array(here, pa.int64()))
                for at, field in enumerate(VALIDATORS):
                    values = [said[image_id][at] for image_id in photos["image_id"].to_pylist()]
                    photos = photos.append_column(field, pa.array(values, field.type))
                yield _as_results(photos)
        failures = pq.read_table(self.folder / failures_name(self.number), columns=["image_id", "reason", "detail"])
        if (known := failures.filter(pc.field("image_id").isin(pa.array(sorted(wanted), pa.string())))).num_rows:
            yield _as_results(known)


def _as_results(table: pa.Table) -> pa.Table:
    return pa.concat_tables([RESULT_SCHEMA.empty_table(), table], promote_options="default").cast(RESULT_SCHEMA)
