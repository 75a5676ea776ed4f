"""Training: fed by the loader, on one batch again and again, and the same step bare, as timm's pieces make it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import timm
import torch
from torch.nn.functional import cross_entropy

from aplantida.domain.cores import usable_cores
from aplantida.models.devices import autocast, compiler_trouble
from aplantida.training.context import LocalContext
from aplantida.training.loop import Training
from benchmarks.card.sizes import Network, Sizes, photos, rate, task_of
from benchmarks.photos import SPECIES
from benchmarks.report import Row

GOALS = {("student", False): 0.8, ("teacher", False): 0.9, ("teacher", True): 0.87}


def training_rows(folder: Path, sizes: Sizes) -> list[Row]:
    """Both networks, as they are and compiled."""
    rows: list[Row] = []
    for role, network in (("student", sizes.student), ("teacher", sizes.teacher)):
        for compiled in (False, True):
            if compiled and (not sizes.on_card or compiler_trouble()):
                continue
            rows += _rows(folder / f"{role}-{compiled}", sizes, role, network, compiled)
    return rows


def _rows(folder: Path, sizes: Sizes, role: str, network: Network, compiled: bool) -> list[Row]:
    plan = photos(folder, sizes, network.image_size, "light")
    plan = replace(plan, num_loader_workers=min(sizes.most_threads, usable_cores()))
    task = task_of(network, plan, compiled=compiled)
    training = Training(task, LocalContext(folder / "run", sizes.device))
    each = (sizes.num_photos - 1) // network.batch_size * network.batch_size

    def fed() -> int:
        training.run_epoch()
        return each

    found = {"fed": rate(fed, sizes.device)}
    speed = training._watch.epochs[-1]
    found["one batch"] = rate(_on_one_batch(training, sizes, network), sizes.device)
    found["bare"] = rate(_bare(network, sizes, compiled), sizes.device)
    name = f"training {network.name}{', compiled' if compiled else ''}"
    note = f"{network.image_size} px, batch {network.batch_size}; peer: timm's model, AdamW and autocast on one batch"
    goal = GOALS.get((role, compiled)) if sizes.on_card else None
    told = json.dumps({key: round(value, 3) for key, value in asdict(speed).items()})
    fed_note = f"{note}; {plan.num_loader_workers} loader threads; {told}"
    return [
        Row(f"{name}, fed", *_ratio(found["fed"], found["bare"]), goal, fed_note),
        Row(f"{name}, one batch again and again", *_ratio(found["one batch"], found["bare"]), None, note),
    ]


def _ratio(ours: float, peer: float) -> tuple[float, float, str, float]:
    return ours, peer, "photos/s", ours / peer


def _on_one_batch(training: Training, sizes: Sizes, network: Network) -> Callable[[], int]:
    stream = training._source.train(0, global_batch_size=network.batch_size)
    batch = next(iter(stream)).to(sizes.device)
    training._stepper.train()

    def steps() -> int:
        for number in range(sizes.num_steps):
            training._stepper.step(batch, (0, number), 1.0, head_only=False)
        training._stepper.settle()
        return sizes.num_steps * network.batch_size

    return steps


def _bare(network: Network, sizes: Sizes, compiled: bool) -> Callable[[], int]:
    name = {"mobilenetv2": "mobilenetv2_100"}.get(network.name, network.name)
    more: dict[str, Any] = {} if name.startswith("mobilenet") else {"img_size": network.image_size}
    model = timm.create_model(name, num_classes=len(SPECIES), **more)
    model = model.to(sizes.device, memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    shape = (network.batch_size, 3, network.image_size, network.image_size)
    pixels = torch.randn(shape, device=sizes.device).to(memory_format=torch.channels_last)
    labels = torch.randint(len(SPECIES), (network.batch_size,), device=sizes.device)

    def steps() -> int:
        with _any_algorithm():
            for _ in range(sizes.num_steps):
                optimizer.zero_grad(set_to_none=True)
                with autocast(sizes.device, enabled=True):
                    loss = cross_entropy(forward(pixels), labels, label_smoothing=0.1)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
        return sizes.num_steps * network.batch_size

    return steps


@contextmanager
def _any_algorithm() -> Iterator[None]:
    """cuDNN chooses as torch leaves it; the training before has told the whole process to repeat itself."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before
