"""Shards of photos, each fetched and written by a worker: in this process, or in a pool of Ray Data actors.

No photo passes through the driver. A worker has many shards at hand and asks for the photos of the first ones first, so
that hosts that keep a shard waiting keep nothing else waiting, and what a kill loses is little.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from aplantida.data.actors import PhotoFetcher, PhotoSettings
from aplantida.data.fetching import TRANSIENT, FetchSettings
from aplantida.data.pending import PendingShard, WantedShard
from aplantida.data.shards import EarlierShard, ShardPlan, failures_name, shard_name, validators_name
from aplantida.distributed.mapping import map_with_actors
from aplantida.pipeline.artifact import FileEntry
from aplantida.pipeline.writer import ROW_GROUP, ArtifactWriter

PHOTOS_AT_HAND, LEAST_SHARDS_AT_HAND, MOST_SHARDS_AT_HAND = 32_768, 4, 128
_WANTED = pa.schema(
    [
        pa.field("number", pa.int32()),
        pa.field("earlier", pa.list_(pa.struct([("folder", pa.string()), ("is_asked_again", pa.bool_())]))),
        pa.field("is_written", pa.bool_()),
    ]
)
_COUNTS = ("num_records", "num_asked", "stored", "failed", "transient")
_RESULT = pa.schema(
    [
        pa.field("number", pa.int32()),
        *(pa.field(name, pa.int64()) for name in _COUNTS),
        pa.field("reasons", pa.list_(pa.struct([("reason", pa.string()), ("count", pa.int64())]))),
        pa.field("files", pa.list_(pa.struct([("name", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string())]))),
    ]
)


@dataclass(frozen=True)
class FetchJob:
    """Everything a worker needs to fetch shards.

    Attributes:
        plan: has the records.
        writer: where the files go.
        settings: how servers are asked.
        photo: what becomes of a file.
        decode_threads: that decode, shrink and encode.
        patiently: whether to ask again after a time-out.
    """

    plan: ShardPlan
    writer: ArtifactWriter
    settings: FetchSettings
    photo: PhotoSettings
    decode_threads: int
    patiently: bool


@dataclass(frozen=True)
class FetchedShard:
    """A fetched shard: its number, what came of its records, and its files; none if it was left as it is.

    Attributes:
        number: the shard's.
        num_records: all.
        num_asked: records that were asked for; the others' outcomes were known.
        stored: photos.
        failed: records without one.
        transient: failed ones that may be had another time.
        reasons: of those that were asked for and failed.
        files: photos, failures and validators.
    """

    number: int
    num_records: int
    num_asked: int
    stored: int
    failed: int
    transient: int
    reasons: dict[str, int]
    files: list[FileEntry]


class ShardFetcher:
    """Fetches and writes shards, many at a time. Runs in an actor, or as a plain object."""

    def __init__(self, job: FetchJob) -> None:
        self._job = job
        self._photos = PhotoFetcher(job.settings, job.photo, job.decode_threads)

    def close(self) -> None:
        """Close connections."""
        self._photos.close()

    def __call__(self, block: pa.Table) -> pa.Table:
        """Fetch the shards of ``block`` and publish their files; one row of facts each."""
        return pa.Table.from_pylist([self._fetch(**row) for row in block.to_pylist()], schema=_RESULT)

    def _fetch(self, number: int, earlier: list[dict[str, Any]], is_written: bool) -> dict[str, Any]:
        scratch = self._job.writer.scratch / "outcomes" / uuid.uuid4().hex
        shard, reasons = PendingShard(self._job.plan, number, scratch), Counter[str]()
        for known in earlier:
            shard.look_back(EarlierShard(Path(known["folder"]), number), is_asked_again=known["is_asked_again"])
        asked = shard.missing
        for outcomes in self._photos.outcomes(asked, patiently=self._job.patiently):
            reasons.update(reason or "" for reason in shard.take(outcomes)["reason"].to_pylist())
        facts: dict[str, Any] = {"number": number, "num_asked": asked.num_rows, "files": []}
        if not (is_written and set(reasons) <= TRANSIENT):
            facts |= self._write(shard)
        shard.close()
        del reasons[""]
        return facts | {"reasons": [{"reason": reason, "count": count} for reason, count in reasons.items()]}

    def _write(self, shard: PendingShard) -> dict[str, Any]:
        finished, writer, number = shard.finish(), self._job.writer, shard.number
        photos, failures = finished.photos.num_rows, finished.failures
        files = [
            writer.write_tables(shard_name(number), finished.parts(ROW_GROUP), incompressible=["image"]),
            writer.write_table(failures_name(number), failures),
            writer.write_table(validators_name(number), finished.validators),
        ]
        return {
            "num_records": photos + failures.num_rows,
            "stored": photos,
            "failed": failures.num_rows,
            "transient": sum(reason in TRANSIENT for reason in failures["reason"].to_pylist()),
            "files": [asdict(entry) for entry in files],
        }


def fetch_shards(job: FetchJob, shards: Sequence[WantedShard], num_actors: int) -> Iterator[FetchedShard]:
    """Fetch and write ``shards``, each as it is finished; the files do not depend on ``num_actors``.

    Args:
        job: how.
        shards: which.
        num_actors: 0 for this process; else the size of the pool.

    Raises:
        BadRequest: when the nodes have no room for the pool.
    """
    photos = max(1, job.plan.num_records // job.plan.num_shards)
    at_hand = min(max(PHOTOS_AT_HAND // photos, LEAST_SHARDS_AT_HAND), MOST_SHARDS_AT_HAND)
    fair = -(-len(shards) // max(1, num_actors))
    blocks = [
        pa.Table.from_pylist(
            [
                {
                    "number": shard.number,
                    "earlier": [{"folder": str(path), "is_asked_again": again} for path, again in shard.earlier],
                    "is_written": shard.is_written,
                }
            ],
            _WANTED,
        )
        for shard in shards
    ]
    for table in map_with_actors(
        blocks,
        ShardFetcher,
        {"job": job},
        num_actors=num_actors,
        calls_per_actor=min(at_hand, fair),
        num_cpus=0.5,
    ):
        for row in table.to_pylist():
            counts = {name: row[name] or 0 for name in _COUNTS}
            reasons = {known["reason"]: known["count"] for known in row["reasons"]}
            files = [FileEntry(**entry) for entry in row["files"]]
            yield FetchedShard(number=row["number"], **counts, reasons=reasons, files=files)
