from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from aplantida.data.augmentation import (
    POLICIES,
    Draw,
    Mix,
    Policy,
    apply_mix,
    color_matrices,
    draw_mix,
    drawn_view,
    recolor,
    show_view,
    turn_and_erase,
)
from aplantida.data.views import seeded
from aplantida.domain.pixels import Pixels, centre_square
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.seeds import derive_seed

SETTINGS = Preprocessing(image_size=32)
PHOTO = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def augment(photo: Pixels, policy: Policy, *, seed: int = 1, image_id: str = "a", epoch: int = 0) -> Pixels:
    height, width = photo.shape[:2]
    square = np.empty((32, 32, 3), np.uint8)
    show_view(drawn_view(policy, width, height, seed=seed, image_id=image_id, epoch=epoch), photo, SETTINGS, square)
    if policy.turns_or_erases:
        turn_and_erase(square, policy, seed=seed, image_id=image_id, epoch=epoch)
    return square


def one_matrix(policy: Policy, seed: int) -> torch.Tensor:
    """(1, 3, 4)."""
    return torch.from_numpy(color_matrices(policy, [Draw(seed, "a", 0)]))


def test_none_is_the_centre_crop() -> None:
    square = augment(PHOTO, POLICIES["none"], epoch=3)
    assert np.array_equal(square, centre_square(PHOTO, SETTINGS))


@pytest.mark.parametrize("name", ["light", "standard", "aggressive"])
def test_a_draw_depends_on_seed_photo_and_epoch_only(name: str) -> None:
    def drawn(seed: int = 1, image_id: str = "a", epoch: int = 0) -> bytes:
        return augment(PHOTO, POLICIES[name], seed=seed, image_id=image_id, epoch=epoch).tobytes()

    assert drawn() == drawn()
    assert len({drawn(), drawn(seed=2), drawn(image_id="b"), drawn(epoch=1)}) == 4


def test_rotation_and_erasing_leave_gray() -> None:
    policy = Policy(scale=(1.0, 1.0), erase=1.0)
    light = augment(np.full_like(PHOTO, 250), policy)
    share = np.mean(np.all(light == 128, axis=2))
    assert 0.04 < share < 0.27
    turned = augment(np.full_like(PHOTO, 250), Policy(scale=(1.0, 1.0), rotation_degrees=20))
    assert turned[16, 16].tolist() == [250, 250, 250]
    assert turned[0, 0].max() < 250


@pytest.mark.parametrize("image_id", ["a", "b", "c"])
def test_a_square_is_turned_as_pillow_does_within_rounding(image_id: str) -> None:
    policy = Policy(rotation_degrees=20)
    y, x = np.mgrid[0:96, 0:96] / 96
    square = np.stack([255 * x, 255 * y, 127 + 120 * np.sin(9 * x * y)], axis=-1).astype(np.uint8)
    degrees = seeded(derive_seed(1, "geometry", image_id, 0)).uniform(-20, 20)
    expected = np.asarray(Image.fromarray(square).rotate(degrees, Image.Resampling.BILINEAR), int)
    turn_and_erase(square, policy, seed=1, image_id=image_id, epoch=0)
    inside = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.49**2  # which no turn takes out of the square
    assert np.abs(square[inside] - expected[inside]).max() <= 2


def test_colors_stay_where_no_color_is_drawn() -> None:
    assert not POLICIES["light"].changes_color
    assert np.allclose(one_matrix(POLICIES["light"], 1), np.eye(3, 4), atol=1e-6)


def test_brightness_contrast_and_saturation_are_what_they_say() -> None:
    gray = torch.full((1, 2, 2, 3), 100.0)
    bright = recolor(gray, one_matrix(Policy(brightness=0.5), 3))
    factor = float(bright.mean()) / 100
    assert 0.5 < factor < 1.5
    assert abs(factor - 1) > 0.01
    middle = torch.full((1, 2, 2, 3), 127.5)
    assert torch.allclose(
        recolor(middle, one_matrix(Policy(contrast=0.9), 3)),
        middle,
        atol=1e-3,
    )
    assert torch.allclose(
        recolor(gray, one_matrix(Policy(saturation=0.9), 3)),
        gray,
        atol=1e-3,
    )


def test_hue_turns_and_gray_stays() -> None:
    matrix = one_matrix(Policy(hue_degrees=60.0), 5)
    red = recolor(torch.tensor([200.0, 80.0, 80.0]).expand(1, 1, 1, 3).clone(), matrix)[0, 0, 0] / 255
    before, after = colorsys.rgb_to_hsv(200 / 255, 80 / 255, 80 / 255), colorsys.rgb_to_hsv(*red.tolist())
    assert 0.02 < min(abs(after[0] - before[0]), 1 - abs(after[0] - before[0])) < 0.25
    gray = torch.full((1, 1, 1, 3), 90.0)
    assert torch.allclose(recolor(gray, matrix), gray, atol=0.1)


def test_a_photos_color_does_not_depend_on_its_batch() -> None:
    draws = [Draw(1, str(at), at % 3) for at in range(300)]
    together = color_matrices(POLICIES["aggressive"], draws)
    alone = np.concatenate([color_matrices(POLICIES["aggressive"], [draw]) for draw in draws])
    assert together.tobytes() == alone.tobytes()
    assert len(np.unique(together.reshape(300, -1), axis=0)) == 300


def test_recolored_pixels_stay_in_range() -> None:
    policy = replace(POLICIES["aggressive"], brightness=0.9)
    matrices = color_matrices(policy, [Draw(1, str(at), 0) for at in range(20)])
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))
    colored = recolor(pixels, torch.from_numpy(matrices))
    assert colored.shape == pixels.shape
    assert 0 <= float(colored.min()) <= float(colored.max()) <= 255


def test_mixup_weighs_photos() -> None:
    photos = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    mixed = apply_mix(photos, Mix(torch.tensor([1, 0]), 0.75))
    assert torch.allclose(mixed[0], torch.tensor(0.25))
    assert torch.allclose(mixed[1], torch.tensor(0.75))


def test_cutmix_pastes_a_box_of_the_partners_share() -> None:
    photos = torch.stack([torch.zeros(3, 100, 100), torch.ones(3, 100, 100)])
    for seed in range(30):
        mix = draw_mix(2, mixup_alpha=0.0, cutmix_alpha=1.0, seed=seed)
        assert mix is not None
        assert mix.box is not None
        mixed = apply_mix(photos, Mix(torch.tensor([1, 0]), mix.weight, mix.box))
        assert float(mixed[0].mean()) == pytest.approx(1 - mix.weight, abs=0.03)
        assert set(mixed.unique().tolist()) <= {0.0, 1.0}


def test_both_kinds_of_mixing_are_drawn_and_none_without_alphas() -> None:
    assert draw_mix(8, mixup_alpha=0.0, cutmix_alpha=0.0, seed=1) is None
    drawn = [draw_mix(8, mixup_alpha=0.8, cutmix_alpha=0.8, seed=seed) for seed in range(40)]
    kinds = [mix is not None and mix.box is None for mix in drawn]
    assert 8 < sum(kinds) < 32
    assert all(mix is not None and sorted(mix.partner.tolist()) == list(range(8)) for mix in drawn)
