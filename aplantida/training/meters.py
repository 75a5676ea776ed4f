"""Running sums of an epoch. Their state is part of a checkpoint, so a killed epoch reports the same numbers."""

from __future__ import annotations

import time

import torch


class Meter:
    """Weighted mean loss and top-1 / top-5 hits over photos, summed in float64 on the device."""

    NAMES = ("loss", "top1", "top5")

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)  # photos, loss, top-1 hits, top-5 hits

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch: mean ``loss``, (N, C) logits, (N,) labels."""
        top = logits.detach().topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        count = torch.tensor(len(labels), dtype=torch.float64, device=self.sums.device)
        self.sums += torch.stack([count, loss.detach().double() * count, top[:, 0].sum(), top.sum()])

    @property
    def num_photos(self) -> int:
        """How many were counted."""
        return int(self.sums[0])

    def means(self) -> dict[str, float]:
        """Mean loss, top-1 and top-5 (0..1)."""
        count, *sums = self.sums.tolist()
        return {name: value / max(count, 1.0) for name, value in zip(self.NAMES, sums, strict=True)}


class Stopwatch:
    """Photos per second of this session. Never part of a result file."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.images = 0

    def add(self, images: int) -> None:
        """Count finished photos."""
        self.images += images

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    @property
    def images_per_second(self) -> float:
        """Mean rate since the start."""
        return self.images / max(self.seconds, 1e-9)
