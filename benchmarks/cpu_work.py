"""What is timed of one tree on the CPU: its loader, its scoring, its training step.

``python benchmarks/cpu_work.py JPEGS FOLDER`` does it by the ``aplantida`` and ``benchmarks`` that are on the path, an
earlier commit's perhaps: it reads a line, e.g. ``loader aggressive 2``, does that once, and writes ``COUNT SECONDS``.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from aplantida.data.batches import BatchSource
from aplantida.data.views import random_views
from aplantida.models.checkpoint import ModelCard, build, save_checkpoint
from aplantida.models.inference import Scorer
from benchmarks.photos import write_shard
from benchmarks.train_step import BATCH_SIZE, NUM_BATCHES, ours

IMAGE_SIZE, LOADER_BATCH = 224, 64
NUM_CLASSES, NUM_VIEWS, TOP_K, SCORED = 9000, 16, 160, 8
ARCHITECTURE = "vit_tiny_patch16_224"
WORK = (
    *(f"loader {policy} {threads}" for policy in ("none", "light", "standard", "aggressive") for threads in (1, 2)),
    "scoring",
    "training",
)


def loaders(jpegs: list[bytes], folder: Path) -> dict[str, Callable[[], int]]:
    """An epoch of each policy with one thread and with two."""
    plan = write_shard(jpegs, folder, IMAGE_SIZE, "none")

    def epoch(source: BatchSource) -> int:
        torch.set_num_threads(1)
        return sum(len(batch) for batch in source.train(0, global_batch_size=LOADER_BATCH))

    work: dict[str, Callable[[], int]] = {}
    for name in WORK[:-2]:
        _, policy, threads = name.split()
        source = BatchSource(replace(plan, augmentation=policy, num_loader_workers=int(threads)))
        work[name] = partial(epoch, source)
    return work


def scoring(jpegs: list[bytes], folder: Path) -> Callable[[], int]:
    """All views of some photos, to the ``TOP_K`` best logits of each."""
    plan = write_shard(jpegs[:2], folder / "photos", IMAGE_SIZE, "none")
    classes = tuple(str(number) for number in range(NUM_CLASSES))
    card = ModelCard(
        architecture=ARCHITECTURE, num_classes=NUM_CLASSES, preprocessing=plan.preprocessing, class_ids=classes
    )
    torch.manual_seed(1)
    save_checkpoint(folder / "teacher", build(card).state_dict(), card)
    scorer = Scorer(folder / "teacher", "cpu")
    rows: list[tuple[str, bytes, Any, int]] = []
    for photo, jpeg in enumerate(jpegs[:SCORED]):
        width, height = Image.open(BytesIO(jpeg)).size
        drawn = random_views(width, height, seed=1, image_id=str(photo), num_views=NUM_VIEWS)
        views = [drawn[0], *drawn]  # the first is not looked at
        rows += [(str(photo), jpeg, view if number else drawn[0], number) for number, view in enumerate(views)]
    ids, photos, boxes, numbers = map(list, zip(*rows, strict=True))
    at_once = {"top_k": TOP_K} if "top_k" in inspect.signature(scorer.score).parameters else {}

    def scored() -> int:
        torch.set_num_threads(2)
        table = scorer.score(ids, photos, boxes=boxes, views=numbers, **at_once)
        if not at_once:
            table.to_top_k(TOP_K)
        return len(rows)

    return scored


def training(jpegs: list[bytes], folder: Path) -> Callable[[], int]:
    """An epoch of a few steps of MobileNetV2."""
    count = BATCH_SIZE * NUM_BATCHES
    run = ours(folder, jpegs[: count + 1], torch.device("cpu"), 2, False)

    def trained() -> int:
        torch.set_num_threads(2)
        run.run_epoch()
        return count

    return trained


def main() -> None:
    """Do what is asked for until nothing more is."""
    read, folder = Path(sys.argv[1]), Path(sys.argv[2])
    jpegs = [file.read_bytes() for file in sorted(read.glob("*.jpg"))]
    work = {
        **loaders(jpegs, folder / "loader"),
        "scoring": scoring(jpegs, folder / "scoring"),
        "training": training(jpegs, folder / "training"),
    }
    for line in sys.stdin:
        started = time.perf_counter()
        count = work[line.strip()]()
        print(f"DONE {count} {time.perf_counter() - started}", flush=True)


if __name__ == "__main__":
    main()
