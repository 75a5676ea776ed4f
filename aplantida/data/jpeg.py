"""JPEG files: what their header says, and pixels by libjpeg-turbo, whose complaints are listened to.

A sound file is decoded once, at a fraction of its size where that is enough. libjpeg-turbo goes on after what it
complains of, and tells the first complaint only. So a file that has one is tidied (its segments put side by side, its
end marker put back, odd but harmless statements set right) and decoded again: if nothing is left to complain of, all
pixels were there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import simplejpeg  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image

from aplantida.data.image_formats import ImageRejected, damaged
from aplantida.data.orientation import UPRIGHT, orientation_of
from aplantida.domain.pixels import Pixels
from aplantida.domain.record import Reason

MAX_SCANS = 500  # of a photo in several: encoders write a dozen, and each takes as long as a photo
MAX_TRIES = 8  # decodings of a file with complaints
MAX_LEFT_OVER = (
    8  # bytes of image data that no pixel needs: more of them, unless mere filling, means that it is damaged
)
_END = b"\xff\xd9"
_SOF, _SOS, _APP0, _APP1, _APP2, _APP14 = (
    (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)),
    0xDA,
    0xE0,
    0xE1,
    0xE2,
    0xEE,
)
_ALONE = (0x01, *range(0xD0, 0xD8))  # markers without a length
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
_ICC = b"ICC_PROFILE\0"


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker segment: its code, and its payload's place in the file."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What is said before the image data.

    Attributes:
        width: of the stored pixels.
        height: of the stored pixels.
        components: 1 gray, 3 colour, 4 CMYK or YCCK.
        orientation: 1 to 8.
        profile: the ICC profile, whole.
        progressive: in scans that refine each other.
    """

    width: int
    height: int
    components: int
    orientation: int
    profile: bytes | None
    progressive: bool


def read_header(data: bytes) -> JpegHeader:
    """Size, orientation and colour profile of a JPEG.

    Raises:
        ImageRejected: when it has no frame header before its image data.
    """
    orientation, pieces, frame = None, list[bytes](), None
    for segment in _segments(data):
        payload = data[segment.start : segment.end]
        if segment.marker in _SOF and frame is None:
            frame = segment.marker, payload
        elif segment.marker == _APP1 and orientation is None and payload.startswith(b"Exif\0") and len(payload) > 6:
            orientation = orientation_of(payload[6:])
        elif segment.marker == _APP2 and payload.startswith(_ICC):
            pieces.append(payload[len(_ICC) :])
    if frame is None or len(frame[1]) < 6:
        raise ImageRejected(Reason.TRUNCATED, f"a header of {len(data)} bytes that cannot be read")
    height, width = int.from_bytes(frame[1][1:3], "big"), int.from_bytes(frame[1][3:5], "big")
    return JpegHeader(width, height, frame[1][5], orientation or UPRIGHT, _profile(pieces), frame[0] in (0xC2, 0xCA))


def decode(data: bytes, header: JpegHeader, least_side: int = 0) -> Pixels:
    """(H, W, C) uint8: RGB, or CMYK (C = 4; 255 = full ink).

    Args:
        data: the file.
        header: of it.
        least_side: as for :func:`aplantida.data.images.decode_upright`.

    Raises:
        ImageRejected: when pixels are missing or damaged.
    """
    if header.progressive or not _begins_with_all(data, header.components):
        if data.count(b"\xff\xda") > MAX_SCANS:
            raise ImageRejected(Reason.DECOMPRESSION_BOMB, f"more than {MAX_SCANS} scans")
        if not _has_every_scan(data, header.progressive):
            raise ImageRejected(Reason.TRUNCATED, "scans of the photo are missing")
    space = "CMYK" if header.components == 4 else "RGB"
    pixels = _turbo(data, space, least_side)
    if isinstance(pixels, str):
        pixels = _tidied(data, space, least_side, pixels)
    return ~pixels if space == "CMYK" else pixels  # CMYK is stored inverted, as Adobe began to


def _tidied(data: bytes, space: str, least_side: int, complaint: str) -> Pixels:
    if _turbo_cannot(complaint):
        return _pillow(data, space, complaint)
    tidy = _tidy(data)
    for _ in range(MAX_TRIES):
        pixels = _turbo(tidy, space, least_side)
        if not isinstance(pixels, str):
            return pixels
        complaint = pixels
        left_over = _LEFT_OVER.search(complaint)
        shorter = _without(tidy, int(left_over[1]), int(left_over[2], 16)) if left_over else None
        if shorter is None:
            break
        tidy = shorter
    raise ImageRejected(Reason.TRUNCATED, complaint)


def _turbo(data: bytes, space: str, least_side: int) -> Pixels | str:
    """libjpeg-turbo's pixels, or its first complaint."""
    try:
        # 5/8 to 7/8 of the size take libjpeg-turbo as long as the whole
        return cast("Pixels", simplejpeg.decode_jpeg(data, space, False, False, least_side, least_side, 2))
    except ValueError as error:
        return str(error)


def _turbo_cannot(complaint: str) -> bool:
    """Whether it is about sampling factors that TurboJPEG has no name for; libjpeg itself knows them."""
    return "subsampling" in complaint


