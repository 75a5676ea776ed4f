"""Colours become sRGB: a photo's own colour space, told by an ICC profile or a PNG's chunks, is converted once.

By littlecms, with transforms kept for the next photo of the same space. A space that is sRGB but for rounding costs
one look-up and leaves the pixels as they are.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from aplantida.domain.pixels import Pixels

KEPT_TRANSFORMS = 64
SAME_WITHIN = 1  # 8-bit steps by which a space may differ from sRGB on a grid of colours and still be sRGB
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # ((a x + b) ^ g, below d: c x), IEC 61966-2-1
SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # x, y of white, red, green, blue
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SPACES = {1: "GRAY", 3: "RGB ", 4: "CMYK"}


def to_srgb(pixels: Pixels, profile: bytes | None) -> Pixels:
    """(H, W, 3) sRGB of (H, W, C) pixels: 1 gray, 3 RGB, 4 CMYK (255 = full ink).

    Args:
        pixels: uint8.
        profile: an ICC profile; None, or one that is broken or of another kind of pixels, counts as none: gray and RGB
            are then sRGB, and CMYK is multiplied as Chromium does.
    """
    channels = pixels.shape[2]
    transform = _transform(profile, channels) if profile else None
    if transform is not None:
        mode = _MODES[channels]
        height, width = pixels.shape[:2]
        image = Image.frombuffer(mode, (width, height), np.ascontiguousarray(pixels), "raw", mode, 0, 1)
        return np.asarray(ImageCms.applyTransform(image, transform))
    if channels == 1:
        return pixels.repeat(3, 2)
    if channels == 4:
        light = 255 - pixels.astype(np.uint16)
        return ((light[..., :3] * light[..., 3:] + 127) // 255).astype(np.uint8)
    return pixels


def matrix_profile(primaries: Sequence[float], curve: Sequence[float]) -> bytes:
    """An ICC profile (version 4, matrix and curve) of an RGB space.

    Args:
        primaries: x, y of white, red, green and blue (CIE 1931).
        curve: g, or g, a, b, c, d: the light of a value x is (a x + b) ^ g, and c x below d.

    Raises:
        ValueError: when these primaries span no space.
    """
    colorants = _colorants(primaries)
    function = b"para" + struct.pack(">IHH", 0, {1: 0, 5: 3}[len(curve)], 0) + b"".join(map(_fixed, curve))
    tags = {b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(_fixed, _D50))}
    for name, column in zip((b"r", b"g", b"b"), colorants.T, strict=True):
        tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + b"".join(map(_fixed, column))
        tags[name + b"TRC"] = function
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + b"".join(map(_fixed, _D50)) + b"\0" * 48
    return header + table + body


@lru_cache(KEPT_TRANSFORMS)
def _transform(profile: bytes, channels: int) -> Any:
    """From the profile's space to sRGB; None when there is nothing to convert, or nothing that could."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space != _SPACES[channels]:
            return None
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), _MODES[channels], "RGB")
    except Exception:  # whatever a broken profile raises, the photo has none then, as in a browser
        return None
    return None if channels != 4 and _changes_nothing(transform, channels) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, channels: int) -> bool:
    steps = np.linspace(0, 255, 256 if channels == 1 else 18).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * channels), -1).reshape(1, -1, channels)
    mode = _MODES[channels]
    image = Image.frombuffer(mode, (grid.shape[1], 1), np.ascontiguousarray(grid), "raw", mode, 0, 1)
    after = np.asarray(ImageCms.applyTransform(image, transform)).astype(int)
    return int(np.abs(after - grid).max()) <= SAME_WITHIN


def _colorants(primaries: Sequence[float]) -> npt.NDArray[np.float64]:
    """Columns: XYZ of red, green and blue, adapted to D50 (Bradford)."""
    x, y = np.array(primaries[0::2], float), np.array(primaries[1::2], float)
    if (y <= 0).any():
        raise ValueError(f"primaries {list(primaries)}: y is not above 0")
    white, *_ = xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y], 1)
    columns = xyz[1:].T
    try:
        scaled = columns * np.linalg.solve(columns, white)
    except np.linalg.LinAlgError:
        raise ValueError(f"primaries {list(primaries)} lie on a line") from None
    adapt = np.linalg.solve(_BRADFORD, np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD)
    return cast("npt.NDArray[np.float64]", adapt @ scaled)


def _fixed(value: float) -> bytes:
    """s15Fixed16."""
    return struct.pack(">i", max(-(2**31), min(2**31 - 1, round(float(value) * 65536))))
