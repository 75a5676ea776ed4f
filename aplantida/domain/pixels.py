"""Pixels: a stored photo becomes a model's square, defined once for training, scoring, prediction and the page.

The centre square's resize is Pillow's ``Image.resize(BILINEAR)`` on 8-bit RGB (antialiased): deterministic, and
repeated by the page. What the page never does (views, stored photos) is resized by torch, which is several times as
fast and within rounding the same; a view that is hardly shrunk, or enlarged, by OpenCV, which is faster still. JPEG
goes through libjpeg-turbo; other formats through Pillow.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import simplejpeg  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image

from aplantida.domain.preprocessing import Preprocessing

Pixels = npt.NDArray[np.uint8]
ANTIALIASED_FROM = 1.5  # a view shrunk by this factor or more, on either side, is antialiased
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def decode_photo(data: bytes | memoryview, buffer: Pixels | None = None) -> Pixels:
    """The (H, W, 3) uint8 RGB pixels of an upright photo.

    Args:
        data: the file's bytes.
        buffer: at least H * W * 3 bytes, which a JPEG's pixels are then written to and lie in.

    Raises:
        ValueError: when the bytes are not a readable image.
    """
    if bytes(data[:2]) == b"\xff\xd8":
        return cast("Pixels", simplejpeg.decode_jpeg(data, colorspace="RGB", strict=False, buffer=buffer))  # pyright: ignore[reportUnknownMemberType]
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
    photo: Pixels,
    box: Sequence[float],
    flip: bool,
    image_size: int,
    interpolation: str = "bilinear",
    out: Pixels | None = None,
) -> Pixels:
    """A view: the box (x0, y0, x1, y1), 0..1 of width and height, resized to (S, S, 3), then mirrored if ``flip``.

    The box is taken in whole pixels, one at least. Where it is shrunk by less than :data:`ANTIALIASED_FROM`, bilinear
    takes the four neighbours of each point and no more.

    Args:
        photo: (H, W, 3).
        box: of the view.
        flip: whether it is mirrored.
        image_size: S.
        interpolation: ``bilinear`` or ``bicubic``.
        out: (S, S, 3) to write to; it is then what is returned.
    """
    height, width = photo.shape[:2]
    left, right = _whole(box[0], box[2], width)
    top, bottom = _whole(box[1], box[3], height)
    crop = photo[top:bottom, left:right]
    square = np.empty((image_size, image_size, 3), np.uint8) if out is None else out
    if interpolation != "bilinear" or max(bottom - top, right - left) >= ANTIALIASED_FROM * image_size:
        square[...] = scaled(crop, image_size, image_size, interpolation, flip)
    else:
        opencv().resize(crop, square.shape[:2], dst=square)
        if flip:
            opencv().flip(square, 1, dst=square)
    return square


@cache
def opencv() -> Any:
    """OpenCV, in the calling thread alone: several photos at a time are the loader's business."""
    import cv2

    cv2.setNumThreads(1)
    return cv2


def scaled(photo: Pixels, width: int, height: int, interpolation: str = "bilinear", flip: bool = False) -> Pixels:
    """(``height``, ``width``, 3): resized with antialiasing, ``bilinear`` or ``bicubic``, then mirrored if ``flip``.

    Within 1 of 255 what Pillow's ``Image.resize`` gives.
    """
    import torch
    from torch.nn.functional import interpolate

    contiguous = np.require(photo, np.uint8, ("C", "W"))  # torch wants to be allowed to write
    # in this order torch keeps channels together, and no copy follows (with threads of its own, which get in the way)
    batch = torch.from_numpy(contiguous)[None].permute(0, 3, 1, 2)  # pyright: ignore[reportUnknownMemberType]
    resized = interpolate(batch, (height, width), mode=interpolation, antialias=True)
    rows = resized.permute(0, 2, 3, 1)[0]
    square = cast("Pixels", (rows.flip(1) if flip else rows).numpy())  # pyright: ignore[reportUnknownMemberType]
    return np.ascontiguousarray(square)


def _whole(low: float, high: float, size: int) -> tuple[int, int]:
    first = min(max(round(float(low) * size), 0), size - 1)
    return first, min(max(round(float(high) * size), first + 1), size)
