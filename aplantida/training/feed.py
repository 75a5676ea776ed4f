"""Batches on their way to the training device, and how long the training waited for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache

import torch

from aplantida.data.batch import Batch


@cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all feeds of a process: torch keeps the memory that was freed for each stream apart."""
    return torch.cuda.Stream(device)


class Feed:
    """Gives each batch on ``device``.

    To a GPU it is copied on a stream beside the training's, while the device is still at work on the batch before.

    Attributes:
        waited: seconds this process waited for batches.
    """

    def __init__(self, batches: Iterator[Batch], device: torch.device) -> None:
        self._batches, self._device = batches, device
        self._stream = _copy_stream(device) if device.type == "cuda" else None
        self.waited = 0.0

    def __iter__(self) -> Iterator[Batch]:
        """The batches in order."""
        while (batch := self._next()) is not None:
            yield batch if self._stream is None else self._copied(batch, self._stream)

    def _next(self) -> Batch | None:
        started = time.perf_counter()
        batch = next(self._batches, None)
        self.waited += time.perf_counter() - started
        return batch

    def _copied(self, batch: Batch, stream: torch.cuda.Stream) -> Batch:
        with torch.cuda.stream(stream):
            moved = batch.to(self._device)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(stream)
        for tensor in moved.tensors():
            tensor.record_stream(current)
        return moved
