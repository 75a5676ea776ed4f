"""What is claimed of photos that come in groups holds as often as its level says."""

from __future__ import annotations

import numpy as np
import pytest

from aplantida.evaluation.bounds import at_least, at_most, design_effects, lower_bound, share_at_least, upper_bound


@pytest.mark.parametrize(
    ("num_groups", "size", "share", "effect"), [(8, 30, 0.15, 4.4), (19, 20, 0.05, 8.0), (75, 30, 0.15, 4.4)]
)
def test_a_bound_of_strangers_that_come_by_species_holds_about_as_often_as_it_says(
    num_groups: int, size: int, share: float, effect: float
) -> None:
    draw, groups, tables = np.random.default_rng(0), np.repeat(np.arange(num_groups), size), 1000
    alike = (effect - 1) / (size - 1)  # correlation within a group, of a beta-binomial
    shape, held, alone = 1 / alike - 1, 0, 0
    for _ in range(tables):
        rates = draw.beta(share * shape, (1 - share) * shape, num_groups)
        hits = draw.random(len(groups)) < rates[groups]
        held += at_most(hits, groups) >= share
        alone += upper_bound(hits.sum(), len(hits)) >= share
    assert held / tables >= 0.81
    assert alone / tables < min(0.8, held / tables)


def test_the_bound_holds_where_whole_plants_are_right_or_wrong_and_errors_are_few() -> None:
    draw, groups, held = np.random.default_rng(0), np.repeat(np.arange(40), 10), 0
    for _ in range(500):
        right = (draw.random(40) < 0.97)[groups] & (draw.random(400) < 0.997)
        held += at_least(right, groups) <= 0.97 * 0.997
    assert held / 500 >= 0.9


def test_one_error_never_makes_a_claim_stronger() -> None:
    groups = np.repeat(np.arange(30), 10)
    right = np.ones(300, np.bool_)
    whole = at_least(right, groups)
    assert whole == pytest.approx(lower_bound(30, 30))
    right[7] = False
    assert at_least(right, groups) <= whole
    assert at_most(~right, groups) >= at_most(np.zeros(300, np.bool_), groups) == pytest.approx(upper_bound(0, 30))


def test_design_effects_of_the_first_photos_are_those_of_kish() -> None:
    draw = np.random.default_rng(3)
    hits, groups = draw.random(300) < 0.8, draw.integers(0, 70, 300)
    effects, num_groups = design_effects(hits, groups)
    for count in (1, 2, 17, 100, 300):
        some, (_, group, sizes) = hits[:count], np.unique(groups[:count], return_inverse=True, return_counts=True)
        share = some.mean()
        wanted = count / len(sizes)
        if 0 < share < 1 and len(sizes) > 1:
            spread = (np.bincount(group, some - share) ** 2).sum() * len(sizes) / (len(sizes) - 1)
            wanted = min(max(1.0, spread / (count * share * (1 - share))), count)
        assert (effects[count - 1], num_groups[count - 1]) == (pytest.approx(wanted), len(sizes))


def test_photos_on_their_own_are_worth_themselves() -> None:
    hits = np.random.default_rng(1).random(400) < 0.8
    assert at_least(hits, np.arange(400)) == pytest.approx(lower_bound(hits.sum(), 400), abs=1e-3)
    effects, _ = design_effects(np.repeat(hits, 3), np.repeat(np.arange(400), 3))
    assert effects[-1] == pytest.approx(3.0, rel=0.01)


def test_of_no_photo_nothing_is_claimed() -> None:
    none = np.zeros(0, np.bool_)
    assert (at_least(none, none), at_most(none, none)) == (0.0, 1.0)
    assert share_at_least(0, 0, 1.0, 0) == 0.0
    assert at_least(np.ones(6, np.bool_), np.array(list("aaabbb"))) == float(lower_bound(2, 2))
