"""Colours become sRGB: a photo's own colour space, told by an ICC profile or a PNG's chunks, is converted once.

By littlecms, with transforms kept for the next photo of the same space. A space that is sRGB but for rounding costs
one look-up and leaves the pixels as they are.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from aplantida.data.image_formats import ImageRejected
from aplantida.domain.pixels import Pixels
from aplantida.domain.record import Reason

KEPT_TRANSFORMS = 64
MOST_TAGS = 100  # of a profile that are looked at
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}
MAX_KEPT_BYTES = 1_000_000  # of a profile whose transform is kept
SAME_WITHIN = 1  # 8-bit steps by which a space may differ from sRGB on a grid of colours and still be sRGB
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # ((a x + b) ^ g, below d: c x), IEC 61966-2-1
SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # x, y of white, red, green, blue
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}


def to_srgb(pixels: Pixels, profile: bytes | None, gray: bool = False) -> Pixels:
    """(H, W, 3) sRGB of (H, W, C) pixels: 3 RGB, 4 CMYK (255 = full ink).

    CMYK is multiplied to RGB, and a CMYK profile then told the three inks that are left, as Chromium does.

    Args:
        pixels: uint8.
        profile: an ICC profile; None, or one that is broken or of another kind of pixels, counts as sRGB's.
        gray: whether the file held gray pixels (three equal channels now), which a gray profile speaks of.

    Raises:
        ImageRejected: for a profile of high dynamic range.
    """
    if profile is not None:
        refuse_high_dynamic_range(_transfer_of(profile))
    inks = pixels.shape[2] == 4
    if inks:
        light = (~pixels).astype(np.uint16)
        pixels = (light[..., :3] * light[..., 3:] // 255).astype(np.uint8)
    space = _space(profile)
    if profile is None or space not in (("CMYK",) if inks else ("RGB ", "GRAY") if gray else ("RGB ",)):
        return pixels
    transform = (_kept_transform if len(profile) <= MAX_KEPT_BYTES else _transform)(profile, space)
    return pixels if transform is None else _applied(transform, space, pixels)


def refuse_high_dynamic_range(transfer: int) -> None:
    """Refuse the curves of ITU-T H.273 that a browser fits to the screen: there is no one picture that it shows.

    Raises:
        ImageRejected: for PQ and HLG, which are not for screens of a fixed white.
    """
    if transfer in HIGH_DYNAMIC_RANGE:
        said = HIGH_DYNAMIC_RANGE[transfer]
        raise ImageRejected(
            Reason.UNSUPPORTED_FORMAT, f"colours for high dynamic range ({said}): want a photo in sRGB or P3"
        )


def _transfer_of(profile: bytes) -> int:
    """The transfer code of an ICC profile's ``cicp`` tag (ICC.1:2022, 9.2.17); 0 where it has none."""
    count = int.from_bytes(profile[128:132], "big")
    for at in range(132, 132 + 12 * min(count, MOST_TAGS), 12):
        if profile[at : at + 4] == b"cicp":
            start = int.from_bytes(profile[at + 4 : at + 8], "big")
            return profile[start + 9] if profile[start : start + 4] == b"cicp" and start + 9 < len(profile) else 0
    return 0


def matrix_profile(primaries: Sequence[float], curve: Sequence[float]) -> bytes:
    """An ICC profile (matrix and curve) of an RGB space.

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
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + b"".join(map(_fixed, _D50)) + b"\0" * 48
    return header + table + body


def _space(profile: bytes | None) -> str:
    """The kind of pixels that a profile speaks of."""
    return (profile or b"")[16:20].decode("latin-1")


def _transform(profile: bytes, space: str) -> ImageCms.ImageCmsTransform | None:
    """From the profile's space to sRGB; None when there is nothing to convert, or nothing that could."""
    try:
        transform = ImageCms.buildTransform(_opened(profile), _opened(_SRGB), _MODES[space], "RGB")
    except Exception:  # whatever a broken profile raises, the photo has none then, as in a browser
        return None
    return transform if space == "CMYK" or _changes(transform, space) else None


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _applied(transform: ImageCms.ImageCmsTransform, space: str, pixels: Pixels) -> Pixels:
    """(H, W, 3) through a transform that takes gray, RGB, or CMYK without black."""
    height, width = pixels.shape[:2]
    if space == "CMYK":
        pixels = np.dstack([~pixels, np.zeros((height, width), np.uint8)])
    elif space == "GRAY":
        pixels = pixels[..., :1]
    mode = _MODES[space]
    image = Image.frombuffer(mode, (width, height), np.ascontiguousarray(pixels), "raw", mode, 0, 1)
    return np.asarray(ImageCms.applyTransform(image, transform))


def _changes(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    """Whether a transform is more than rounding, on a grid of colours."""
    steps = np.linspace(0, 255, 256 if space == "GRAY" else 18).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * (1 if space == "GRAY" else 3)), -1).reshape(1, -1, len(_MODES[space]))
    grid = np.broadcast_to(grid, (1, grid.shape[1], 3))
    return int(np.abs(_applied(transform, space, grid).astype(int) - grid).max()) > SAME_WITHIN


def _colorants(primaries: Sequence[float]) -> npt.NDArray[np.float64]:
    """Columns: XYZ of red, green and blue, adapted to D50 (Bradford)."""
    x, y = np.array(primaries[0::2], float), np.array(primaries[1::2], float)
    if y[0] <= 0:
        raise ValueError(f"primaries {list(primaries)}: the white's y is not above 0")
    xyz = np.stack([x, y, 1 - x - y], 1)
    white, columns = xyz[0] / y[0], xyz[1:].T
    try:
        scaled = columns * np.linalg.solve(columns, white)
    except np.linalg.LinAlgError:
        raise ValueError(f"primaries {list(primaries)} lie on a line") from None
    adapt = np.linalg.solve(_BRADFORD, np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD)
    return cast("npt.NDArray[np.float64]", adapt @ scaled)


def _fixed(value: float) -> bytes:
    """s15Fixed16."""
    return struct.pack(">i", max(-(2**31), min(2**31 - 1, round(float(value) * 65536))))


_SRGB = matrix_profile(SRGB_PRIMARIES, SRGB_CURVE)  # version 2: littlecms fits no black point to it
_kept_transform = lru_cache(KEPT_TRANSFORMS)(_transform)
