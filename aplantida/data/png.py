"""PNG files, read as Chromium reads them: the chunks that hold the picture, and few others.

Pillow is given a file of those chunks alone, whose sums were compared before; so no text, profile or unknown chunk
can stand in a photo's way.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aplantida.data.colour import SRGB_CURVE, SRGB_PRIMARIES, matrix_profile
from aplantida.data.image_formats import ImageRejected
from aplantida.data.orientation import orientation_of
from aplantida.domain.pixels import Pixels
from aplantida.domain.record import Reason

MAX_PROFILE_BYTES = 16_000_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_WHOLE = ((0, 0, 1, 1),)
_PIECE = 1 << 20
_CICP_PRIMARIES = {1: SRGB_PRIMARIES, 9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)}
_CICP_PRIMARIES[12] = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
_BT709 = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CICP_CURVES = {1: _BT709, 4: (2.2,), 5: (2.8,), 6: _BT709, 8: (1.0,), 13: SRGB_CURVE, 14: _BT709, 15: _BT709}


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What is said before the image data.

    Attributes:
        width: of the stored pixels.
        height: of the stored pixels.
        depth: bits a channel.
        colour: the colour type.
        interlaced: Adam7.
        orientation: 1 to 8.
        profile: an ICC profile of its colours; None for sRGB.
    """

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    orientation: int
    profile: bytes | None


def read_header(data: bytes) -> PngHeader:
    """Size, orientation and colours of a PNG.

    Raises:
        ImageRejected: when its header is damaged.
    """
    found = dict[bytes, bytes]()
    for name, payload, sound in _chunks(data):
        if name == b"IDAT" or (not found and name != b"IHDR"):
            break
        if sound:
            found.setdefault(name, payload)
    if len(found.get(b"IHDR", b"")) != 13:
        raise ImageRejected(Reason.TRUNCATED, f"a header of {len(data)} bytes that cannot be read")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", found[b"IHDR"])
    if not width or not height or colour not in _CHANNELS:
        raise ImageRejected(Reason.TRUNCATED, f"a header of {width} x {height} pixels of colour type {colour}")
    orientation = orientation_of(found.get(b"eXIf", b""))
    return PngHeader(width, height, depth, colour, bool(interlaced), orientation, _profile(found))


def decode(data: bytes, header: PngHeader) -> Pixels:
    """(H, W, C) uint8: RGB, or RGBA where the photo has transparency.

    Raises:
        ImageRejected: when pixels are missing or damaged.
    """
    needed, packed = [(b"IHDR", data[16:29])], list[bytes]()
    for name, payload, sound in _chunks(data):
        critical = not name[0] & 0x20
        if critical and not sound and name != b"IEND":
            raise ImageRejected(Reason.TRUNCATED, f"the sum of a chunk {name.decode('latin-1')} is wrong")
        if name == b"IDAT":
            packed.append(payload)
        elif name in (b"PLTE", b"tRNS") and sound and not packed:
            needed.append((name, payload))
        elif critical and name not in (b"IHDR", b"PLTE", b"IEND"):
            raise ImageRejected(Reason.TRUNCATED, f"an unknown chunk {name.decode('latin-1')} that must be known")
    rows = _unpacked(b"".join(packed), _expected_bytes(header))
    plain = b"".join(map(_chunk, *zip(*needed, (b"IDAT", rows), (b"IEND", b""), strict=True)))
    with Image.open(io.BytesIO(SIGNATURE + plain), formats=["PNG"]) as image:
        return _eight_bits(image)


def _eight_bits(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):  # gray of 16 bits
        wide, clear = np.asarray(image).astype(np.int64), image.info.get("transparency")
        gray = (wide >> 8).clip(0, 255).astype(np.uint8)
        channels = [gray] * 3 if clear is None else [gray] * 3 + [np.where(wide == clear, 0, 255).astype(np.uint8)]
        return np.dstack(channels)
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _unpacked(packed: bytes, expected: int) -> bytes:
    """The image data again in zlib's format, not compressed, and no more of it than the pixels need."""
    inflate, rows = zlib.decompressobj(), bytearray()
    try:
        while len(rows) < expected and not inflate.eof:
            piece = inflate.decompress(packed, min(_PIECE, expected - len(rows)))
            packed = inflate.unconsumed_tail
            rows += piece
            if not piece and not packed:
                break
    except zlib.error as error:
        raise ImageRejected(Reason.TRUNCATED, f"image data: {error}") from None
    if len(rows) < expected:
        raise ImageRejected(Reason.TRUNCATED, f"{len(rows)} of {expected} bytes of image data")
    return zlib.compress(rows, 0)


def _expected_bytes(header: PngHeader) -> int:
    """How many bytes the rows of all passes take, with their filter bytes."""
    bits = header.depth * _CHANNELS[header.colour]
    total = 0
    for x, y, across, down in _PASSES if header.interlaced else _WHOLE:
        columns, rows = -(-(header.width - x) // across), -(-(header.height - y) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _profile(found: Mapping[bytes, bytes]) -> bytes | None:
    """The colour space that Chromium takes: of cICP, else iCCP, else sRGB, else gAMA and cHRM."""
    try:
        if len(code := found.get(b"cICP", b"")) == 4 and code[2:] == b"\0\1":
            if code[0] in _CICP_PRIMARIES and code[1] in _CICP_CURVES:
                return matrix_profile(_CICP_PRIMARIES[code[0]], _CICP_CURVES[code[1]])
        elif b"iCCP" in found:
            packed = found[b"iCCP"].split(b"\0", 1)[1][1:]
            return zlib.decompressobj().decompress(packed, MAX_PROFILE_BYTES)
        elif b"sRGB" not in found and (b"gAMA" in found or b"cHRM" in found):
            return _stated(found.get(b"gAMA"), found.get(b"cHRM"))
    except (ValueError, IndexError, ZeroDivisionError, zlib.error, struct.error):
        pass  # a colour space that is told wrongly counts as none
    return None


def _stated(gamma: bytes | None, primaries: bytes | None) -> bytes:
    curve = (100_000 / struct.unpack(">I", gamma)[0],) if gamma else SRGB_CURVE
    points = [value / 100_000 for value in struct.unpack(">8I", primaries)] if primaries else SRGB_PRIMARIES
    return matrix_profile(points, curve)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Name, payload and whether the sum is right, of each whole chunk up to IEND."""
    at, name = len(SIGNATURE), b""
    while name != b"IEND" and at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        name, payload = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size
        if at > len(data):
            return
        yield name, payload, zlib.crc32(payload, zlib.crc32(name)) == int.from_bytes(data[at - 4 : at], "big")


def _chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(payload, zlib.crc32(name)))
