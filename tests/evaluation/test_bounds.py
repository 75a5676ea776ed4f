"""What is claimed of photos that come in groups holds as often as its level says."""

from __future__ import annotations

import numpy as np
import pytest

from aplantida.evaluation.bounds import design_effect, independent, lower_bound, upper_bound


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
        held += upper_bound(*independent(hits, groups)) >= share
        alone += upper_bound(hits.sum(), len(hits)) >= share
    assert held / tables >= 0.81
    assert alone / tables < min(0.8, held / tables)


def test_photos_on_their_own_are_worth_themselves() -> None:
    hits = np.random.default_rng(1).random(400) < 0.8
    assert independent(hits, np.arange(400)) == pytest.approx((hits.sum(), 400), rel=0.01)
    assert design_effect(np.repeat(hits, 3), np.repeat(np.arange(400), 3)) == pytest.approx(3.0, rel=0.01)


def test_where_all_are_alike_a_group_is_worth_a_photo() -> None:
    groups = np.array(["a", "a", "a", "b", "b", "b"])
    for share in (0.0, 1.0):
        assert independent(np.full(6, share, np.bool_), groups) == (2 * share, 2.0)
    assert independent(np.array([True, False, True]), np.array(["a"] * 3)) == (pytest.approx(2 / 3), 1.0)
    assert independent(np.zeros(0, np.bool_), groups[:0]) == (0.0, 0.0)
    assert upper_bound(0.0, 0.0) == 1.0
    assert float(lower_bound(*independent(np.ones(6, np.bool_), groups))) == float(lower_bound(2, 2))
