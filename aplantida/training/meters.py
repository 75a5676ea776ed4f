"""Running sums of an epoch. Their state is part of a checkpoint, so a killed epoch reports the same numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


class Meter:
    """Weighted mean loss and top-1 / top-5 hits over photos, summed in float64 on the device."""

    NAMES = ("loss", "top1", "top5")

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)  # photos, loss, top-1 hits, top-5 hits

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch: mean ``loss``, (N, C) logits, (N,) labels."""
        top = logits.detach().topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        count = torch.full((), len(labels), dtype=torch.float64, device=self.sums.device)
        self.sums += torch.stack([count, loss.detach().double() * count, top[:, 0].sum(), top.sum()])

    def take_back_unless(self, good: torch.Tensor, sums: torch.Tensor) -> None:
        """``sums`` again where ``good``, a boolean on the device, is False; nobody waits to see it."""
        torch.where(good, self.sums, sums, out=self.sums)

    @property
    def num_photos(self) -> int:
        """How many were counted."""
        return int(self.sums[0])

    def means(self) -> dict[str, float]:
        """Mean loss, top-1 and top-5 (0..1)."""
        count, *sums = self.sums.tolist()
        return {name: value / max(count, 1.0) for name, value in zip(self.NAMES, sums, strict=True)}


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a stretch of training was; evaluations are not counted.

    Attributes:
        images_per_second: over all workers.
        waiting: share of the time in which this worker waited for photos, 0..1.
        of_peak: share of the device's peak FLOP/s (:mod:`aplantida.models.speed`), 0..1.
        gpu_memory_mb: the most memory that tensors held on this worker's GPU so far, MB; 0 on a CPU.
    """

    images_per_second: float
    waiting: float
    of_peak: float
    gpu_memory_mb: float

    def told(self) -> dict[str, str]:
        """What a line of progress says beside the rate."""
        told = {"waiting": f"{self.waiting:.0%}", "of peak": f"{self.of_peak:.0%}"}
        return {**told, "GPU": f"{self.gpu_memory_mb / 1000:.1f} GB"} if self.gpu_memory_mb else told


class Stopwatch:
    """Takes the time of a session's epochs. Never part of a result file: it is told, not kept in checkpoints.

    Args:
        device: trained on.
        flops: of one photo, forward and backward.
        peak: the device's, FLOP/s.
        world_size: workers, each with a device like this.
    """

    def __init__(self, device: torch.device, flops: float, peak: float, world_size: int) -> None:
        self._device, self._share = device, flops / peak / world_size
        self._began = 0.0
        self._images, self._seconds, self._waited = 0, 0.0, 0.0
        self.epochs: list[Speed] = []
        self._all = (0, 0.0, 0.0)

    def begin(self) -> None:
        """An epoch's training begins."""
        self._began = time.monotonic()
        self._images, self._seconds, self._waited = 0, 0.0, 0.0

    def add(self, images: int, waited: float) -> None:
        """``images`` more went through all workers; ``waited`` seconds of this epoch went by waiting for them."""
        self._images += images
        self._seconds, self._waited = time.monotonic() - self._began, waited

    def end(self) -> None:
        """The epoch's training is over."""
        images, seconds, waited = self._all
        self._all = (images + self._images, seconds + self._seconds, waited + self._waited)
        self.epochs.append(self.now)

    @property
    def now(self) -> Speed:
        """Of the running epoch."""
        return self._speed(self._images, self._seconds, self._waited)

    @property
    def whole(self) -> Speed:
        """Of all epochs of this session."""
        return self._speed(*self._all)

    def _speed(self, images: int, seconds: float, waited: float) -> Speed:
        rate = images / max(seconds, 1e-9)
        memory = torch.cuda.max_memory_allocated(self._device) / 1e6 if self._device.type == "cuda" else 0.0
        return Speed(rate, waited / max(seconds, 1e-9), rate * self._share, memory)
