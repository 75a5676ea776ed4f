"""Teacher scores of many shards: in this process, or in a pool of Ray Data actors that each hold the teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch

from aplantida.distillation.teacher import ViewSettings, label_shard
from aplantida.distributed.inspection import wants_gpu
from aplantida.distributed.mapping import map_with_actors
from aplantida.distributed.placement import gpu_part, living_nodes
from aplantida.distributed.session import ray_session
from aplantida.domain.split import read_split
from aplantida.models.inference import Precision, Scorer
from aplantida.pipeline.artifact import Artifact, FileEntry
from aplantida.pipeline.writer import ArtifactWriter

_RESULT = pa.schema(
    [
        pa.field("shard", pa.int32()),
        pa.field("num_train_rows", pa.int64()),
        pa.field("num_heldout_rows", pa.int64()),
        pa.field("num_threads", pa.int32()),
        pa.field("precision", pa.string()),
        pa.field(
            "files",
            pa.list_(pa.struct([("name", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string())])),
        ),
    ]
)


def shard_name(folder: str, shard: int) -> str:
    """``<folder>/shard-00012.parquet``."""
    return f"{folder}/shard-{shard:05d}.parquet"


@dataclass(frozen=True)
class LabelJob:
    """Everything a worker needs to score shards.

    Attributes:
        images: the image_shards artifact.
        split: path of split.parquet.
        checkpoint: folder of the teacher's checkpoint.
        writer: where the files go.
        settings: how views are drawn.
        top_k: logits kept of a training row; None for all.
        precision: ``auto`` or ``float32``, see :class:`~aplantida.models.inference.Scorer`.
        device: auto, cpu or cuda.
        num_threads: torch's threads per worker; None leaves it to torch. Equal results want equal threads.
        batch_size: photos in one forward pass; None for as many as fit.
        num_loader_workers: threads of a worker that decode ahead; None for as many as help.
        photo_fraction: a hash-chosen share of the photos, above 0 and up to 1.
    """

    images: Artifact
    split: Path
    checkpoint: Path
    writer: ArtifactWriter
    settings: ViewSettings
    top_k: int | None
    precision: Precision
    device: str
    num_threads: int | None
    batch_size: int | None = None
    num_loader_workers: int | None = None
    photo_fraction: float = 1.0


@dataclass(frozen=True)
class LabelledShard:
    """A finished shard: its number and rows, what scored it (torch's threads, the precision), and its files."""

    shard: int
    num_train_rows: int
    num_heldout_rows: int
    num_threads: int
    precision: str
    files: list[FileEntry]


class ShardLabeller:
    """Loads the teacher once; then one call a shard. Runs in an actor, or as a plain object."""

    def __init__(self, job: LabelJob) -> None:
        self._job = job
        self._scorer = Scorer(
            job.checkpoint, job.device, job.num_threads, job.batch_size, job.precision, job.num_loader_workers
        )

    def __call__(self, block: pa.Table) -> pa.Table:
        """Score the shards of ``block`` (a column ``shard``) and publish their files; one row of facts each."""
        return pa.Table.from_pylist([self._label(shard) for shard in block["shard"].to_pylist()], schema=_RESULT)

    def _label(self, shard: int) -> dict[str, object]:
        job = self._job
        here = pc.field("shard") == shard
        members = read_split(job.split, ["image_id", "split"], fraction=job.photo_fraction, where=here)
        split_of = dict(zip(members["image_id"].to_pylist(), members["split"].to_pylist(), strict=True))
        path = job.images.file(shard_name("shards", shard))
        labels = label_shard(self._scorer, path, split_of, job.settings, job.top_k)
        entries = [
            job.writer.write_table(shard_name("scores", shard), labels.train.to_arrow()),
            job.writer.write_table(shard_name("heldout", shard), labels.heldout.to_arrow()),
            job.writer.write_table(shard_name("views", shard), labels.views),
        ]
        return {
            "shard": shard,
            "num_train_rows": len(labels.train),
            "num_heldout_rows": len(labels.heldout),
            "num_threads": torch.get_num_threads(),
            "precision": self._scorer.precision,
            "files": [asdict(entry) for entry in entries],
        }


def label_shards(job: LabelJob, shards: Sequence[int], num_actors: int) -> Iterator[LabelledShard]:
    """Score ``shards``, each as it is finished; the files do not depend on ``num_actors``.

    Args:
        job: what to score, and by whom.
        shards: their numbers.
        num_actors: 0 for this process, in order; else the size of the pool.

    Raises:
        BadRequest: when the nodes have no room for the pool, or ``cuda`` is asked for where there is none.
    """
    blocks = [pa.table({"shard": pa.array([shard], pa.int32())}) for shard in shards]
    if num_actors == 0:
        labeller = ShardLabeller(job) if blocks else None
        for block in blocks:
            assert labeller is not None
            yield from _facts(labeller(block))
        return
    with ray_session():
        nodes, num_actors = living_nodes(), min(num_actors, max(len(blocks), 1))
        num_gpus = gpu_part(num_actors, nodes) if wants_gpu(job.device, nodes) else 0.0
        for table in map_with_actors(
            blocks,
            ShardLabeller,
            {"job": job},
            num_actors=num_actors,
            num_cpus=float(job.num_threads or 1),
            num_gpus=num_gpus,
        ):
            yield from _facts(table)


def _facts(table: pa.Table) -> Iterator[LabelledShard]:
    for row in table.to_pylist():
        yield LabelledShard(**{**row, "files": [FileEntry(**entry) for entry in row["files"]]})
