"""What a training process keeps to find its photos, and how long it takes: `python -m benchmarks.rehearsal.index`."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from aplantida.data.batches import BatchPlan, BatchSource
from aplantida.domain.preprocessing import Preprocessing
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.config import resolve


def main() -> None:
    """Open the split and lay out an epoch."""
    parser = argparse.ArgumentParser(description="The loader's index of a split, and an epoch's order.")
    parser.add_argument("--split", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    split = open_artifact(resolve(given.split), "split")
    num_classes = len(json.loads(split.file("class_index.json").read_text(encoding="utf-8"))["classes"])
    started = time.perf_counter()
    source = BatchSource(
        BatchPlan(
            images=open_artifact(resolve(given.images), "image_shards").path / "shards",
            split_file=split.file("split.parquet"),
            class_indices=tuple(range(num_classes)),
            preprocessing=Preprocessing(224),
            augmentation="standard",
            seed=1,
        )
    )
    photos = len(source.epoch_order(0))
    found = {"train_photos": photos, "classes": num_classes, "seconds": time.perf_counter() - started}
    given.output.write_text(json.dumps(found), encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