def _pillow(data: bytes, space: str, complaint: str) -> Pixels:
    """Pixels by Pillow, which tells no complaints: those that change when more data comes were missing data."""
    tidy = _tidy(data)
    ends = [end for segment in _segments(tidy, scans=True) if (end := _scan_end(tidy, segment)) is not None]
    if not ends:
        raise ImageRejected(Reason.TRUNCATED, complaint)
    filling = np.random.default_rng(0).integers(0, 255, 256, np.uint8).tobytes()
    filled = filling.join(tidy[start:end] for start, end in pairwise((0, *ends, len(tidy))))
    pixels, others = (_pillow_pixels(file, space) for file in (tidy, filled))
    if not np.array_equal(pixels, others):
        raise ImageRejected(Reason.TRUNCATED, "image data ends before the pixels do")
    return pixels


def _pillow_pixels(data: bytes, space: str) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            pixels = np.asarray(image if space == "CMYK" else image.convert("RGB"))
            return ~pixels if space == "CMYK" and "adobe" in image.info else pixels
    except (OSError, SyntaxError) as error:
        raise damaged(error) from None


def _tidy(data: bytes) -> bytes:
    """The same image data behind those segments that it needs, with an end marker."""
    parts, frame = [data[:2]], None
    for segment in _segments(data):
        payload = data[segment.start : segment.end]
        if segment.marker in _SOF:
            frame = segment.marker
        if segment.marker == _APP0 and payload.startswith(b"JFIF\0"):
            payload = payload[:5] + b"\x01" + payload[6:]  # its major version
        if segment.marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12 and payload[11] > 2:
            continue  # an unknown colour transform counts as none stated
        if segment.marker < _APP0 or segment.marker in (_APP0, _APP14):
            parts.append(bytes((0xFF, segment.marker)) + (len(payload) + 2).to_bytes(2, "big") + payload)
    tidy = bytearray().join((*parts, data[_scans_at(data) :], _END))
    for segment in _segments(tidy, scans=True) if frame in (0xC0, 0xC1) else ():
        if segment.marker == _SOS and segment.end - segment.start > 3:
            tidy[segment.end - 3 : segment.end] = b"\0\x3f\0"  # what a sequential scan covers
    return bytes(tidy)


def _without(data: bytes, count: int, marker: int) -> bytes | None:
    """The file without ``count`` left-over bytes before a scan's end, ``marker``; None where they are image data."""
    for match in _SCAN_END.finditer(data, _scans_at(data)):
        left_over = data[match.start() - count : match.start()]
        if match[0][1] == marker and (count <= MAX_LEFT_OVER or len(set(left_over)) <= 2):
            return data[: match.start() - count] + data[match.start() :]
    return None


def _begins_with_all(data: bytes, components: int) -> bool:
    """Whether the first scan names all components: that of a sequential photo is then its only one."""
    first = next((segment for segment in _segments(data) if segment.marker == _SOS), None)
    return first is not None and data[first.start : first.end][:1] == bytes((components,))


def _has_every_scan(data: bytes, progressive: bool) -> bool:
    """Whether the scans bring all 64 coefficients of each component to their last bit.

    A file that was cut between two scans gives a decoder nothing to complain of (ITU-T T.81, annex G). Each scan of a
    sequential photo brings its components whole, whatever range it claims, as libjpeg reads it.
    """
    missing: dict[int, list[int]] = {}
    for segment in _segments(data, scans=True):
        payload = data[segment.start : segment.end]
        if segment.marker in _SOF and len(payload) > 5:
            missing = {number: [1] * 64 for number in payload[6::3]}
        elif segment.marker == _SOS and payload and len(payload) == 2 * payload[0] + 4:
            first, last, low_bit = (payload[-3], min(payload[-2], 63), payload[-1] & 15) if progressive else (0, 63, 0)
            for number in payload[1:-3:2]:
                missing.get(number, [0] * 64)[first : last + 1] = [low_bit] * (last + 1 - first)
    return bool(missing) and not any(map(any, missing.values()))


def _scans_at(data: bytes) -> int:
    """Where the image data of the first scan begins."""
    return next((segment.end for segment in _segments(data) if segment.marker == _SOS), len(data))


def _scan_end(data: bytes | bytearray, segment: Segment) -> int | None:
    """Where the image data behind a scan's header ends; None for other segments, and where nothing follows it."""
    following = _SCAN_END.search(data, segment.end) if segment.marker == _SOS else None
    return None if following is None else following.start()


def _segments(data: bytes | bytearray, *, scans: bool = False) -> Iterator[Segment]:
    """The segments of the header, up to the start of the first scan; bytes between segments are passed over.

    With ``scans`` those behind image data too.
    """
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0 or marker in _ALONE:
            at += 2
        else:
            end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))  # libjpeg takes less for the least
            if marker == 0xD9 or end > len(data):
                return
            segment = Segment(marker, at + 4, end)
            yield segment
            if marker == _SOS and not scans:
                return
            after = _scan_end(data, segment) if marker == _SOS else end
            if after is None:
                return
            at = after


def _profile(pieces: list[bytes]) -> bytes | None:
    """An ICC profile put together from its numbered pieces; None unless all are there, once."""
    if not pieces or any(len(piece) < 2 for piece in pieces):
        return None
    ordered = sorted(pieces, key=lambda piece: piece[0])
    if [piece[0] for piece in ordered] != list(range(1, len(ordered) + 1)) or ordered[0][1] != len(ordered):
        return None
    return b"".join(piece[2:] for piece in ordered)
