"""Pixels: a stored photo becomes a model's square, defined once for training, scoring, prediction and the page.

Every resize is Pillow's ``Image.resize(BILINEAR)`` on 8-bit RGB (antialiased): deterministic, and repeated by the page.
JPEG goes through libjpeg-turbo; other formats through Pillow.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import simplejpeg  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image

from aplantida.domain.preprocessing import Preprocessing

Pixels = npt.NDArray[np.uint8]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def decode_photo(data: bytes | memoryview) -> Pixels:
    """The (H, W, 3) uint8 RGB pixels of an upright photo.

    Raises:
        ValueError: when the bytes are not a readable image.
    """
    if bytes(data[:2]) == b"\xff\xd8":
        return cast("Pixels", simplejpeg.decode_jpeg(data, colorspace="RGB", strict=False))  # pyright: ignore[reportUnknownMemberType]
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except OSError as error:
        raise ValueError(f"not a readable image ({len(data)} bytes): {error}") from error


def resized_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) with the short side scaled to ``short_side``, the long one rounded half up."""
    short, long = min(width, height), max(width, height)
    scaled = (2 * long * short_side + short) // (2 * short)
    return (short_side, scaled) if width <= height else (scaled, short_side)


def centre_square(photo: Pixels, preprocessing: Preprocessing) -> Pixels:
    """View 0: short side to ``resize_size``, then the central (S, S, 3) square (offsets rounded down)."""
    height, width = photo.shape[:2]
    target = resized_size(width, height, preprocessing.resize_size)
    method = _FILTERS[preprocessing.interpolation]
    # Rows, then columns, as two steps: inside one resize, Pillow's version and the shape decide which comes first.
    image = Image.fromarray(photo).resize((target[0], height), method).resize(target, method)
    size = preprocessing.image_size
    left, top = (target[0] - size) // 2, (target[1] - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)))


def boxed_square(
    photo: Pixels, box: Sequence[float], flip: bool, image_size: int, interpolation: str = "bilinear"
) -> Pixels:
    """A view: the box (x0, y0, x1, y1), 0..1 of width and height, resized to (S, S, 3), then mirrored if ``flip``."""
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in box)
    region = (x0 * width, y0 * height, min(x1 * width, width), min(y1 * height, height))
    image = Image.fromarray(photo).resize((image_size, image_size), _FILTERS[interpolation], box=region)
    square = np.asarray(image)
    return np.ascontiguousarray(square[:, ::-1]) if flip else square
