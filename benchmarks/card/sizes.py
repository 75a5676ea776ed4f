"""How large the measurements are: what a card needs to be busy, or what a CPU can do while one waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from aplantida.data.batches import BatchPlan
from aplantida.models.checkpoint import ModelCard
from aplantida.training.objectives import CrossEntropy
from aplantida.training.optimization import Optimization
from aplantida.training.task import TrainTask
from benchmarks.photos import SPECIES, draw_jpegs, write_shard

NUM_DRAWN, SHORT_SIDE = 192, 384


@dataclass(frozen=True, slots=True)
class Network:
    """A network as it is trained.

    Attributes:
        name: of timm, or ``mobilenetv2``.
        image_size: pixels.
        batch_size: photos a step.
    """

    name: str
    image_size: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured.

    Attributes:
        device: on which.
        student: the plain one's stand-in, likewise ``teacher``.
        teacher: see there.
        num_photos: in the shard.
        loader_photos: in the shard, where the loader is measured alone: many batches, for threads end an epoch apart.
        loader_batch_size: photos in a batch of it.
        loader_repeats: epochs of it that are timed.
        num_steps: timed of a step on one batch.
        threads: of the loader.
        num_classes: of a network that scores.
    """

    device: torch.device
    student: Network
    teacher: Network
    num_photos: int
    loader_photos: int
    loader_batch_size: int
    loader_repeats: int
    num_steps: int
    threads: tuple[int, ...]
    num_classes: int

    @classmethod
    def here(cls) -> Sizes:
        """For the device there is."""
        if torch.cuda.is_available():
            student, teacher = Network("mobilenetv2", 224, 128), Network("vit_base_patch16_224", 224, 64)
            return cls(torch.device("cuda"), student, teacher, 4097, 2049, 128, 3, 40, (1, 4, 8, 16), 9000)
        student, teacher = Network("mobilenetv2", 96, 16), Network("vit_tiny_patch16_224", 96, 16)
        return cls(torch.device("cpu"), student, teacher, 385, 2049, 64, 5, 6, (1, 2), 9000)

    @property
    def on_card(self) -> bool:
        """Whether there is one."""
        return self.device.type == "cuda"

    @property
    def most_threads(self) -> int:
        """Of a loader that feeds a training: eight where there are as many cores."""
        return 8 if self.on_card else 1


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rate(work: Callable[[], int], device: torch.device, repeats: int = 3) -> float:
    """The median of photos a second of ``work``, which says how many it did; a first call does not count."""
    work()
    rates: list[float] = []
    for _ in range(repeats):
        wait(device)
        started = time.perf_counter()
        count = work()
        wait(device)
        rates.append(count / (time.perf_counter() - started))
    return sorted(rates)[len(rates) // 2]


@cache
def drawn_jpegs(count: int) -> tuple[bytes, ...]:
    """Drawn photos, as small as stored ones."""
    return tuple(draw_jpegs(count, SHORT_SIDE))


def photos(folder: Path, sizes: Sizes, image_size: int, augmentation: str) -> BatchPlan:
    """A shard of drawn photos."""
    return write_shard(jpegs_of(sizes.num_photos), folder, image_size, augmentation)


def jpegs_of(count: int) -> list[bytes]:
    """So many photos; a few are drawn and come again and again, which costs a loader as much."""
    drawn = drawn_jpegs(min(NUM_DRAWN, count))
    return [drawn[number % len(drawn)] for number in range(count)]


def task_of(network: Network, plan: BatchPlan, *, compiled: bool = False, epochs: int = 1000) -> TrainTask:
    """A training of a network as the plain configs have it."""
    card = ModelCard(
        architecture=network.name,
        num_classes=len(SPECIES),
        dropout=0.2,
        preprocessing=plan.preprocessing,
        class_ids=tuple(species.scientific_name for species in SPECIES),
    )
    return TrainTask(
        card=card,
        initial=None,
        batches=plan,
        objective=CrossEntropy(0.1),
        optimization=Optimization(
            learning_rate=1e-4, weight_decay=0.05, gradient_clip=1.0, global_batch_size=network.batch_size
        ),
        epochs=epochs,
        seed=1,
        compile=compiled,
    )
