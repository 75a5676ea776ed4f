from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from aplantida.domain.pixels import Pixels, boxed_square, scaled


def picture(width: int, height: int) -> Pixels:
    """Smooth color with an edge and some noise."""
    draw = np.random.default_rng(1)
    y, x = np.mgrid[0:height, 0:width]
    planes = np.stack([x * 255 / width, y * 255 / height, 255 * (x > y)], axis=-1)
    return np.clip(planes + draw.normal(0, 8, planes.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(64, 48), (200, 150), (31, 77)])
def test_resizing_is_pillows_within_rounding(size: tuple[int, int], interpolation: str) -> None:
    photo = picture(120, 90)
    method = Image.Resampling[interpolation.upper()]
    expected = np.asarray(Image.fromarray(photo).resize(size, method), int)
    got = scaled(photo, *size, interpolation)
    assert got.shape == (size[1], size[0], 3)
    assert got.dtype == np.uint8
    assert np.abs(got - expected).max() <= 1


def test_what_torch_could_not_take_is_copied() -> None:
    photo = picture(60, 40)
    photo.flags.writeable = False
    assert np.array_equal(scaled(photo[::-1, 5:50], 20, 20), scaled(photo[::-1, 5:50].copy(), 20, 20))


def test_what_torch_would_write_past_is_refused() -> None:
    square = np.zeros((20, 40, 3), np.uint8)
    for out in (square[:, ::2], square[:, :20]):
        with pytest.raises(ValueError, match="C-contiguous"):
            scaled(picture(60, 40), 20, 20, out=out)
    whole = np.zeros((20, 20, 3), np.uint8)
    whole.flags.writeable = False
    with pytest.raises(ValueError, match="written"):
        scaled(picture(60, 40), 20, 20, out=whole)
    assert not square.any()


@pytest.mark.parametrize("size", [20, 32, 64])  # shrunk to half, to 0.8, enlarged
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_box_is_cut_in_whole_pixels_and_mirrored(size: int, interpolation: str) -> None:
    photo = picture(100, 80)
    box = (0.104, 0.25, 0.5, 0.751)
    square = boxed_square(photo, box, False, size, interpolation)
    cut = boxed_square(photo[20:60, 10:50].copy(), (0, 0, 1, 1), False, size, interpolation)
    assert np.array_equal(square, cut)
    assert np.array_equal(boxed_square(photo, box, True, size, interpolation), square[:, ::-1])
    out = np.zeros((3, size, size, 3), np.uint8)
    photo.flags.writeable = False
    assert boxed_square(photo, box, True, size, interpolation, out[1]).base is out
    assert np.array_equal(out[1], square[:, ::-1])
    assert not out[[0, 2]].any()


@pytest.mark.parametrize("size", [20, 40, 90])
def test_a_view_that_is_enlarged_or_shrunk_to_two_thirds_or_less_is_pillows_within_rounding(size: int) -> None:
    photo = picture(60, 60)[:, :40]
    if size == 90:
        photo = photo[:40]
    expected = np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.BILINEAR), int)
    got = boxed_square(photo, (0, 0, 1, 1), False, size)
    assert np.abs(got - expected).max() <= 1


def test_a_view_that_is_shrunk_a_little_takes_four_neighbours() -> None:
    columns = np.arange(24, dtype=np.uint8) * 10
    photo = np.broadcast_to(columns[None, :, None], (24, 24, 3))
    square = boxed_square(photo, (0, 0, 1, 1), False, 20)
    points = (np.arange(20) + 0.5) * 24 / 20 - 0.5  # where the middles of 20 pixels lie among those of 24
    assert np.abs(square[10, :, 0] - np.interp(points, np.arange(24), columns)).max() <= 1


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5, 0.5), (1.0, 1.0, 1.0, 1.0), (0.0, 0.999, 0.001, 1.2)])
def test_the_smallest_box_is_one_pixel(box: tuple[float, float, float, float]) -> None:
    assert boxed_square(picture(100, 80), box, False, 16).shape == (16, 16, 3)
