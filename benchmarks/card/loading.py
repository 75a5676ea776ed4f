"""The loader alone, by threads and policy."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from aplantida.data.batches import BatchPlan, BatchSource
from aplantida.domain.cores import usable_cores
from benchmarks.card.sizes import Sizes, jpegs_of, rate
from benchmarks.photos import write_shard
from benchmarks.report import Row, interleaved

POLICIES = ("none", "light", "standard", "aggressive")
CPU = torch.device("cpu")
IMAGE_SIZE = 224  # the plain configs', on a CPU too


def loading_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """Each policy by threads, against one thread; two threads against two processes, which share no interpreter."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    counts = [count for count in sizes.threads if count <= usable_cores()]
    for policy in POLICIES:
        plan = _photos(folder / policy, sizes, policy)
        rates = _rates(plan, counts, sizes)
        for threads, found in rates.items():
            if threads > 1:
                goal = 1.8 if threads == 2 else None
                name = f"loader, {policy}: {threads} threads against one"
                rows.append(Row(name, found, rates[1], "photos/s", found / rates[1], goal))
        if 2 in rates:
            pair = _rate_of_processes(plan, 2, sizes)
            note = f"two processes against one thread: {pair / rates[1]:.2f}, what this machine gives"
            name = f"loader, {policy}: two threads against two processes"
            rows.append(Row(name, rates[2], pair, "photos/s", rates[2] / pair, None, note))
    return rows


def peer_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """The strongest policy against timm's loader with what comes nearest to it."""
    from timm.data.dataset import ImageDataset
    from timm.data.loader import create_loader

    from benchmarks.photos import write_folder

    threads = min(max(sizes.threads), usable_cores())
    plan = _photos(folder / "ours", sizes, "aggressive")
    batch_size = sizes.loader_batch_size
    loader = create_loader(
        ImageDataset(str(write_folder(jpegs_of(sizes.loader_photos)[1:], folder / "peer"))),
        input_size=(3, IMAGE_SIZE, IMAGE_SIZE),
        batch_size=batch_size,
        is_training=True,
        use_prefetcher=False,
        scale=(0.2, 1.0),
        color_jitter=0.4,
        auto_augment="rand-m9-n1",
        re_prob=0.25,
        num_workers=threads,
        device=CPU,
        persistent_workers=True,
    )
    theirs = rate(lambda: sum(len(labels) for _, labels in loader), CPU)
    ours = _rates(plan, [threads], sizes)[threads]
    note = f"{threads} threads of ours, {threads} processes of timm's: crop, flip, one RandAugment op, jitter, erasing"
    goal = 4.0 if sizes.on_card else None
    return [Row("loader, aggressive, against timm's", ours, theirs, "photos/s", ours / theirs, goal, note)]


def _photos(folder: Path, sizes: Sizes, policy: str) -> BatchPlan:
    return write_shard(jpegs_of(sizes.loader_photos), folder, IMAGE_SIZE, policy)


def _rates(plan: BatchPlan, counts: Sequence[int], sizes: Sizes) -> dict[int, float]:
    """Photos a second by threads; each is measured in turns with the others."""
    sources = [BatchSource(replace(plan, num_loader_workers=threads)) for threads in counts]
    epochs = [partial(_epoch, source, sizes.loader_batch_size) for source in sources]
    num_photos = [epoch() for epoch in epochs]  # a first epoch does not count
    times = interleaved(epochs, sizes.loader_repeats)
    return {threads: num / seconds for threads, num, seconds in zip(counts, num_photos, times, strict=True)}


def _rate_of_processes(plan: BatchPlan, count: int, sizes: Sizes) -> float:
    """Photos a second of so many processes at once, each with one thread and all photos."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _meet, (context.Barrier(count),)) as pool:
        return sum(pool.map(_rate_beside_others, [plan] * count, [sizes] * count))


_together: Barrier | None = None


def _meet(barrier: Barrier) -> None:
    global _together
    _together = barrier
    torch.set_num_threads(1)


def _rate_beside_others(plan: BatchPlan, sizes: Sizes) -> float:
    assert _together is not None
    _together.wait()
    return _rates(plan, [1], sizes)[1]


def _epoch(source: BatchSource, batch_size: int) -> int:
    return sum(len(batch) for batch in source.train(0, global_batch_size=batch_size))
