"""Photos whose components come in scans of their own: whole ones are taken, those that lack one are not."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from aplantida.data import jpeg
from aplantida.data.images import ImageRejected, decode_upright
from aplantida.domain.record import Reason
from tests.fixtures.image_files import encoded, jpeg_with
from tests.fixtures.photos import draw
from tests.fixtures.scans import END, Scans, sequential

PICTURE = Image.fromarray(draw(192, 160, 5))
PHOTOS = {
    "plain": sequential(PICTURE),
    "halved": sequential(PICTURE, 2),
    "restarted": sequential(PICTURE, restart_marker_blocks=5),
}
LACKING = [numbers for count in range(3) for numbers in itertools.permutations(range(3), count)]


@pytest.fixture(params=PHOTOS)
def photo(request: pytest.FixtureRequest) -> Scans:
    return PHOTOS[request.param]


def refusal(data: bytes) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        decode_upright(data, 10**7)
    return caught.value


@pytest.mark.parametrize("numbers", itertools.permutations(range(3)))
@pytest.mark.parametrize("end", [b"", END], ids=["open", "ended"])
def test_a_photo_with_every_scan_is_taken_in_any_order(photo: Scans, numbers: tuple[int, ...], end: bytes) -> None:
    pixels = decode_upright(photo.of(*numbers) + end, 10**7)[0]
    assert np.abs(pixels.astype(int) - photo.pixels).max() <= 2
    assert np.abs(pixels.astype(int) - np.asarray(PICTURE)).mean() < 8


@pytest.mark.parametrize("numbers", LACKING)
@pytest.mark.parametrize("end", [b"", END], ids=["open", "ended"])
def test_a_photo_without_one_of_its_scans_is_truncated(photo: Scans, numbers: tuple[int, ...], end: bytes) -> None:
    assert refusal(photo.of(*numbers) + end).reason == Reason.TRUNCATED


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_photo_with_a_part_of_a_scan_is_truncated(photo: Scans, place: int, share: float) -> None:
    scans = [photo.of(0)[: len(photo.head)], *photo.scans]
    scans[place + 1] = scans[place + 1][: int(len(scans[place + 1]) * share)]
    assert refusal(b"".join(scans) + END).reason == Reason.TRUNCATED


@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_rare_sampling_factors_each_scan_is_looked_at(place: int) -> None:
    photo = sequential(PICTURE)
    at = photo.head.index(b"\xff\xc0") + 11
    head = bytearray(photo.head)
    head[at : at + 9 : 3] = bytes((0x22, 0x21, 0x11))  # of tables that all share: any such file decodes
    gray = [
        encoded(PICTURE.convert("L").resize(size), "JPEG", quality=90) for size in ((192, 160), (192, 80), (96, 80))
    ]
    parts = [file[file.index(b"\xff\xda") : -2] for file in gray]
    scans = [part[:5] + bytes((number,)) + part[6:] for number, part in enumerate(parts, 1)]
    assert decode_upright(bytes(head) + b"".join(scans) + END, 10**7)[0].shape == (160, 192, 3)
    scans[place] = scans[place][: len(scans[place]) // 2]
    assert "before the pixels" in refusal(bytes(head) + b"".join(scans) + END).detail


def test_what_a_later_sequential_scan_claims_to_cover_does_not_count(photo: Scans) -> None:
    odd = [scan[:7] + b"\1\5\1" + scan[10:] for scan in photo.scans]
    pixels = decode_upright(photo.head + b"".join(odd) + END, 10**7)[0]
    assert np.abs(pixels.astype(int) - photo.pixels).max() <= 2
    assert refusal(photo.head + b"".join(odd[:2]) + END).reason == Reason.TRUNCATED


def test_a_sequential_photo_of_thousands_of_scans_is_refused_at_once() -> None:
    photo = PHOTOS["plain"]
    assert refusal(photo.of(0, 1, 2) + photo.scans[1][:10] * 600 + END).reason == Reason.DECOMPRESSION_BOMB


def test_the_image_data_of_one_scan_is_not_searched_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(data: bytes, progressive: bool) -> bool:
        raise AssertionError("searched")

    monkeypatch.setattr(jpeg, "_has_every_scan", never)
    for picture in (PICTURE, PICTURE.convert("L"), PICTURE.convert("CMYK")):
        decode_upright(encoded(picture, "JPEG"), 10**7)
    with pytest.raises(ImageRejected, match="searched"):
        decode_upright(PHOTOS["plain"].of(0, 1, 2) + END, 10**7)


def test_a_segment_that_states_no_length_is_passed_over_as_libjpeg_does() -> None:
    data = encoded(PICTURE, "JPEG")
    at = data.index(b"\xff\xc4")
    np.testing.assert_array_equal(
        decode_upright(data[:at] + b"\xff\xfe\0\0" + data[at:], 10**7)[0], np.asarray(Image.open(io.BytesIO(data)))
    )
    assert decode_upright(jpeg_with(data, (0xFE, b"")), 10**7)[0].shape == (160, 192, 3)
