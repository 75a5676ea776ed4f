"""Where a training runs: all the loop sees of it. Here is a bare process; Ray's context is in ``distributed``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from aplantida.models.devices import set_threads
from aplantida.training.checkpoints import Checkpoints, SessionCheck, alone

ProgressCallback = Callable[..., None]


class TrainContext(ABC):
    """One worker's place in a training.

    Attributes:
        rank: of this worker, from 0.
        world_size: number of workers.
        device: to train on.
        folder: shared, survives kills; checkpoints and the result lie in it.
        log_path: for TensorBoard events; None for none.
        num_threads: torch's, as set.
        check: raises when another session has taken the folder over; asked before a file is put in its place.
    """

    rank: int
    world_size: int
    device: torch.device
    folder: Path
    log_path: Path | None
    num_threads: int
    check: SessionCheck

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

    @property
    def place(self) -> dict[str, Any]:
        """What the last bits of a result depend on beside the task."""
        return {"device": self.device.type, "num_threads": self.num_threads, "num_workers": self.world_size}

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of ``values`` over all workers."""
        if self.world_size > 1:
            distributed.all_reduce(values)
        return values

    def share_buffers(self, model: nn.Module) -> None:
        """Give every worker rank 0's buffers (batch norm's statistics): what is evaluated is what is saved."""
        if self.world_size > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, src=0)

    def gathered(self, values: torch.Tensor) -> torch.Tensor:
        """(workers, …): each worker's ``values``, by rank."""
        rows = values.new_zeros((self.world_size, *values.shape))
        rows[self.rank] = values
        return self.total(rows)


class LocalContext(TrainContext):
    """A bare process: never imports Ray, and continues from its own folder.

    Args:
        folder: for checkpoints and the result.
        device: to train on.
        num_threads: None for all usable cores.
        log_path: for TensorBoard events.
        on_progress: called as ``on_progress(images, **postfix)``.
        check: raises when another session has taken the folder over.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        *,
        num_threads: int | None = None,
        log_path: Path | None = None,
        on_progress: ProgressCallback | None = None,
        check: SessionCheck = alone,
    ) -> None:
        self.rank, self.world_size = 0, 1
        self.device = device
        self.folder = folder
        self.log_path = log_path
        self.num_threads = set_threads(num_threads)
        self._on_progress = on_progress
        self.check = check
        self._checkpoints = Checkpoints(folder, check)

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model on the device."""
        return model.to(self.device)

    def latest(self) -> Path | None:
        """The newest whole checkpoint."""
        return self._checkpoints.latest()

    def save(self, state: Mapping[str, Any], number: int, metrics: Mapping[str, float]) -> None:
        """Write it; ``metrics`` are for those who watch a training."""
        self._checkpoints.save(state, number)

    def progress(self, images: int, **postfix: Any) -> None:
        """Pass it on."""
        if self._on_progress is not None:
            self._on_progress(images, **postfix)
