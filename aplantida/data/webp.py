"""WebP files: the size from the header, pixels by libwebp, which refuses what lacks any."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from aplantida.data.image_formats import ImageRejected, damaged
from aplantida.domain.pixels import Pixels
from aplantida.domain.record import Reason


def read_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the canvas.

    Raises:
        ImageRejected: when the header is cut or none that libwebp knows.
    """
    kind, body = data[12:16], data[20:30]
    if len(body) == 10 and kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if len(body) == 10 and kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if len(body) >= 5 and kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ImageRejected(Reason.TRUNCATED, f"a header of {len(data)} bytes that cannot be read")


def decode(data: bytes) -> tuple[Pixels, bytes | None]:
    """(H, W, C) uint8 of the first picture, RGB or RGBA, and its ICC profile.

    Raises:
        ImageRejected: when pixels are missing or damaged.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            profile = image.info.get("icc_profile")
            return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB")), profile
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise damaged(error) from None
