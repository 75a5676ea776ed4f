"""Photos that cost a millisecond: colored noise of low frequency, drawn from the photo's URL.

Every bit of such a photo's perceptual hash is a fair coin, so that two of them are near duplicates as rarely as chance
has it: 64-bit hashes within 6 bits of each other are a pair in 2 * 10^11.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import simplejpeg

_GRID = (12, 16, 3)
_QUALITY = 85


def draw_original(url: str, short_side: int) -> bytes:
    """The JPEG at ``url``: 4:3, ``short_side`` pixels high; equal URLs give equal bytes."""
    seed = int.from_bytes(hashlib.sha256(url.encode()).digest()[:8], "big")
    grid = np.random.default_rng(seed).integers(0, 256, _GRID, dtype=np.uint8)
    pixels = cv2.resize(grid, (short_side * 4 // 3, short_side), interpolation=cv2.INTER_CUBIC)
    return simplejpeg.encode_jpeg(pixels, quality=_QUALITY, colorspace="RGB", colorsubsampling="420")
