"""Photos of odd shapes: stored and predicted from the same pixels, or refused for the same reason."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from aplantida.data.images import ImageRejected, decode_upright, pixel_digest, store_photo
from aplantida.domain.record import Reason
from aplantida.predict import UnreadablePhotoError, read_photo
from tests.fixtures import image_files as files
from tests.fixtures import odd_photos as odd
from tests.fixtures import profiles

MAX_PIXELS = 100_000_000
TURNED, COLOURED, SHAPED = odd.turned_photos(), odd.coloured_photos(), odd.shaped_photos()
TAKEN = TURNED | COLOURED | odd.inked_photos() | SHAPED
HIGH_DYNAMIC_RANGE = ("png-cicp-pq", "png-cicp-hlg")
SMALL = ("one-pixel", "one-pixel-jpeg", "flat-jpeg", "flat-png")
SIX = (
    *(
        "jpeg-exif-six",
        "jpeg-exif-6",
        "jpeg-exif-little",
        "jpeg-exif-many",
        "jpeg-exif-nine-six",
        "jpeg-exif-six-three",
    ),
    *("jpeg-exif-far", "jpeg-exif-empty-then-six", "jpeg-exif-behind-frame", "jpeg-exif-odd-prefix", "png-exif-little"),
    *("png-exif-six", "png-exif-many", "png-exif-nine-six", "png-exif-six-three", "png-exif-far"),
)


def pixels_of(data: bytes) -> np.ndarray:
    return decode_upright(data, MAX_PIXELS)[0]


def outcome(path: Path, *, stored: bool) -> str:
    """The digest of the pixels, or the refusal."""
    try:
        if stored:
            data = path.read_bytes()
            return store_photo(data, short_side_pixels=10**6, jpeg_quality=90, max_pixels=MAX_PIXELS).pixel_sha256
        return pixel_digest(read_photo(path))
    except (ImageRejected, UnreadablePhotoError) as refused:
        return str(refused)


def cut(data: bytes, share: float) -> bytes:
    return data[: int(share * len(data))]


def cut_files() -> dict[str, bytes]:
    names = ("jpeg-progressive", "png-rgb-16", "png-palette", "png-interlaced", "webp", "webp-rgba", "mpo")
    return {f"{name} cut at {share}": cut(SHAPED[name], share) for name in names for share in (0.02, 0.4)}


@pytest.mark.parametrize("name", [*TAKEN, *odd.other_formats(), *cut_files()])
def test_predict_takes_what_is_stored(name: str, tmp_path: Path) -> None:
    data = {**TAKEN, **odd.other_formats(), **cut_files()}[name]
    (tmp_path / "photo").write_bytes(data)
    taken, said = outcome(tmp_path / "photo", stored=True), outcome(tmp_path / "photo", stored=False)
    assert taken == said
    assert (len(taken) == 64) == (name in TAKEN and name not in (*SMALL, *HIGH_DYNAMIC_RANGE))


@pytest.mark.parametrize("name", SMALL)
def test_too_small_ones_are_too_small_for_both(name: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        pixels_of(TAKEN[name])
    assert caught.value.reason == Reason.TOO_SMALL


@pytest.mark.parametrize("name", odd.other_formats())
def test_other_formats_are_unsupported(name: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        pixels_of(odd.other_formats()[name])
    assert caught.value.reason == Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("name", [name for name in TURNED if not name.endswith(tuple("23578"))])
def test_only_a_sound_exif_orientation_turns_a_photo(name: str) -> None:
    pixels, size, _, turned = decode_upright(TURNED[name], MAX_PIXELS)
    across = name in SIX
    three = name in ("jpeg-exif-three-then-six", "png-exif-twice")
    assert pixels.shape[:2] == size[::-1] == ((odd.WIDTH, odd.HEIGHT) if across else (odd.HEIGHT, odd.WIDTH))
    assert turned == (across or three or name == "jpeg-exif-4")


@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_wide_colours_become_srgb(name: str) -> None:
    plain, srgb, wide = (pixels_of(COLOURED[f"{name}-{space}"]).astype(int) for space in ("nonsense", "srgb", "p3"))
    np.testing.assert_array_equal(plain, srgb)  # what is sRGB already is left as it is
    assert np.abs(wide - plain).max() > 20
    assert abs(wide.mean() - plain.mean()) < 8  # only the colours move


def test_a_green_of_display_p3_is_the_known_one() -> None:
    from PIL import Image

    flat = files.encoded(Image.new("RGB", (64, 64), (100, 180, 90)), "PNG", icc_profile=profiles.DISPLAY_P3)
    # by the matrices and curve of the two spaces' definitions
    light = np.array([((value / 255 + 0.055) / 1.055) ** 2.4 for value in (100, 180, 90)])
    to_srgb = np.array([[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09828]])
    expected = 255 * (1.055 * np.clip(to_srgb @ light, 0, 1) ** (1 / 2.4) - 0.055)
    assert np.abs(pixels_of(flat)[5, 5] - expected).max() <= 1


def test_threads_share_a_transform() -> None:
    photos = [COLOURED["jpeg-p3"], COLOURED["png-adobe"], COLOURED["jpeg-of-gray-gray"]] * 60
    expected = [pixel_digest(pixels_of(photo)) for photo in photos[:3]] * 60
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda photo: pixel_digest(pixels_of(photo)), photos)) == expected


def test_unforeseen_exceptions_are_refusals_with_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        raise KeyError("x")

    monkeypatch.setattr("aplantida.data.webp.decode", broken)
    with pytest.raises(ImageRejected, match="KeyError"):
        pixels_of(SHAPED["webp"])
