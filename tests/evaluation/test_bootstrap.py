from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aplantida.evaluation.bootstrap import Groups, bootstrap_intervals


def found(*args: Any) -> dict[str, list[float]]:
    """Intervals where there are several groups."""
    intervals = bootstrap_intervals(*args)
    assert intervals is not None
    return intervals


def test_photos_on_their_own_give_the_binomial_interval() -> None:
    draw = np.random.default_rng(1)
    hits = draw.random(2000) < 0.8
    shown = found({"top1": hits}, ("top1",), np.zeros(2000, int), Groups(np.arange(2000), 2000))
    half = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 2000)
    assert shown["top1"] == pytest.approx([hits.mean() - half, hits.mean() + half], abs=0.003)
    assert shown["macro_top1"] == pytest.approx(shown["top1"])


def test_photos_of_one_plant_widen_it() -> None:
    draw = np.random.default_rng(1)
    plants = np.repeat(np.arange(200), 10)
    hits = np.repeat(draw.random(200) < 0.8, 10)
    alone = found({"top1": hits}, (), np.zeros(2000, int), Groups(np.arange(2000), 500))["top1"]
    together = found({"top1": hits}, (), np.zeros(2000, int), Groups(plants, 500))["top1"]
    assert together[1] - together[0] == pytest.approx((alone[1] - alone[0]) * np.sqrt(10), rel=0.2)


def test_in_macro_intervals_each_species_keeps_its_weight() -> None:
    labels = np.array([0] * 50 + [7])
    hits = np.array([True] * 50 + [False])
    low, high = found({"top1": hits}, ("top1",), labels, Groups(np.arange(51), 400))["macro_top1"]
    assert low <= 0.25  # the one photo of species 7 was drawn three times: it weighs three species
    assert high == 1.0


def test_equal_photos_give_equal_intervals() -> None:
    hits, groups = np.arange(30) % 3 > 0, Groups(np.arange(30) // 2, 100)
    first, again = (found({"top1": hits}, (), np.arange(30) % 4, groups) for _ in range(2))
    assert first == again
    assert first["top1"][0] < hits.mean() < first["top1"][1]


@pytest.mark.parametrize("photos", [[1], [2], [1, 1, 1, 2, 2, 3, 8]])
def test_macro_intervals_of_species_with_few_groups_hold_the_truth_as_often_as_they_say(photos: list[int]) -> None:
    """Of 95 in 100; with 120 tables chance may leave 87 to 100 of them."""
    draw, held, tables = np.random.default_rng(3), 0, 120
    labels = np.repeat(np.arange(280), np.resize(photos, 280))
    for _ in range(tables):
        rates = draw.beta(5, 1.5, 280)
        hits = draw.random(len(labels)) < rates[labels]
        low, high = found({"top1": hits}, ("top1",), labels, Groups(np.arange(len(labels)), 200))["macro_top1"]
        held += low <= rates.mean() <= high
    assert held / tables >= 0.87


def test_one_group_says_nothing_of_others() -> None:
    hits, plant = np.array([True, True, False]), np.array(["a"] * 3)
    assert bootstrap_intervals({"top1": hits}, ("top1",), np.array([0, 0, 1]), Groups(plant)) is None
    assert bootstrap_intervals({"top1": hits}, ("top1",), np.array([0, 0, 1]), Groups(np.arange(3) // 2)) is not None
