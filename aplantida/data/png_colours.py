"""The colour space of a PNG, by the chunks that Chromium counts and in its order: cICP, iCCP, sRGB, gAMA with cHRM.

Code points are those of ITU-T H.273. The curves for high dynamic range (PQ and HLG), which a browser fits to the
screen, are refused.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from aplantida.data.colour import SRGB_CURVE, SRGB_PRIMARIES, matrix_profile, refuse_high_dynamic_range

MAX_PROFILE_BYTES = 16_000_000
_INTENTS = (b"\0", b"\1", b"\2", b"\3")  # what sRGB may say
_FULL_RANGE_RGB = b"\0\1"
_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
_PRIMARIES = {
    1: SRGB_PRIMARIES,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    10: (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.63, 0.34, 0.295, 0.605, 0.155, 0.077),
}
_TELEVISION = (2.4,)  # the light of a screen (ITU-R BT.1886), as Chromium takes all of them
_CURVES = {
    1: _TELEVISION,
    4: (2.2,),
    5: (2.8,),
    6: _TELEVISION,
    7: (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0913),
    8: (1.0,),
    11: _TELEVISION,
    13: SRGB_CURVE,
    14: _TELEVISION,
    15: _TELEVISION,
}
_SRGB_GAMMA, _SAME_GAMMA = 45_455, 0.05  # 100,000 / 2.2; a gamma alone that is so near counts as sRGB


def colour_profile(chunks: Mapping[bytes, bytes]) -> bytes | None:
    """An ICC profile of the colours, from the sound chunks before the image data; None for sRGB.

    Raises:
        ImageRejected: for colours of high dynamic range.
    """
    if len(code := chunks.get(b"cICP", b"")) == 4:
        refuse_high_dynamic_range(code[1])
    if b"cICP" in chunks and (profile := _by_code(chunks[b"cICP"])):
        return profile
    if b"iCCP" in chunks and (profile := _embedded(chunks[b"iCCP"])):
        return profile
    if chunks.get(b"sRGB") in _INTENTS or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    try:
        return _by_numbers(chunks[b"gAMA"], chunks.get(b"cHRM", b""))
    except (ValueError, ZeroDivisionError, struct.error):
        return None  # numbers that make no colour space


def _by_code(code: bytes) -> bytes | None:
    if code[2:] != _FULL_RANGE_RGB or code[0] not in _PRIMARIES or code[1] not in _CURVES:
        return None
    return matrix_profile(_PRIMARIES[code[0]], _CURVES[code[1]])


def _embedded(payload: bytes) -> bytes | None:
    _, _, packed = payload.partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if profile[36:40] == b"acsp" else None


def _by_numbers(gamma: bytes, primaries: bytes) -> bytes | None:
    value = struct.unpack(">I", gamma)[0]
    told = len(primaries) == 32
    if not told and abs(value / _SRGB_GAMMA - 1) <= _SAME_GAMMA:
        return None
    points = [number / 100_000 for number in struct.unpack(">8I", primaries)] if told else SRGB_PRIMARIES
    return matrix_profile(points, (100_000 / value,))
