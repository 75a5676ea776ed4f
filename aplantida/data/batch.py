"""A batch of photos on its way to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch

from aplantida.data.soft_labels import SoftTargets


@dataclass(frozen=True, slots=True)
class Batch:
    """N photos on their way to the model.

    Attributes:
        pixels: (N, S, S, 3) uint8.
        labels: (N,) int64, positions in the model's classes.
        colors: (N, 3, 4) float32 color matrices, or None.
        soft: soft labels, or None.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    colors: torch.Tensor | None = None
    soft: SoftTargets | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``; from pinned memory the copy to a GPU does not wait."""
        return _each(self, lambda tensor: tensor.to(device, non_blocking=True))

    def split(self, size: int) -> list[Batch]:
        """Micro batches of at most ``size`` photos."""
        if size >= len(self):
            return [self]
        rows = [slice(start, start + size) for start in range(0, len(self), size)]
        return [
            Batch(
                self.pixels[part],
                self.labels[part],
                None if self.colors is None else self.colors[part],
                None if self.soft is None else self.soft.take(part),
            )
            for part in rows
        ]

    def tensors(self) -> Iterator[torch.Tensor]:
        """All it is made of."""
        return _tensors(self)

    def pinned(self) -> Batch:
        """The batch in memory a GPU can copy from by itself."""
        return _each(self, torch.Tensor.pin_memory)


def _each(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A dataclass of tensors with every tensor changed."""
    changed: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if isinstance(item, torch.Tensor):
            item = change(item)
        elif item is not None:
            item = _each(item, change)
        changed[field.name] = item
    return type(value)(**changed)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    for field in fields(value):
        item = getattr(value, field.name)
        if isinstance(item, torch.Tensor):
            yield item
        elif item is not None:
            yield from _tensors(item)
