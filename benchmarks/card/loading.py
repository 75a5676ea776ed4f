"""The loader alone, by threads and policy, and how long it holds the interpreter's lock."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from aplantida.data.batches import BatchPlan, BatchSource
from aplantida.models.devices import usable_cores
from aplantida.training.context import LocalContext
from aplantida.training.loop import Training
from benchmarks.card.sizes import Sizes, photos, rate, task_of
from benchmarks.report import Row

POLICIES = ("none", "light", "standard", "aggressive")
CPU = torch.device("cpu")


def loading_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """Each policy by threads, against one thread, and the most threads against timm's loader."""
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
        held, each = held_share(lambda plan=plan: _epoch(BatchSource(replace(plan, num_loader_workers=0)), batch_size))
        note = "peer: all its time in one thread; what is held bounds the threads that help"
        rows.append(
            Row(f"loader, {policy}: lock held", 1e6 * held, 1e6 * each, "µs/photo", each / max(held, 1e-9), None, note)
        )
    return rows


def peer_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """The strongest policy against timm's loader with what comes nearest to it."""
    from timm.data.dataset import ImageDataset
    from timm.data.loader import create_loader

    from benchmarks.card.sizes import _drawn
    from benchmarks.photos import write_folder

    threads = min(max(sizes.threads), usable_cores())
    plan = photos(folder / "ours", sizes, sizes.student.image_size, "aggressive")
    batch_size = sizes.student.batch_size
    jpegs = [_drawn[number % len(_drawn)] for number in range(sizes.num_photos - 1)]
    loader = create_loader(
        ImageDataset(str(write_folder(jpegs, folder / "peer"))),
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


def step_lock_row(folder: Path, sizes: Sizes) -> Row:
    """How long a step's own Python holds the lock."""
    student = sizes.student
    plan = photos(folder, sizes, student.image_size, "light")
    training = Training(task_of(student, plan), LocalContext(folder / "run", sizes.device))
    batch = next(iter(training._source.train(0, global_batch_size=student.batch_size))).to(sizes.device)
    training._stepper.train()

    def steps() -> int:
        for number in range(sizes.num_steps):
            training._stepper.step(batch, (0, number), 1.0, head_only=False)
        training._stepper.settle()
        return sizes.num_steps

    steps()
    held, each = held_share(steps)
    note = f"{student.name}, {student.image_size} px, batch {student.batch_size}; peer: a step's time"
    return Row("training step: lock held", 1e3 * held, 1e3 * each, "ms/step", each / max(held, 1e-9), None, note)


def _rate(plan: BatchPlan, threads: int, batch_size: int) -> float:
    source = BatchSource(replace(plan, num_loader_workers=threads))
    return rate(lambda: _epoch(source, batch_size), CPU, repeats=5)


def _epoch(source: BatchSource, batch_size: int) -> int:
    return sum(len(batch) for batch in source.train(0, global_batch_size=batch_size))


def held_share(work: Callable[[], int]) -> tuple[float, float]:
    """Seconds of an item in which this thread held the interpreter's lock, and all its seconds.

    Another thread asks for the lock again and again, and nothing is taken from who has it: how long it waits is how
    long the lock was held.
    """
    waited, ended = 0.0, False

    def ask() -> None:
        nonlocal waited
        usual = 20e-6  # of giving the lock up and taking it again while nobody wants it
        last = time.perf_counter()
        while not ended:
            time.sleep(0)
            now = time.perf_counter()
            if now - last > usual:
                waited += now - last
            last = now

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    asking = threading.Thread(target=ask)
    try:
        asking.start()
        started = time.perf_counter()
        count = work()
        seconds = time.perf_counter() - started
    finally:
        ended = True
        sys.setswitchinterval(before)
        asking.join()
    return min(waited, seconds) / max(count, 1), seconds / max(count, 1)
