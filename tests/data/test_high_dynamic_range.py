"""PQ and HLG: a browser fits them to its screen, so no picture of them is stored, whatever file and chunk says it."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from aplantida.data.images import ImageRejected, decode_upright
from aplantida.domain.record import Reason
from tests.fixtures import image_files as files
from tests.fixtures import profiles
from tests.fixtures.photos import draw

PICTURE = Image.fromarray(draw(64, 48, 3))


def profile_with(transfer: int, name: bytes = b"cicp") -> bytes:
    """Display P3 with a tag more, which says the curve by its code."""
    base = profiles.DISPLAY_P3
    count = int.from_bytes(base[128:132], "big")
    table = bytearray(base[132 : 132 + 12 * count])
    for at in range(4, len(table), 12):  # offsets move by the new entry
        table[at : at + 4] = struct.pack(">I", int.from_bytes(table[at : at + 4], "big") + 12)
    body = base[132 + 12 * count :]
    entry = name + struct.pack(">II", len(base) + 12, 12)
    tag = name + b"\0\0\0\0" + bytes((9, transfer, 0, 1))
    header = struct.pack(">I", len(base) + 24) + base[4:128]
    return header + struct.pack(">I", count + 1) + bytes(table) + entry + body + tag


def every_file(transfer: int) -> dict[str, bytes]:
    profile, png = profile_with(transfer), files.encoded(PICTURE, "PNG")
    return {
        "png-cicp": files.png_with(png, (b"cICP", bytes((9, transfer, 0, 1)))),
        "png-cicp-narrow": files.png_with(png, (b"cICP", bytes((9, transfer, 0, 0)))),
        "png-iccp": files.png_with(png, (b"iCCP", b"x\0\0" + zlib.compress(profile))),
        "jpeg": files.encoded(PICTURE, "JPEG", quality=90, icc_profile=profile),
        "webp": files.encoded(PICTURE, "WEBP", lossless=True, icc_profile=profile),
    }


@pytest.mark.parametrize(("transfer", "said"), [(16, "PQ"), (18, "HLG")])
def test_no_picture_of_high_dynamic_range_is_taken(transfer: int, said: str) -> None:
    for name, data in every_file(transfer).items():
        with pytest.raises(ImageRejected, match=rf"high dynamic range \({said}\)") as caught:
            decode_upright(data, 10_000_000)
        assert caught.value.reason == Reason.UNSUPPORTED_FORMAT, name


@pytest.mark.parametrize("transfer", [1, 8, 13, 0, 255])
def test_all_other_curves_are_taken(transfer: int) -> None:
    for name, data in every_file(transfer).items():
        assert decode_upright(data, 10_000_000)[0].shape == (48, 64, 3), name


def test_a_tag_that_leads_nowhere_says_nothing() -> None:
    whole = profile_with(16)
    for profile in (whole[:-12], whole[:-3], whole[:140], profile_with(16, b"xxxx"), whole[:128] + b"\xff" * 4):
        data = files.encoded(PICTURE, "JPEG", quality=90, icc_profile=profile)
        assert decode_upright(data, 10_000_000)[0].shape == (48, 64, 3)
