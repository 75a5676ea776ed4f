"""Named augmentation policies. Every draw is a function of (seed, epoch, image id): never of order, worker or thread.

Geometry (crop, flip, rotation, erasing) is done per photo on 8-bit pixels; color is drawn per photo as a 3 x 4 matrix
and applied to the whole batch on the training device. Mixup and cutmix mix two photos of a batch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from aplantida.data.views import View, random_view, seeded
from aplantida.domain.pixels import Pixels, boxed_square, centre_square, opencv
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.seeds import derive_seed

ColorMatrices = npt.NDArray[np.float32]
_GRAY = np.array([0.299, 0.587, 0.114])
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_MIDDLE = 127.5
_GRAY_LEVEL = 128  # of what is erased, or was not in the picture


class Draw(NamedTuple):
    """What everything drawn for a photo depends on."""

    seed: int
    image_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Policy:
    """How strongly photos are changed while training.

    Attributes:
        scale: smallest and largest part of the area a random crop keeps; None for the centre crop.
        flip: probability of mirroring left to right.
        brightness: factor drawn from 1 ± this; likewise ``contrast`` and ``saturation``.
        contrast: see ``brightness``.
        saturation: see ``brightness``.
        hue_degrees: hue turned by at most this, either way.
        rotation_degrees: photo turned by at most this, either way; corners become gray.
        erase: probability that a rectangle of 5 to 25 % of the area becomes gray (Zhong et al., 2017).
    """

    scale: tuple[float, float] | None = None
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue_degrees: float = 0.0
    rotation_degrees: float = 0.0
    erase: float = 0.0

    @property
    def turns_or_erases(self) -> bool:
        """Whether there is geometry beyond the view."""
        return self.rotation_degrees > 0 or self.erase > 0

    @property
    def changes_color(self) -> bool:
        """Whether any of the color terms is drawn."""
        return max(self.brightness, self.contrast, self.saturation, self.hue_degrees) > 0


POLICIES = {
    "none": Policy(),
    "light": Policy(scale=(0.6, 1.0), flip=0.5),
    "standard": Policy(scale=(0.35, 1.0), flip=0.5, brightness=0.2, contrast=0.2, saturation=0.2),
    "aggressive": Policy(
        scale=(0.2, 1.0),
        flip=0.5,
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue_degrees=15.0,
        rotation_degrees=20.0,
        erase=0.25,
    ),
}


def drawn_view(policy: Policy, width: int, height: int, *, seed: int, image_id: str, epoch: int) -> View | None:
    """What a ``width`` x ``height`` photo shows in one epoch; None for the centre crop."""
    if policy.scale is None:
        return None
    return random_view(
        width,
        height,
        seed=_view_seed(seed),
        image_id=image_id,
        view=epoch + 1,
        scale=policy.scale,
        flip_probability=policy.flip,
    )


@cache
def _view_seed(seed: int) -> int:
    return derive_seed(seed, "augmentation")


def show_view(view: View | None, photo: Pixels, preprocessing: Preprocessing, out: Pixels) -> None:
    """Write a photo's view, None being the centre crop, to the (S, S, 3) uint8 square ``out``."""
    if view is None:
        out[...] = centre_square(photo, preprocessing)
    else:
        boxed_square(photo, view.box, view.flip, preprocessing.image_size, preprocessing.interpolation, out)


def turn_and_erase(square: Pixels, policy: Policy, *, seed: int, image_id: str, epoch: int) -> None:
    """The rest of the policy's geometry, on a view's (S, S, 3) uint8 square."""
    draw = seeded(derive_seed(seed, "geometry", image_id, epoch))
    if policy.rotation_degrees:
        _turn(square, draw.uniform(-policy.rotation_degrees, policy.rotation_degrees))
    if draw.random() < policy.erase:
        _erase(square, draw)


def color_matrices(policy: Policy, draws: Sequence[Draw]) -> ColorMatrices:
    """(N, 3, 4) matrices M with ``rgb' = M[:, :3] @ rgb + M[:, 3]`` on 0..255: hue, saturation, contrast, brightness.

    Drawn photo by photo and multiplied for all at once: a thread that does small sums keeps the others waiting.
    """
    drawn = np.array([_drawn_color(policy, seeded(derive_seed(seed, "color", *rest))) for seed, *rest in draws])
    brightness, contrast, saturation, angle = drawn.T[..., None, None]
    turn = np.zeros((len(draws), 3, 3))
    turn[:, 0, 0] = 1.0
    cosines, sines = ([compute(value) for value in angle.ravel().tolist()] for compute in (math.cos, math.sin))
    turn[:, 1, 1] = turn[:, 2, 2] = cosines
    turn[:, 2, 1] = sines
    turn[:, 1, 2] = -turn[:, 2, 1]
    linear = _FROM_YIQ @ turn @ _TO_YIQ
    linear = (saturation * np.eye(3) + (1.0 - saturation) * np.tile(_GRAY, (3, 1))) @ linear
    matrices = np.empty((len(draws), 3, 4), np.float32)
    matrices[:, :, :3] = linear * contrast * brightness
    matrices[:, :, 3:] = (1.0 - contrast) * _MIDDLE * brightness
    return matrices


