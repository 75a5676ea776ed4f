"""How a photo is turned: the one field of EXIF that is read, and what it does to pixels.

As Chromium reads it: in the first directory, of type SHORT with one value from 1 to 8; anything else is no orientation.
"""

from __future__ import annotations

from aplantida.domain.pixels import Pixels

UPRIGHT = 1
SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION, _SHORT = 0x0112, 3
_ENTRY_BYTES = 12


def orientation_of(exif: bytes) -> int:
    """The orientation (1 to 8) that a block of EXIF (TIFF, without a prefix) states; 1 where it states none."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(exif[:4])
    if order is None:
        return UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)  # pyright: ignore[reportArgumentType]

    start = number(4, 4)
    entries = min(number(start, 2), (len(exif) - start - 2) // _ENTRY_BYTES)
    for index in range(entries):
        at = start + 2 + index * _ENTRY_BYTES
        if number(at, 2) == _ORIENTATION and number(at + 2, 2) == _SHORT and number(at + 4, 4) == 1:
            value = number(at + 8, 2)
            if UPRIGHT <= value <= max(SIDEWAYS):
                return value
    return UPRIGHT


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels turned and mirrored as an orientation (1 to 8) asks for."""
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
