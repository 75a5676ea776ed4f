"""PNG files, read as Chromium reads them: the chunks that hold the picture, and few others.

Pillow is given a file of those chunks alone, whose sums were compared before; so no text, profile or unknown chunk
can stand in a photo's way.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from aplantida.data.image_formats import ImageRejected, damaged
from aplantida.data.orientation import orientation_of
from aplantida.data.png_colours import colour_profile
from aplantida.domain.pixels import Pixels
from aplantida.domain.record import Reason

FRAME_BYTES = 26  # of a chunk fcTL
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CLEAR_BYTES = {0: 2, 2: 6}  # of a chunk tRNS, by colour type
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_WHOLE = ((0, 0, 1, 1),)
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What is said before the image data.

    Attributes:
        width: of the stored pixels.
        height: of the stored pixels.
        depth: bits a channel.
        colour: the colour type.
        interlaced: Adam7.
        animated: of several frames.
        orientation: 1 to 8.
        profile: an ICC profile of its colours; None for sRGB.
    """

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    animated: bool
    orientation: int
    profile: bytes | None

    @property
    def gray(self) -> bool:
        """Whether pixels are told by one channel of light."""
        return self.colour in (0, 4)


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
    width, height, depth, colour, interlaced = _header_fields(found.get(b"IHDR", b""), len(data))
    if len(code := found.get(b"cICP", b"")) == 4 and (code[2] or code[3] > 1):
        raise ImageRejected(
            Reason.TRUNCATED, f"a chunk cICP that says {list(code)}: want a matrix 0 and a range 0 or 1"
        )
    animated = len(control := found.get(b"acTL", b"")) == 8 and any(control[:4])  # how many frames
    orientation = orientation_of(found.get(b"eXIf", b""))
    return PngHeader(width, height, depth, colour, interlaced, animated, orientation, colour_profile(found))


def _header_fields(payload: bytes, size: int) -> tuple[int, int, int, int, bool]:
    """Width, height, depth, colour type and whether it is interlaced."""
    if len(payload) != 13:
        raise ImageRejected(Reason.TRUNCATED, f"a header of {size} bytes that cannot be read")
    width, height, depth, colour, packing, filters, interlaced = struct.unpack(">IIBBBBB", payload)
    known = depth in _DEPTHS.get(colour, ()) and not packing and not filters and interlaced <= 1
    if not width or not height or not known:
        raise ImageRejected(Reason.TRUNCATED, f"a header of {width} x {height} pixels in a form {list(payload[8:])}")
    return width, height, depth, colour, bool(interlaced)


def decode(data: bytes, header: PngHeader) -> Pixels:
    """(H, W, C) uint8 of the first frame: RGB, or RGBA where the photo has transparency; gray ones have equal channels.

    Raises:
        ImageRejected: when pixels are missing or damaged.
    """
    shared, packed, frame = dict[bytes, bytes](), list[bytes](), None
    hidden = list[tuple[bytes, list[bytes]]]()  # frames that are told of behind the image data
    whole = False  # what comes behind the image data does not bear on it
    for number, (name, payload, sound) in enumerate(_chunks(data)):
        whole = whole or bool(packed and name != b"IDAT")
        if not whole:
            _check(name, sound, first=not number)
        if name == b"IDAT" and not whole:
            packed.append(payload)
        elif name in (b"PLTE", b"tRNS") and sound and not packed:
            _share(shared, name, payload, header)
        elif name == b"fcTL" and sound and len(payload) == FRAME_BYTES and header.animated and len(hidden) < 2:
            hidden.append((payload, []))
            frame = payload if not packed else frame
        elif name == b"fdAT" and sound and hidden:
            hidden[-1][1].append(payload[4:])
    if header.animated and frame is None:
        if not hidden:
            raise ImageRejected(Reason.TRUNCATED, "an animation without frames")
        return _first_frame(header, shared, *hidden[0])
    return _pixels(header, shared, packed)


def _check(name: bytes, sound: bool, first: bool) -> None:
    if name[0] & 0x20:
        return
    if not sound and name != b"IEND":
        raise ImageRejected(Reason.TRUNCATED, f"the sum of a chunk {name.decode('latin-1')} is wrong")
    if (name == b"IHDR") != first or name not in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
        raise ImageRejected(Reason.TRUNCATED, f"a chunk {name.decode('latin-1')} that cannot be passed over")


