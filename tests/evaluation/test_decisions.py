from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aplantida.evaluation.bounds import lower_bound
from aplantida.evaluation.decisions import at_threshold, find_threshold, precision_table

CONFIDENCE = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
CORRECT = np.array([True, True, True, False, True, True, False])


def test_the_widest_coverage_that_reaches_the_target() -> None:
    found = find_threshold(CONFIDENCE, CORRECT, 0.8)
    assert found.value == pytest.approx(0.5)
    assert found.precision == pytest.approx(5 / 6)
    assert found.coverage == pytest.approx(6 / 7)
    assert found.target_reached
    assert find_threshold(CONFIDENCE, CORRECT, 0.99).value == pytest.approx(0.8)


def test_a_target_out_of_reach_is_said_and_the_best_is_given() -> None:
    found = find_threshold(CONFIDENCE, np.array([False, True, True, False, False, False, False]), 0.9)
    assert not found.target_reached
    assert found.value == pytest.approx(0.8)
    assert found.precision == pytest.approx(2 / 3)


def test_nothing_right_at_all() -> None:
    found = find_threshold(CONFIDENCE, np.zeros(7, bool), 0.9)
    assert not found.target_reached
    assert found.precision == 0.0


def test_min_accepted_keeps_a_lucky_few_from_deciding() -> None:
    correct = np.array([True, False, True, False, False, False, False])
    assert find_threshold(CONFIDENCE, correct, 0.9).num_accepted == 1
    found = find_threshold(CONFIDENCE, correct, 0.9, min_accepted=3)
    assert found.num_accepted == 3
    assert not found.target_reached
    assert find_threshold(CONFIDENCE, correct, 0.9, min_accepted=100).num_accepted == 7


def test_equal_confidences_stand_or_fall_together() -> None:
    found = find_threshold(np.array([0.9, 0.9, 0.9, 0.1]), np.array([True, False, False, True]), 0.5)
    assert found.num_accepted == 4
    assert not find_threshold(np.array([0.9, 0.9]), np.array([True, False]), 0.9).target_reached


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    st.floats(0, 1),
    st.integers(1, 10),
)
def test_what_is_reported_is_what_the_stored_threshold_does(
    rows: list[tuple[float, bool]], target: float, min_accepted: int
) -> None:
    confidence = np.array([row[0] for row in rows])
    correct = np.array([row[1] for row in rows])
    found = find_threshold(confidence, correct, target, min_accepted)
    measured = at_threshold(confidence, correct, found.value)
    assert measured["num_accepted"] == found.num_accepted
    assert measured["precision"] == pytest.approx(found.precision)
    assert found.target_reached == (found.precision >= target)
    assert found.num_accepted >= min(min_accepted, len(rows))


@pytest.mark.parametrize("value", [np.nextafter(5e-6, 0.0), np.nextafter(1.0, 0.0), 1.0, 0.0, np.nextafter(0.3, 0.0)])
@pytest.mark.parametrize("right", [True, False])
def test_a_threshold_lies_below_1_and_is_reached_by_the_photos_it_was_chosen_by(value: float, right: bool) -> None:
    for confidence in (np.full(100, value), np.full(100, value, np.float32)):
        found = find_threshold(confidence, np.full(100, right), 0.9, 20, 0.9)
        assert found.num_accepted == (confidence >= found.value).sum() == 100
        assert found.value <= 0.999999


def test_no_flooring_lifts_a_threshold_above_its_photo() -> None:
    millionths = np.arange(1, 1_000_001, 7) / 1e6
    for confidence in (np.nextafter(millionths, 0.0), millionths, np.nextafter(millionths, 1.0)):
        found = find_threshold(confidence, np.ones(len(confidence), np.bool_), 0.9)
        assert found.num_accepted == len(confidence)


def test_precision_table() -> None:
    rows = precision_table(CONFIDENCE, CORRECT, [0.0, 0.75, 0.99])
    assert [row["num_accepted"] for row in rows] == [7, 3, 0]
    assert rows[1]["precision"] == 1.0
    assert rows[2]["precision"] is None


def test_a_bound_asks_for_more_than_the_share_itself() -> None:
    confidence, correct = np.linspace(1, 0.01, 100), np.arange(100) < 92
    plain, bounded = find_threshold(confidence, correct, 0.9), find_threshold(confidence, correct, 0.9, bound=0.9)
    assert plain.num_accepted > bounded.num_accepted
    assert lower_bound(round(bounded.precision * bounded.num_accepted), bounded.num_accepted) >= 0.9
    few = find_threshold(confidence[:10], correct[:10], 0.9, bound=0.9)
    assert not few.target_reached  # ten of ten speak for 0.79 only


def test_photos_of_one_plant_are_counted_as_many_as_they_are_worth() -> None:
    plants = np.linspace(1, 0.01, 400)
    right = np.random.default_rng(4).random(400) < 0.8 + 0.2 * plants
    confidence, correct = plants.repeat(3), right.repeat(3)
    alone = find_threshold(confidence, correct, 0.9, bound=0.9)
    each = find_threshold(confidence, correct, 0.9, bound=0.9, groups=np.arange(1200))
    together = find_threshold(confidence, correct, 0.9, bound=0.9, groups=np.arange(400).repeat(3))
    assert (alone.value, alone.design_effect) == (each.value, 1.0)
    assert together.design_effect == pytest.approx(3.0, abs=0.1)
    assert together.num_accepted < alone.num_accepted
    worth = together.num_accepted / 3
    assert lower_bound(together.precision * worth, worth) >= 0.899
    one_plant = find_threshold(confidence, correct, 0.9, bound=0.9, groups=np.zeros(1200))
    assert not one_plant.target_reached


def test_a_plant_below_a_threshold_costs_nothing_above_it() -> None:
    draw = np.random.default_rng(3)
    confidence = np.concatenate([0.5 + 0.05 * draw.random(60), 0.6 + 0.39 * draw.random(900)])
    correct = np.concatenate([np.zeros(60, np.bool_), np.arange(900) % 50 != 0])
    groups = np.concatenate([np.zeros(60, np.int64), np.arange(1, 901)])  # one plant, wrong, and many
    found = find_threshold(confidence, correct, 0.9, 20, 0.9, groups)
    assert found.target_reached
    assert found.num_accepted >= 900
