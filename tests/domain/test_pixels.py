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


def test_a_box_is_cut_in_whole_pixels_and_mirrored() -> None:
    photo = picture(100, 80)
    square = boxed_square(photo, (0.104, 0.25, 0.5, 0.751), False, 32)
    assert np.array_equal(square, scaled(photo[20:60, 10:50], 32, 32))
    assert np.array_equal(boxed_square(photo, (0.104, 0.25, 0.5, 0.751), True, 32), square[:, ::-1])
    assert np.array_equal(boxed_square(photo, (0, 0, 1, 1), False, 32), scaled(photo, 32, 32))


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5, 0.5), (1.0, 1.0, 1.0, 1.0), (0.0, 0.999, 0.001, 1.2)])
def test_the_smallest_box_is_one_pixel(box: tuple[float, float, float, float]) -> None:
    assert boxed_square(picture(100, 80), box, False, 16).shape == (16, 16, 3)
