"""The loader alone, by threads and policy."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from aplantida.data.batches import BatchPlan, BatchSource
from aplantida.domain.cores import usable_cores
from benchmarks.card.sizes import Sizes, jpegs_of, photos, rate
from benchmarks.report import Row

POLICIES = ("none", "light", "standard", "aggressive")
CPU = torch.device("cpu")


def loading_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """Each policy by threads, against one thread; two threads against two processes, which share no interpreter."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    batch_size = sizes.student.batch_size
    for policy in POLICIES:
        plan = photos(folder / policy, sizes, sizes.student.image_size, policy)
        rates = {threads: _rate(plan, threads, batch_size) for threads in sizes.threads if threads <= usable_cores()}
        for threads, found in rates.items():
            if threads > 1:
                goal = 1.8 if threads == 2 else None
                name = f"loader, {policy}: {threads} threads against one"
                rows.append(Row(name, found, rates[1], "photos/s", found / rates[1], goal))
        if 2 in rates:
            pair = _rate_of_processes(plan, 2, batch_size)
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
    plan = photos(folder / "ours", sizes, sizes.student.image_size, "aggressive")
    batch_size = sizes.student.batch_size
    loader = create_loader(
        ImageDataset(str(write_folder(jpegs_of(sizes)[1:], folder / "peer"))),
        input_size=(3, sizes.student.image_size, sizes.student.image_size),
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
    ours = _rate(plan, threads, batch_size)
    note = f"{threads} threads of ours, {threads} processes of timm's: crop, flip, one RandAugment op, jitter, erasing"
    goal = 4.0 if sizes.on_card else None
    return [Row("loader, aggressive, against timm's", ours, theirs, "photos/s", ours / theirs, goal, note)]


def _rate(plan: BatchPlan, threads: int, batch_size: int) -> float:
    source = BatchSource(replace(plan, num_loader_workers=threads))
    return rate(lambda: _epoch(source, batch_size), CPU, repeats=5)


def _rate_of_processes(plan: BatchPlan, count: int, batch_size: int) -> float:
    """Photos a second of so many processes at once, each with one thread and all photos."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _meet, (context.Barrier(count),)) as pool:
        return sum(pool.map(_rate_beside_others, [plan] * count, [batch_size] * count))


_together: Barrier | None = None


def _meet(barrier: Barrier) -> None:
    global _together
    _together = barrier
    torch.set_num_threads(1)


def _rate_beside_others(plan: BatchPlan, batch_size: int) -> float:
    assert _together is not None
    _together.wait()
    return _rate(plan, 1, batch_size)


def _epoch(source: BatchSource, batch_size: int) -> int:
    return sum(len(batch) for batch in source.train(0, global_batch_size=batch_size))
