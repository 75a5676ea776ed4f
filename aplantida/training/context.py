"""Where a training runs: all the loop sees of it. Here is a bare process; Ray's context is in ``distributed``."""

from __future__ import annotations

import shutil
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from aplantida.models.devices import set_threads

STATE_FILE = "state.pt"
ProgressCallback = Callable[..., None]


def checkpoint_name(number: int) -> str:
    """Of a checkpoint's folder: names sort as their numbers do."""
    return f"{number:09d}"


def newest_whole(folder: Path) -> Path | None:
    """The ``state.pt`` of the checkpoint of the highest number in ``folder``; one that was cut off while it was written
    or copied does not count. None when there is none."""
    found = sorted(folder.glob(f"[0-9]*/{STATE_FILE}"), reverse=True)
    return next((path for path in found if _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    """Whether torch's archive has its end, and each of its parts the checksum it was written with."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


class TrainContext(ABC):
    """One worker's place in a training.

    Attributes:
        rank: of this worker, from 0.
        world_size: number of workers.
        device: to train on.
        folder: shared, survives kills; checkpoints and the result lie in it.
        log_path: for TensorBoard events; None for none.
        num_threads: torch's, as set.
    """

    rank: int
    world_size: int
    device: torch.device
    folder: Path
    log_path: Path | None
    num_threads: int

    @abstractmethod
    def prepare(self, model: nn.Module) -> nn.Module:
        """The model on the device, wrapped so that gradients are averaged over the workers."""

    @abstractmethod
    def latest(self) -> Path | None:
        """The newest checkpoint's ``state.pt``, or None on a fresh start."""

    @abstractmethod
    def save(self, state: Mapping[str, Any], number: int, metrics: Mapping[str, float]) -> None:
        """Keep ``state`` as checkpoint ``number``. Called on every rank with equal arguments."""

    @abstractmethod
    def progress(self, images: int, **postfix: Any) -> None:
        """Tell whoever watches that ``images`` more photos went through."""

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of ``values`` over all workers."""
        if self.world_size > 1:
            distributed.all_reduce(values)
        return values


class LocalContext(TrainContext):
    """A bare process: never imports Ray, and continues from its own folder.

    Args:
        folder: for checkpoints and the result.
        device: to train on.
        num_threads: None for all usable cores.
        log_path: for TensorBoard events.
        on_progress: called as ``on_progress(images, **postfix)``.
    """

    _KEEP = 2

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        *,
        num_threads: int | None = None,
        log_path: Path | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> None:
        self.rank, self.world_size = 0, 1
        self.device = device
        self.folder = folder
        self.log_path = log_path
        self.num_threads = set_threads(num_threads)
        self._on_progress = on_progress
        self._checkpoints = folder / "checkpoints"

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model on the device."""
        return model.to(self.device)

    def latest(self) -> Path | None:
        """The newest complete checkpoint."""
        return newest_whole(self._checkpoints)

    def save(self, state: Mapping[str, Any], number: int, metrics: Mapping[str, float]) -> None:
        """Write a numbered folder beside, then rename it; older ones but one are removed."""
        target = self._checkpoints / checkpoint_name(number)
        if target.exists():
            return
        temporary = self._checkpoints / f"tmp-{target.name}"
        temporary.mkdir(parents=True, exist_ok=True)
        torch.save(dict(state), temporary / STATE_FILE)
        temporary.rename(target)
        for old in sorted(self._checkpoints.glob("[0-9]*"))[: -self._KEEP]:
            shutil.rmtree(old)

    def progress(self, images: int, **postfix: Any) -> None:
        """Pass it on."""
        if self._on_progress is not None:
            self._on_progress(images, **postfix)
