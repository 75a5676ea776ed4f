"""What a decoder complains of: damaged pixels are refused, harmless faults are not."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from aplantida.data.images import ImageRejected, decode_upright
from aplantida.domain.record import Reason
from tests.fixtures import image_files as files
from tests.fixtures import odd_photos as odd
from tests.fixtures.photos import draw

PICTURE = Image.fromarray(draw(200, 150, 5))
JPEG = files.encoded(PICTURE, "JPEG", quality=90)
PROGRESSIVE = files.encoded(PICTURE, "JPEG", quality=90, progressive=True)
RESTARTED = files.encoded(PICTURE, "JPEG", quality=90, restart_marker_blocks=5)
PNG = files.encoded(PICTURE, "PNG")
END = b"\xff\xd9"


def pixels_of(data: bytes, least_side: int = 0) -> np.ndarray:
    return decode_upright(data, 10**7, least_side)[0]


def truncated(data: bytes) -> str:
    with pytest.raises(ImageRejected) as caught:
        pixels_of(data)
    assert caught.value.reason == Reason.TRUNCATED
    return caught.value.detail


def packed(data: bytes) -> bytes:
    return b"".join(payload for name, payload in files.png_chunks(data) if name == b"IDAT")


def png_around(image_data: bytes) -> bytes:
    first, *_, last = files.png_chunks(PNG)
    return files.png_of([first, (b"IDAT", image_data), last])


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, RESTARTED], ids=["plain", "progressive", "restarted"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("end", [b"", END], ids=["open", "ended"])
def test_a_jpeg_cut_in_its_image_data_is_truncated(data: bytes, share: float, end: bytes) -> None:
    truncated(data[: int(share * len(data))] + end)


@pytest.mark.parametrize("least_side", [0, 40])
@pytest.mark.parametrize(
    "fault",
    [
        lambda data: data[:-2],
        lambda data: data[:-1],
        lambda data: data[:-2] + b"\0" * 500 + END,
        lambda data: data[:-2] + b"\x12\x34\x56" + END,
        lambda data: data.replace(b"\xff\xdb", b"\0\0\0\xff\xdb", 1),
        lambda data: data + b"<html>" * 50,
        lambda data: data + data,
        lambda data: data.replace(b"JFIF\0\1", b"JFIF\0\3", 1),
        lambda data: files.jpeg_with(data, (0xEE, b"Adobe\0\x64\0\0\0\0\x05")),
        lambda data: files.jpeg_with(data, (0xE1, b"Exif\0\0MM\0*"), (0xE2, b"MPF\0" + b"\xff" * 40), (0xFE, b"\xff")),
        lambda data: files.jpeg_with(data[:2] + b"\0" + data[2:-2] + b"\0" * 9, (0xE2, b"ICC_PROFILE\0\7\7")),
    ],
    ids=["no-end", "half-end", "zeros", "few", "gap", "tail", "twice", "jfif", "adobe", "segments", "several"],
)
def test_a_jpeg_with_all_its_pixels_is_taken(fault: object, least_side: int) -> None:
    np.testing.assert_array_equal(pixels_of(fault(JPEG), least_side), pixels_of(JPEG, least_side))


def test_a_sequential_scan_that_claims_another_range_is_taken() -> None:
    at = JPEG.index(b"\xff\xda")
    end = at + 2 + struct.unpack(">H", JPEG[at + 2 : at + 4])[0]
    np.testing.assert_array_equal(pixels_of(JPEG[: end - 3] + b"\0\0\0" + JPEG[end:]), pixels_of(JPEG))


def test_image_data_that_no_pixel_took_is_damage() -> None:
    left_over = np.random.default_rng(1).integers(0, 255, 300, np.uint8).tobytes()
    assert "extraneous" in truncated(JPEG[:-2] + left_over + END)


def test_a_lost_restart_interval_is_damage() -> None:
    first, second = (RESTARTED.index(bytes((0xFF, 0xD0 + count))) for count in (1, 3))
    truncated(RESTARTED[:first] + RESTARTED[second:])


@pytest.mark.parametrize("factors", [(0x22, 0x21, 0x11), (0x31, 0x11, 0x11), (0x22, 0x12, 0x21)])
def test_rare_sampling_factors_are_decoded_and_their_missing_pixels_seen(factors: tuple[int, ...]) -> None:
    data = bytearray(files.encoded(PICTURE, "JPEG", keep_rgb=True, quality=90))  # one table for all: any order decodes
    at = data.index(b"\xff\xc0") + 11
    data[at : at + 9 : 3] = bytes(factors)
    assert pixels_of(bytes(data)).shape == (150, 200, 3)
    assert "before the pixels" in truncated(bytes(data[: len(data) // 4]) + END)


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once() -> None:
    with pytest.raises(ImageRejected) as caught:
        pixels_of(PROGRESSIVE[:-2] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 600 + END)
    assert caught.value.reason == Reason.DECOMPRESSION_BOMB


@pytest.mark.parametrize("seed", range(40))
def test_one_wrong_bit_in_a_png_is_seen(seed: int) -> None:
    start, end = PNG.index(b"IDAT"), PNG.rindex(b"IEND") - 4
    place = int(np.random.default_rng(seed).integers(start, end))
    truncated(PNG[:place] + bytes([PNG[place] ^ 1 << seed % 8]) + PNG[place + 1 :])


def test_a_png_that_lacks_rows_is_truncated() -> None:
    assert "bytes of image data" in truncated(png_around(zlib.compress(zlib.decompress(packed(PNG))[:-1])))
    truncated(png_around(packed(PNG)[: len(packed(PNG)) // 2]))
    truncated(PNG[: len(PNG) // 2])
    truncated(png_around(b""))


def test_a_png_with_all_its_pixels_is_taken() -> None:
    data = packed(PNG)
    for sound in (
        png_around(data[:-1] + bytes([data[-1] ^ 1])),  # zlib's own sum, which Chromium does not compare
        png_around(data[:-4]),
        png_around(zlib.compress(zlib.decompress(data) + b"\0" * 5000)),
        PNG[:-12],
        PNG[:-1],
        PNG + b"more",
        files.png_with(PNG, (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 80_000_000))),
        files.png_with(PNG, (b"iCCP", b"x\0\0" + zlib.compress(b"a" * 5_000_000))),
        files.png_with(PNG, (b"tEXt", b"a\0b"), wrong_sum=b"tEXt"),
        files.png_with(PNG, (b"eXIf", b"MM\0*")),
        files.png_with(PNG, (b"tIME", b"")),
    ):
        np.testing.assert_array_equal(pixels_of(sound), np.asarray(PICTURE))


def test_an_unknown_chunk_that_must_be_known_is_refused() -> None:
    assert "ABCD" in truncated(files.png_with(PNG, (b"ABCD", b"x")))


def test_the_first_picture_of_several_is_taken() -> None:
    found = odd.shaped_photos()
    first = pixels_of(found["png-rgb-key-wrong-sum"])  # the plain picture
    np.testing.assert_array_equal(pixels_of(found["png-animated"]), first)
    np.testing.assert_array_equal(pixels_of(found["webp-animated"]), first)
    assert np.abs(pixels_of(found["mpo"]).astype(int) - first).mean() < 6
    assert np.abs(pixels_of(found["png-animated-hidden"]).astype(int) - first).mean() > 30


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([], (90, 60, 30)),  # beyond the palette: its last colour
        ([(b"tRNS", b"\xff" * 300)], (90, 60, 30)),  # more than a palette can have: none
        ([(b"tRNS", b"\xff\xff\xff\0\0")], (255, 255, 255)),
    ],
)
def test_a_palette_that_is_too_short_goes_on_with_its_last_colour(
    chunks: list[tuple[bytes, bytes]], expected: tuple[int, int, int]
) -> None:
    palette = (b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 90, 60, 30]))
    data = files.png_pixels((b"\0" + b"\x09" * 96) * 64, 96, 64, 8, 3, palette, *chunks)
    assert tuple(pixels_of(data)[5, 5]) == expected


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"PLTE", b"")],
        [(b"PLTE", b"\0" * 771)],
        [(b"PLTE", b"\0" * 6)] * 2,
        [(b"IHDR", files.png_chunks(PNG)[0][1])],
        [(b"cICP", bytes((1, 13, 1, 1)))],
        [(b"acTL", bytes((0, 0, 0, 2, 0, 0, 0, 0)))],
    ],
)
def test_png_chunks_that_chromium_refuses(chunks: list[tuple[bytes, bytes]]) -> None:
    truncated(files.png_with(PNG, *chunks))


@pytest.mark.parametrize(("at", "value"), [(8, 3), (9, 5), (10, 1), (11, 1), (12, 2)])
def test_png_headers_that_nobody_knows(at: int, value: int) -> None:
    (name, fields), *others = files.png_chunks(PNG)
    truncated(files.png_of([(name, fields[:at] + bytes([value]) + fields[at + 1 :]), *others]))


def test_a_progressive_jpeg_cut_anywhere_is_truncated() -> None:
    data = files.encoded(Image.fromarray(draw(400, 300, 3)), "JPEG", quality=90, progressive=True)
    assert decode_upright(data[:-2], 10**7)[0].shape == (300, 400, 3)
    scans = [at for at in range(len(data)) if data[at : at + 2] in (b"\xff\xda", b"\xff\xc4")]
    assert len(scans) > 8
    for at in [*scans, *range(700, len(data) - 100, 331)]:
        for end in (b"", b"\xff\xd9"):
            with pytest.raises(ImageRejected, match=r"truncated|too_small|not_an_image"):
                decode_upright(data[:at] + end, 10**7)
