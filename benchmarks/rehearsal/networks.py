"""What a plain network takes on this machine, as `benchmarks.rehearsal.timing` measured it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkSeconds:
    """What a plain network takes on this machine.

    Attributes:
        network: timm's name.
        image_size: pixels.
        device: ``cpu`` or the GPU's name.
        num_photos: timed each way.
        train_seconds: of a photo in a training step.
        score_seconds: of a photo in a forward pass.
        num_parameters: with the head.
    """

    network: str
    image_size: int
    device: str
    num_photos: int
    train_seconds: float
    score_seconds: float
    num_parameters: int