def _drawn_color(policy: Policy, draw: random.Random) -> tuple[float, float, float, float]:
    """Factors of brightness, contrast and saturation, and the hue's turn in radians."""
    return (
        1.0 + draw.uniform(-policy.brightness, policy.brightness),
        1.0 + draw.uniform(-policy.contrast, policy.contrast),
        1.0 + draw.uniform(-policy.saturation, policy.saturation),
        math.radians(draw.uniform(-policy.hue_degrees, policy.hue_degrees)),
    )


def recolor(pixels: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """(N, S, S, 3) pixels of 0..255 and (N, 3, 4) matrices → float32 pixels, clamped to 0..255."""
    count, height, width, _ = pixels.shape
    flat = pixels.reshape(count, height * width, 3).float()
    mixed = torch.baddbmm(matrices[:, None, :, 3], flat, matrices[:, :, :3].transpose(1, 2))
    return mixed.clamp_(0.0, 255.0).reshape(count, height, width, 3)


@dataclass(frozen=True, slots=True)
class Mix:
    """Each photo of a batch mixed with another one of it.

    Attributes:
        partner: (N,) position of the other photo.
        weight: of the photo itself and its target, 0..1; the partner has the rest.
        box: cutmix: (top, bottom, left, right), 0..1 of the square, pasted from the partner; None for mixup.
    """

    partner: torch.Tensor
    weight: float
    box: tuple[float, float, float, float] | None = None

    def to(self, device: torch.device) -> Mix:
        """The mix with its partners on ``device``; a GPU fetches them without being waited for."""
        if device.type != "cuda":
            return self
        return replace(self, partner=self.partner.pin_memory().to(device, non_blocking=True))


def draw_mix(count: int, *, mixup_alpha: float, cutmix_alpha: float, seed: int) -> Mix | None:
    """Draw mixup (Zhang et al., 2017) or cutmix (Yun et al., 2019): evenly when both alphas are positive.

    None when neither is.

    Args:
        count: photos in the batch.
        mixup_alpha: the weight is drawn from Beta(alpha, alpha); 0 switches mixup off.
        cutmix_alpha: likewise, for the area kept.
        seed: of this batch.
    """
    if mixup_alpha <= 0 and cutmix_alpha <= 0:
        return None
    draw = np.random.default_rng(seed)
    use_cutmix = cutmix_alpha > 0 and (mixup_alpha <= 0 or draw.random() < 0.5)
    partner = torch.from_numpy(draw.permutation(count))
    if not use_cutmix:
        return Mix(partner, float(draw.beta(mixup_alpha, mixup_alpha)))
    side = math.sqrt(1.0 - float(draw.beta(cutmix_alpha, cutmix_alpha)))
    middle = draw.random(2)
    top, bottom = max(middle[0] - side / 2, 0.0), min(middle[0] + side / 2, 1.0)
    left, right = max(middle[1] - side / 2, 0.0), min(middle[1] + side / 2, 1.0)
    return Mix(partner, 1.0 - (bottom - top) * (right - left), (top, bottom, left, right))


def apply_mix(photos: torch.Tensor, mix: Mix) -> torch.Tensor:
    """(N, 3, S, S) photos, each mixed with its partner."""
    other = photos[mix.partner]
    if mix.box is None:
        return photos.lerp(other, 1.0 - mix.weight)
    size = photos.shape[-1]
    top, bottom, left, right = (round(edge * size) for edge in mix.box)
    mixed = photos.clone()
    mixed[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    return mixed


def _turn(square: Pixels, degrees: float) -> None:
    """Turn a square counterclockwise about its middle; what lay outside is gray."""
    size, middle = square.shape[0], (square.shape[0] - 1) / 2
    matrix = opencv().getRotationMatrix2D((middle, middle), degrees, 1.0)
    square[...] = opencv().warpAffine(square, matrix, (size, size), borderValue=(_GRAY_LEVEL,) * 3)


def _erase(square: Pixels, draw: random.Random) -> None:
    size = square.shape[0]
    area, proportion = draw.uniform(0.05, 0.25), math.exp(draw.uniform(-0.7, 0.7))
    high = min(size, round(size * math.sqrt(area * proportion)))
    wide = min(size, round(size * math.sqrt(area / proportion)))
    top, left = draw.randint(0, size - high), draw.randint(0, size - wide)
    square[top : top + high, left : left + wide] = _GRAY_LEVEL
