from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.calibration import (
    MIN_TEMPERATURE,
    at_temperatures,
    loss_curves,
)
from aplantida.evaluation.reliability import calibration_error, perfect_error


def table_of(logits: np.ndarray) -> ScoreTable:
    count, size = logits.shape
    ids = np.array([f"{at:032x}" for at in range(count)])
    classes = tuple(f"Genus species{at:02d}" for at in range(size))
    return ScoreTable(ids, np.zeros(count, np.int16), classes, logits.astype(np.float16))


def nll(table: ScoreTable, labels: np.ndarray, temperature: float) -> float:
    return float(at_temperatures(table, labels, [temperature])[0].mean())


def error_at(table: ScoreTable, labels: np.ndarray, temperature: float) -> float:
    _, confidence, correct = at_temperatures(table, labels, [temperature])
    return calibration_error(confidence[0], correct)[0]


def honest_case(scale: float, count: int = 20_000, size: int = 6) -> tuple[ScoreTable, np.ndarray]:
    """Labels drawn from softmax(z); the model says ``scale * z``, so that the right temperature is ``scale``."""
    draw = np.random.default_rng(11)
    logits = draw.normal(scale=1.5, size=(count, size))
    labels = (logits + draw.gumbel(size=logits.shape)).argmax(axis=1)
    return table_of(logits * scale), labels


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_known_temperature_is_found_and_repairs_the_calibration(scale: float) -> None:
    table, labels = honest_case(scale)
    fit = loss_curves(table, labels).fit()
    assert fit.temperature == pytest.approx(scale, rel=0.04)
    assert not fit.at_bound
    assert fit.nll_after <= fit.nll_before
    assert error_at(table, labels, fit.temperature) < 0.015
    if scale != 1.0:
        assert error_at(table, labels, 1.0) > 0.1


def test_no_other_temperature_is_better() -> None:
    table, labels = honest_case(2.0, count=500)
    fit = loss_curves(table, labels).fit()
    for other in np.linspace(0.2, 8.0, 79):
        assert nll(table, labels, float(other)) >= fit.nll_after - 1e-9


def test_a_perfect_validation_set_is_flagged_not_believed() -> None:
    fit = loss_curves(table_of(np.eye(3) * 4.0), np.arange(3)).fit()
    assert fit.at_bound
    assert fit.temperature == MIN_TEMPERATURE


def test_worse_than_chance_is_flagged() -> None:
    fit = loss_curves(table_of(np.eye(3) * 4.0), np.array([1, 2, 0])).fit()
    assert fit.at_bound
    assert fit.temperature == 20.0


def test_no_photo_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        loss_curves(table_of(np.zeros((0, 3))), np.zeros(0, int)).fit()


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.2, 0.2, 0.8, 0.8, 0.8, 1.0])
    correct = np.array([True, False, True, True, False, True])
    error, bins = calibration_error(confidence, correct, num_bins=5)
    # bins (0, .2], (.6, .8], (.8, 1]: |.5 - .2| x 2/6 + |2/3 - .8| x 3/6 + 0
    assert error == pytest.approx(0.1 + (0.8 - 2 / 3) / 2)
    assert [(row["low"], row["num_photos"]) for row in bins] == [(0.0, 2), (pytest.approx(0.6), 3), (0.8, 1)]


def test_equal_mass_bins_hold_equally_many_photos() -> None:
    draw = np.random.default_rng(5)
    confidence = draw.beta(8, 1, size=900)
    correct = draw.random(900) < confidence
    error, bins = calibration_error(confidence, correct, 15, "equal_mass")
    assert [row["num_photos"] for row in bins] == [60] * 15
    assert all(a["high"] <= b["low"] for a, b in itertools.pairwise(bins))
    assert 0.0 < error < 0.1


def test_equal_confidences_are_in_one_bin_whatever_their_order() -> None:
    confidence, correct = np.repeat([0.5, 0.9], [100, 50]), np.arange(150) < 50
    correct[100:145] = True
    orders = [np.arange(150), np.arange(150)[::-1], np.random.default_rng(1).permutation(150)]
    for order in orders:
        error, bins = calibration_error(confidence[order], correct[order], 15, "equal_mass")
        assert error == pytest.approx(0.0)
        assert [row["num_photos"] for row in bins] == [100, 50]
    assert perfect_error(confidence, 15, "equal_mass") == pytest.approx(perfect_error(confidence), abs=1e-12)


def test_fewer_photos_than_bins() -> None:
    error, bins = calibration_error(np.array([0.9, 0.4]), np.array([True, False]), 15, "equal_mass")
    assert len(bins) == 2
    assert error == pytest.approx((0.1 + 0.4) / 2)


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 6.0), st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_the_curve_between_its_nodes_is_the_loss(seed: int, scale: float, size: int) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=2, size=(300, size))
    labels = (logits + draw.gumbel(size=logits.shape)).argmax(axis=1)
    table = table_of(logits * scale)
    fit = loss_curves(table, labels).fit()
    scores = table.logits.astype(np.float64)

    def loss(temperature: float) -> float:
        return float((logsumexp(scores / temperature, axis=1) - scores[np.arange(300), labels] / temperature).mean())

    best = minimize_scalar(
        lambda log_t: loss(np.exp(log_t)), bounds=(-2.9, 2.9), method="bounded", options={"xatol": 1e-9}
    )
    assert fit.temperature == pytest.approx(np.exp(best.x), rel=1e-3)
    assert fit.nll_before == pytest.approx(loss(1.0), abs=1e-5)
    assert fit.nll_after == pytest.approx(loss(fit.temperature), abs=1e-5)
    assert nll(table, labels, fit.temperature) == pytest.approx(loss(fit.temperature), abs=1e-6)


def test_parts_of_the_photos_get_their_own_temperatures_in_one_look() -> None:
    one, labels_one = honest_case(0.5, count=3000)
    other, labels_other = honest_case(3.0, count=3000)
    table, labels = table_of(np.concatenate([one.logits, other.logits])), np.concatenate([labels_one, labels_other])
    curves, second = loss_curves(table, labels), np.arange(6000) >= 3000
    assert curves.fit(~second).temperature == pytest.approx(0.5, rel=0.06)
    assert curves.fit(second).temperature == pytest.approx(3.0, rel=0.06)
    assert 0.5 < curves.fit().temperature < 3.0
    losses, values, correct = at_temperatures(table, labels, [0.5, 3.0])
    assert losses[1, second].mean() < losses[0, second].mean()
    assert values.shape == (2, 6000)
    assert correct.mean() == pytest.approx((table.logits.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("scheme", ["equal_width", "equal_mass"])
def test_a_perfect_model_seldom_exceeds_what_chance_gives_it(scheme: str) -> None:
    draw = np.random.default_rng(4)
    confidence = draw.beta(5, 1.5, size=300)
    limit = perfect_error(confidence, 15, scheme)
    errors = [calibration_error(confidence, draw.random(300) < confidence, 15, scheme)[0] for _ in range(400)]
    assert np.mean(np.array(errors) > limit) == pytest.approx(0.05, abs=0.03)
    assert calibration_error(confidence, draw.random(300) < 0.6 * confidence, 15, scheme)[0] > limit