def _first_frame(header: PngHeader, shared: dict[bytes, bytes], control: bytes, packed: list[bytes]) -> Pixels:
    """The first frame of an animation whose image data is no part of it, on a clear page."""
    _, width, height, left, top = struct.unpack(">5I", control[:20])
    if not width or not height or left + width > header.width or top + height > header.height:
        raise ImageRejected(Reason.TRUNCATED, f"a frame of {width} x {height} at {left}, {top} is outside of the photo")
    pixels = _pixels(replace(header, width=width, height=height), shared, packed)
    if pixels.shape[:2] == (header.height, header.width):
        return pixels
    page = np.zeros((header.height, header.width, 4), np.uint8)
    place = page[top : top + height, left : left + width]
    place[..., 3] = 255
    place[..., : pixels.shape[2]] = pixels
    return page


def _pixels(header: PngHeader, shared: dict[bytes, bytes], packed: list[bytes]) -> Pixels:
    start = struct.pack(">IIBBBBB", header.width, header.height, header.depth, header.colour, 0, 0, header.interlaced)
    rows = _unpacked(b"".join(packed), _expected_bytes(header))
    parts = [SIGNATURE]
    for name, payload in ((b"IHDR", start), *_shared(header, shared), (b"IDAT", rows), (b"IEND", b"")):
        parts += [struct.pack(">I", len(payload)), name, payload, struct.pack(">I", _sum(name, payload))]
    del rows
    try:
        with Image.open(io.BytesIO(b"".join(parts)), formats=["PNG"]) as image:
            parts.clear()
            return _eight_bits(image)
    except (OSError, SyntaxError) as error:
        raise damaged(error) from None


def _share(shared: dict[bytes, bytes], name: bytes, payload: bytes, header: PngHeader) -> None:
    """Keep a palette, or a transparency that has the length and place that it must have."""
    palette = shared.get(b"PLTE", b"")
    if name == b"PLTE":
        if palette or not 1 <= len(payload) // 3 <= 256:
            raise ImageRejected(Reason.TRUNCATED, f"a second palette, or one of {len(payload)} bytes")
        shared[name] = payload[: len(payload) // 3 * 3]
    elif (palette and len(payload) <= 256) if header.colour == 3 else len(payload) == _CLEAR_BYTES.get(header.colour):
        shared.setdefault(name, payload)


def _shared(header: PngHeader, chunks: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Palette and transparency for Pillow; colours that a palette lacks are its last."""
    if header.colour != 3:
        return [(name, payload) for name, payload in chunks.items() if name == b"tRNS"]
    if b"PLTE" not in chunks:
        raise ImageRejected(Reason.TRUNCATED, "a photo with a palette, and none in it")
    palette, clear, size = chunks[b"PLTE"], chunks.get(b"tRNS", b""), 2**header.depth
    entries = len(palette) // 3
    found = [(b"PLTE", (palette + palette[-3:] * max(0, size - entries))[: 3 * size])]
    if not clear:
        return found
    alphas = clear[:entries].ljust(entries, b"\xff")
    return [*found, (b"tRNS", (alphas + alphas[-1:] * max(0, size - entries))[:size])]


def _eight_bits(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):  # gray of 16 bits
        wide, clear = np.asarray(image).astype(np.int64), image.info.get("transparency")
        gray = (wide >> 8).clip(0, 255).astype(np.uint8)
        channels = [gray] * 3 if clear is None else [gray] * 3 + [np.where(wide == clear, 0, 255).astype(np.uint8)]
        return np.dstack(channels)
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _unpacked(packed: bytes, expected: int) -> bytes:
    """The image data again in zlib's format, not compressed, and no more of it than the pixels need.

    zlib's own sum is not compared: those of the chunks were, and Chromium leaves it too.
    """
    rows = bytearray()
    try:
        zlib.decompressobj().decompress(packed[:2])  # what its header says
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        for start in range(2, len(packed), _PIECE):
            piece = packed[start : start + _PIECE]
            while piece and len(rows) < expected:
                rows += inflate.decompress(piece, expected - len(rows))
                piece = inflate.unconsumed_tail
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


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Name, payload and whether the sum is right, of each whole chunk up to IEND."""
    at, name = len(SIGNATURE), b""
    while name != b"IEND" and at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        name, payload = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size
        if at > len(data):
            return
        yield name, payload, _sum(name, payload) == int.from_bytes(data[at - 4 : at], "big")


def _sum(name: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(name))
