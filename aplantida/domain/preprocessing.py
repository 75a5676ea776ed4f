"""How a photo becomes a model's input: born in the training config, carried in the checkpoint, never typed again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Resize, centre crop and normalization of one model.

    The photo's short side is scaled to ``round(image_size / crop_fraction)`` by ``interpolation``, the central
    ``image_size`` x ``image_size`` square is taken, and each channel of the RGB values (0..1) becomes
    ``(x - mean) / std``.
    """

    image_size: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    crop_fraction: float = 0.875
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        """Refuse sizes and fractions that cannot be meant."""
        if not 16 <= self.image_size <= 1024:
            raise ValueError(f"image_size must lie in 16..1024 pixels, not {self.image_size}")
        if not 0.5 <= self.crop_fraction <= 1.0:
            raise ValueError(f"crop_fraction must lie in 0.5..1.0, not {self.crop_fraction}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive in every channel, not {self.std}")

    @property
    def resize_size(self) -> int:
        """Short side after the resize and before the crop, pixels."""
        return round(self.image_size / self.crop_fraction)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Preprocessing:
        """Inverse of :meth:`to_json`."""
        values: dict[str, Any] = {**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])}
        return cls(**values)
