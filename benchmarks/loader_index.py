"""What a training process keeps to find its photos: memory, and seconds until the first epoch has its order.

The peer is what ImageFolder keeps, a list of (path, class) tuples, shuffled as DataLoader does; with worker processes
it has one each, ours is shared by threads. Memory is the growth of the peak from before the split is opened.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from aplantida.data.batches import BatchPlan, BatchSource
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.split import SPLIT_SCHEMA
from benchmarks.report import Row, peak_mb, read_flags, show

SIZES = (900_000, 10_000_000)
NUM_CLASSES, PHOTOS_PER_SHARD, CHUNK = 9_000, 4_096, 1_000_000


def write_split(path: Path, num_photos: int) -> None:
    """A split of drawn ids; a tenth each is val and test."""
    draw = np.random.default_rng(1)
    num_shards = -(-num_photos // PHOTOS_PER_SHARD)
    schema = pa.schema([SPLIT_SCHEMA.field(name) for name in ("image_id", "shard", "class_index", "split", "regions")])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, num_photos, CHUNK):
            count = min(CHUNK, num_photos - start)
            digits = draw.bytes(16 * count).hex()
            columns = {
                "image_id": pa.array([digits[at : at + 32] for at in range(0, 32 * count, 32)]),
                "shard": pa.array(draw.integers(num_shards, size=count), pa.int32()),
                "class_index": pa.array(draw.integers(NUM_CLASSES, size=count), pa.int32()),
                "split": pa.array(draw.choice(["train", "val", "test"], count, p=[0.8, 0.1, 0.1])),
                "regions": pa.nulls(count, schema.field("regions").type),
            }
            writer.write_table(pa.table(columns).cast(schema))


def ours(split: Path) -> object:
    """Our index and order."""
    plan = BatchPlan(
        images=split.parent,
        split_file=split,
        class_indices=tuple(range(NUM_CLASSES)),
        preprocessing=Preprocessing(224),
        augmentation="standard",
        seed=1,
    )
    source = BatchSource(plan)
    return source, source.epoch_order(0)


def peer(split: Path) -> object:
    """A list of tuples, and a permutation of it."""
    samples: list[tuple[str, int]] = []
    for batch in pq.ParquetFile(split).iter_batches(columns=["image_id", "class_index", "split"]):
        for image_id, label, name in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if name != "test":
                samples.append((f"photos/{label}/{image_id}.jpg", label))
    return samples, torch.randperm(len(samples)).tolist()


def run_here(name: str, split: Path) -> None:
    """One side, in this process."""
    before, started = peak_mb(), time.perf_counter()
    kept = {"ours": ours, "peer": peer}[name](split)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "mb": peak_mb() - before, "kept": kept is not None}))


def measured(name: str, split: Path) -> tuple[float, float]:
    """MB and seconds of a side, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.loader_index", "--run", name, str(split)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["mb"], found["seconds"]


def main() -> None:
    """Measure and print."""
    rows: list[Row] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            split = Path(name) / "split.parquet"
            write_split(split, size)
            (mb, seconds), (peer_mb, peer_seconds) = (measured(side, split) for side in ("ours", "peer"))
        note = "peer: a list of (path, class) as ImageFolder keeps it"
        rows += [
            Row(f"loader's index of {size:,} photos, memory", mb, peer_mb, "MB", peer_mb / mb, None, note),
            Row(
                f"loader's index of {size:,} photos, until the first order",
                *(seconds, peer_seconds, "s", peer_seconds / seconds, None, note),
            ),
        ]
    show(rows)


if __name__ == "__main__":
    if "--run" in sys.argv[1:]:
        run_here(sys.argv[2], Path(sys.argv[3]))
    else:
        read_flags(__doc__)
        main()
