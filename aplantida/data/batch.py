"""A batch of photos on its way to the model."""

from __future__ import annotations

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
        return _moved(self, device)

    def split(self, size: int) -> list[Batch]:
        """Micro batches of at most ``size`` photos."""
        rows = torch.arange(len(self), device=self.labels.device).split(size)
        return [
            Batch(
                self.pixels[part],
                self.labels[part],
                None if self.colors is None else self.colors[part],
                None if self.soft is None else self.soft.take(part),
            )
            for part in rows
        ]


def _moved(value: Any, device: torch.device) -> Any:
    """A dataclass of tensors with every tensor on ``device``."""
    moved: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if isinstance(item, torch.Tensor):
            item = item.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else item
        elif item is not None:
            item = _moved(item, device)
        moved[field.name] = item
    return type(value)(**moved)
