from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from PIL import ExifTags, Image

from aplantida.data.images import ImageRejected, decode_upright, perceptual_hash, store_photo
from aplantida.domain.record import Reason
from tests.fixtures.faulty_server import jpeg_bytes, png_bomb
from tests.fixtures.image_files import encoded as encode

MAX_PIXELS = 10_000_000


def stored(data: bytes, short_side: int = 64) -> Image.Image:
    photo = store_photo(data, short_side_pixels=short_side, jpeg_quality=90, max_pixels=MAX_PIXELS)
    image = Image.open(io.BytesIO(photo.image))
    assert image.format == "JPEG"
    assert image.size == (photo.width, photo.height)
    return image


def picture(width: int = 120, height: int = 90) -> Image.Image:
    return Image.open(io.BytesIO(jpeg_bytes(1, width, height))).convert("RGB")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"<!doctype html>", Reason.NOT_AN_IMAGE),
        (b"<!-- page --><html><body><svg width='9'></svg>", Reason.NOT_AN_IMAGE),
        (b"<!-- --> " * 3000 + b"<html>", Reason.NOT_AN_IMAGE),
        (b"GIF89a" + b"\0" * 20, Reason.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x20ftypheic" + b"\0" * 20, Reason.UNSUPPORTED_FORMAT),
        (jpeg_bytes(1, 600, 400)[:-3000], Reason.TRUNCATED),
        (jpeg_bytes()[:40], Reason.TRUNCATED),
        (png_bomb(), Reason.DECOMPRESSION_BOMB),
        (png_bomb(5000, 5000), Reason.DECOMPRESSION_BOMB),
        (jpeg_bytes(1, 20, 200), Reason.TOO_SMALL),
    ],
)
def test_what_is_refused_and_why(data: bytes, reason: Reason) -> None:
    with pytest.raises(ImageRejected) as caught:
        decode_upright(data, MAX_PIXELS)
    assert caught.value.reason == reason


def test_a_cut_png_is_truncated() -> None:
    data = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)), "PNG")
    with pytest.raises(ImageRejected) as caught:
        decode_upright(data[: len(data) // 2], MAX_PIXELS)
    assert caught.value.reason == Reason.TRUNCATED


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    upright = picture()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    as_stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    pixels, _, _, rotated = decode_upright(encode(as_stored, "PNG", exif=exif), MAX_PIXELS)
    assert np.array_equal(pixels, np.asarray(upright))
    assert rotated is (orientation > 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_content_type_comes_from_the_bytes(kind: str) -> None:
    assert decode_upright(encode(picture(), kind), MAX_PIXELS)[2] == f"image/{kind.lower()}"


def test_odd_color_modes_become_rgb() -> None:
    half = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert decode_upright(encode(half, "PNG"), MAX_PIXELS)[0][0, 0].tolist() == [255, 255, 255]
    deep = Image.fromarray(np.full((64, 64), 0x80FF, dtype=np.uint16))
    assert decode_upright(encode(deep, "PNG"), MAX_PIXELS)[0][0, 0].tolist() == [128, 128, 128]
    palette = Image.new("RGB", (64, 64), (0, 128, 0)).convert("P")
    assert decode_upright(encode(palette, "PNG"), MAX_PIXELS)[0].shape == (64, 64, 3)
    cmyk = decode_upright(encode(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG"), MAX_PIXELS)[0]
    assert cmyk[0, 0, 0] > 200
    assert cmyk[0, 0, 1] < 60
    gray = decode_upright(encode(Image.new("L", (64, 64), 77), "JPEG"), MAX_PIXELS)[0]
    assert gray[0, 0].tolist() == [77, 77, 77]


def test_a_photo_is_shrunk_to_the_short_side_and_never_enlarged() -> None:
    assert stored(jpeg_bytes(1, 300, 200)).size == (96, 64)
    assert stored(jpeg_bytes(1, 60, 50)).size == (60, 50)
    photo = store_photo(jpeg_bytes(1, 300, 200), short_side_pixels=64, jpeg_quality=90, max_pixels=MAX_PIXELS)
    assert (photo.original_width, photo.original_height, photo.exif_rotated) == (300, 200, False)


def test_storing_is_deterministic_and_keeps_the_picture() -> None:
    data = jpeg_bytes(5, 200, 160)
    first = store_photo(data, short_side_pixels=160, jpeg_quality=90, max_pixels=MAX_PIXELS)
    assert first == store_photo(data, short_side_pixels=160, jpeg_quality=90, max_pixels=MAX_PIXELS)
    before, after = np.asarray(Image.open(io.BytesIO(data)), int), np.asarray(Image.open(io.BytesIO(first.image)), int)
    assert abs(before - after).mean() < 3


def test_equal_pixels_in_another_file_have_an_equal_pixel_digest() -> None:
    image = picture()
    one, other = (
        store_photo(encode(image, "PNG", compress_level=level), short_side_pixels=64, jpeg_quality=90, max_pixels=10**6)
        for level in (1, 9)
    )
    assert one.source_sha256 != other.source_sha256
    assert one.pixel_sha256 == other.pixel_sha256


@pytest.mark.parametrize("seed", range(12))
def test_the_perceptual_hash_is_within_two_bits_of_imagehash(seed: int) -> None:
    image = Image.open(io.BytesIO(jpeg_bytes(seed, 320 + 40 * seed, 240))).convert("RGB")
    assert imagehash.hex_to_hash(perceptual_hash(np.asarray(image))) - imagehash.phash(image) <= 2


@pytest.mark.parametrize(
    ("least_side", "shape"), [(0, (400, 600)), (201, (400, 600)), (200, (200, 300)), (60, (100, 150))]
)
def test_large_jpegs_are_decoded_at_a_fraction(least_side: int, shape: tuple[int, int]) -> None:
    pixels, size, _, _ = decode_upright(jpeg_bytes(3, 600, 400), MAX_PIXELS, least_side)
    assert pixels.shape[:2] == shape
    assert size == (600, 400)


def test_the_original_size_is_that_of_the_whole_upright_photo() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encode(Image.open(io.BytesIO(jpeg_bytes(3, 600, 400))), "JPEG", exif=exif)
    photo = store_photo(data, short_side_pixels=64, jpeg_quality=90, max_pixels=MAX_PIXELS)
    assert (photo.original_width, photo.original_height, photo.exif_rotated) == (400, 600, True)
    assert (photo.width, photo.height) == (64, 96)
