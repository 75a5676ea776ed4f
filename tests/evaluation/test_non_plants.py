from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from aplantida.evaluation.drawn_kinds import KINDS, SIDE
from aplantida.evaluation.non_plants import non_plants


def test_the_set_is_the_same_every_time_and_other_for_another_seed() -> None:
    first, again, other = ([item.jpeg for item in non_plants(58, seed)] for seed in (1, 1, 2))
    assert first == again
    assert sum(one == another for one, another in zip(first, other, strict=True)) < 3


def test_a_kind_is_for_choosing_or_for_reporting() -> None:
    found = list(non_plants(87))
    parts = {item.kind: item.part for item in found}
    assert all(item.part == parts[item.kind] for item in found)
    counts = Counter(parts.values())
    assert counts["test"] >= 6
    assert counts["val"] >= 10
    assert set(Counter(item.kind for item in found).values()) == {3}
    assert len({item.name for item in found}) == len(found) >= 87


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_draws_pictures_that_differ(kind: str) -> None:
    one, other = (KINDS[kind](np.random.default_rng(seed)) for seed in (1, 2))
    assert one.shape == (SIDE, SIDE, 3)
    assert one.dtype == np.uint8
    assert not np.array_equal(one, other)


def test_all_are_photos_that_can_be_decoded() -> None:
    for item in non_plants(20):
        with Image.open(io.BytesIO(item.jpeg)) as picture:
            assert picture.size == (SIDE, SIDE)
