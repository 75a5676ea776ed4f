"""Start a training: bare in this process, or as a Ray ``TorchTrainer``. Imports ray only for the latter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aplantida.models.devices import resolve_device
from aplantida.training.checkpoints import SessionCheck, alone
from aplantida.training.context import LocalContext, ProgressCallback
from aplantida.training.loop import HISTORY_FILE, SUMMARY_FILE, train
from aplantida.training.task import TrainTask


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        folder: ``model.safetensors``, ``model.json``, ``history.json`` and ``summary.json``.
        history: one row an epoch.
        summary: best epoch, speed, numbers of photos.
    """

    folder: Path
    history: list[dict[str, float]]
    summary: dict[str, Any]


def launch(
    task: TrainTask,
    *,
    folder: Path,
    log_path: Path | None = None,
    device: str = "auto",
    num_workers: int = 0,
    num_threads: int | None = None,
    max_failures: int = 2,
    on_progress: ProgressCallback | None = None,
    check: SessionCheck = alone,
) -> Trained:
    """Train ``task``, continuing what an earlier call with the same ``folder`` did not finish.

    Args:
        task: what to train.
        folder: survives kills; all workers see it.
        log_path: for TensorBoard events.
        device: auto, cpu or cuda.
        num_workers: 0 in this process, 1..N workers of a ``TorchTrainer``.
        num_threads: torch threads per worker; None shares the cores.
        max_failures: how many dead workers a ``TorchTrainer`` replaces before it gives up.
        on_progress: called as ``on_progress(images, **postfix)``.
        check: raises when another session has taken ``folder`` over; asked before a file is put in its place.

    Raises:
        ValueError: when data, model and settings do not fit together.
    """
    if num_workers == 0:
        here: dict[str, Any] = {"num_threads": num_threads, "log_path": log_path, "on_progress": on_progress}
        result = train(task, LocalContext(folder, resolve_device(device), check=check, **here))
    else:
        from aplantida.distributed.trainer import run_trainer

        result = run_trainer(
            task,
            folder=folder,
            log_path=log_path,
            device=device,
            num_workers=num_workers,
            num_threads=num_threads,
            max_failures=max_failures,
            on_progress=on_progress,
            check=check,
        )
    return Trained(result, _read(result / HISTORY_FILE), _read(result / SUMMARY_FILE))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
