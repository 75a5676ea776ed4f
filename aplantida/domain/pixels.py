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
        out: a C-contiguous (S, S, 3) to write to; it is then what is returned.
    """
    height, width = photo.shape[:2]
    left, right = _whole(box[0], box[2], width)
    top, bottom = _whole(box[1], box[3], height)
    crop = photo[top:bottom, left:right]
    square = np.empty((image_size, image_size, 3), np.uint8) if out is None else out
    if interpolation != "bilinear" or max(bottom - top, right - left) >= ANTIALIASED_FROM * image_size:
        scaled(crop, image_size, image_size, interpolation, flip, square)
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


def scaled(
    photo: Pixels,
    width: int,
    height: int,
    interpolation: str = "bilinear",
    flip: bool = False,
    out: Pixels | None = None,
) -> Pixels:
    """(``height``, ``width``, 3): resized with antialiasing, ``bilinear`` or ``bicubic``, then mirrored if ``flip``.

    Within 1 of 255 what Pillow's ``Image.resize`` gives. It is one call of torch, which reads and writes the arrays as
    they lie: each further one would have a loader's threads wait for each other.

    Args:
        photo: (H, W, 3).
        width: of the result, pixels.
        height: of the result, pixels.
        interpolation: ``bilinear`` or ``bicubic``.
        flip: whether it is mirrored.
        out: a C-contiguous (``height``, ``width``, 3) to write to; it is then what is returned.

    Raises:
        ValueError: when ``out`` is not contiguous or may not be written to, which torch would not see.
    """
    resized = np.empty((height, width, 3), np.uint8) if out is None else out
    if not (resized.flags.c_contiguous and resized.flags.writeable):
        raise ValueError("out: want a C-contiguous array that may be written to")
    source = _planes(np.require(photo, np.uint8, ("C", "W")))  # torch wants to be allowed to write
    _antialiased(interpolation)(source, (height, width), False, None, None, out=_planes(resized))
    if flip:
        opencv().flip(resized, 1, dst=resized)
    return resized


def _planes(photo: Pixels) -> Any:
    """A contiguous (H, W, 3) array as torch's (1, 3, H, W), in the same memory."""
    import torch

    # by numpy, for torch's own views let go of the interpreter's lock, which then has to be waited for
    return torch.from_numpy(photo.reshape(1, *photo.shape).transpose(0, 3, 1, 2))  # pyright: ignore[reportUnknownMemberType]


@cache
def _antialiased(interpolation: str) -> Any:
    """What ``torch.nn.functional.interpolate`` calls with ``antialias``."""
    import torch

    return getattr(torch.ops.aten, f"_upsample_{interpolation}2d_aa").out


def _whole(low: float, high: float, size: int) -> tuple[int, int]:
    first = min(max(round(float(low) * size), 0), size - 1)
    return first, min(max(round(float(high) * size), first + 1), size)
