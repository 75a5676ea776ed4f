from __future__ import annotations

import numpy as np
import pytest

from aplantida.evaluation.bootstrap import Groups, bootstrap_intervals


def test_photos_on_their_own_give_the_binomial_interval() -> None:
    draw = np.random.default_rng(1)
    hits = draw.random(2000) < 0.8
    found = bootstrap_intervals({"top1": hits}, ("top1",), np.zeros(2000, int), Groups(np.arange(2000), 2000))
    half = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 2000)
    assert found["top1"] == pytest.approx([hits.mean() - half, hits.mean() + half], abs=0.003)
    assert found["macro_top1"] == pytest.approx(found["top1"])


def test_photos_of_one_plant_widen_it() -> None:
    draw = np.random.default_rng(1)
    plants = np.repeat(np.arange(200), 10)
    hits = np.repeat(draw.random(200) < 0.8, 10)
    alone = bootstrap_intervals({"top1": hits}, (), np.zeros(2000, int), Groups(np.arange(2000), 500))["top1"]
    together = bootstrap_intervals({"top1": hits}, (), np.zeros(2000, int), Groups(plants, 500))["top1"]
    assert together[1] - together[0] == pytest.approx((alone[1] - alone[0]) * np.sqrt(10), rel=0.2)


def test_macro_intervals_count_only_species_that_were_drawn() -> None:
    labels = np.array([0] * 50 + [7])
    hits = np.array([True] * 50 + [False])
    low, high = bootstrap_intervals({"top1": hits}, ("top1",), labels, Groups(np.arange(51), 400))["macro_top1"]
    assert (low, high) == (0.5, 1.0)


def test_equal_photos_give_equal_intervals() -> None:
    hits, groups = np.arange(30) % 3 > 0, Groups(np.arange(30) // 2, 100)
    first, again = (bootstrap_intervals({"top1": hits}, (), np.arange(30) % 4, groups) for _ in range(2))
    assert first == again
    assert first["top1"][0] < hits.mean() < first["top1"][1]
