"""Figures of random tables against scikit-learn's: accuracies, NLL, Brier, calibration error.

AUROC is in test_stranger_choice.py, precision, recall and F1 of species in test_metrics.py. Torchmetrics and MAPIE are
no dependency: what they compute is written out here and in test_conformal.py as its authors define it, bin by bin and
class by class: the calibration error in the norm l1, the conformal quantile, and the sets of LAC, APS and RAPS.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, balanced_accuracy_score, brier_score_loss, log_loss, top_k_accuracy_score

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.confusions import taxa
from aplantida.evaluation.metrics import outcomes_of, summarize
from aplantida.evaluation.reliability import calibration_error
from aplantida.evaluation.slices import by_value, per_taxon


def table_of(logits: np.ndarray) -> ScoreTable:
    ids = np.array([f"{at:032x}" for at in range(len(logits))])
    names = tuple(f"Genus{at % 3} species{at:02d}" for at in range(logits.shape[1]))
    return ScoreTable(ids, np.zeros(len(ids), np.int16), tuple(sorted(names)), logits.astype(np.float16))


@given(st.integers(0, 2**32 - 1), st.integers(6, 40), st.integers(1, 80), st.floats(0.1, 2.5))
@settings(max_examples=60, deadline=None)  # beyond 2.5 scikit-learn clips losses of 36 nats
def test_totals(seed: int, size: int, count: int, scale: float) -> None:
    draw = np.random.default_rng(seed)
    table = table_of(draw.normal(scale=scale, size=(count, size)))
    labels = draw.integers(0, size, count)
    got = summarize(outcomes_of(table, labels))
    scores, every = table.logits.astype(np.float64), np.arange(size)
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    ordered = scores - every * 1e-9  # equal logits: the first class goes before
    for k in (1, 3, 5):
        assert got[f"top{k}"] == pytest.approx(top_k_accuracy_score(labels, ordered, k=k, labels=every))
    assert got["macro_top1"] == pytest.approx(balanced_accuracy_score(labels, scores.argmax(axis=1)))
    assert got["nll"] == pytest.approx(log_loss(labels, probabilities, labels=every), rel=1e-5, abs=1e-6)
    brier = brier_score_loss(labels, probabilities, labels=every, scale_by_half=False)
    assert got["brier"] == pytest.approx(brier, rel=1e-5, abs=1e-6)


def test_parts_are_what_sklearn_says_of_them() -> None:
    draw = np.random.default_rng(2)
    table, labels = table_of(draw.normal(size=(400, 9))), draw.integers(0, 9, 400)
    sources = draw.choice(["herbarium", "garden", ""], 400)
    outcomes = outcomes_of(table, labels)
    report = by_value(outcomes, [name or None for name in sources])
    assert sorted(report) == ["", "garden", "herbarium"]
    for name, row in report.items():
        inside = sources == name
        assert row["num_photos"] == inside.sum()
        assert row["top1"] == pytest.approx(accuracy_score(labels[inside], outcomes.predictions[inside]))


def test_a_genus_counts_its_species_together() -> None:
    draw = np.random.default_rng(4)
    table, labels = table_of(draw.normal(size=(300, 9))), draw.integers(0, 9, 300)
    classes = ClassIndex.of(PlantClass(class_id=name, family=None) for name in table.class_ids)
    outcomes = outcomes_of(table, labels)
    genera = np.array(taxa(classes)[0])
    rows = per_taxon(outcomes, classes, "genus")
    assert [row["num_species"] for row in rows] == [3, 3, 3]
    for row in rows:
        inside = genera[labels] == row["genus"]
        assert row["test_photos"] == inside.sum()
        assert row["top1"] == pytest.approx((genera[outcomes.predictions][inside] == row["genus"]).mean(), abs=1e-6)
    assert per_taxon(outcomes, classes, "family") == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(2, 20))
@settings(max_examples=60, deadline=None)
def test_calibration_error(seed: int, count: int, num_bins: int) -> None:
    draw = np.random.default_rng(seed)
    confidence = draw.random(count) ** draw.choice([0.2, 1.0, 3.0])
    correct = draw.random(count) < confidence**2
    found, rows = calibration_error(confidence, correct, num_bins)
    right, sure = calibration_curve(correct, confidence, n_bins=num_bins, strategy="uniform")
    sizes = np.array([row["num_photos"] for row in rows])
    assert sizes.sum() == count
    assert [row["accuracy"] for row in rows] == pytest.approx(right.tolist())
    assert [row["confidence"] for row in rows] == pytest.approx(sure.tolist())
    assert found == pytest.approx((sizes / count) @ np.abs(right - sure))
    edges = [(at / num_bins, (at + 1) / num_bins) for at in range(num_bins)]
    by_bin = [(low < confidence) & (confidence <= high) for low, high in edges]
    gaps = [
        inside.mean() * abs(correct[inside].mean() - confidence[inside].mean()) for inside in by_bin if inside.any()
    ]
    assert found == pytest.approx(sum(gaps))


@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.integers(2, 20))
@settings(max_examples=60, deadline=None)
def test_calibration_error_of_bins_of_equally_many_photos(seed: int, count: int, num_bins: int) -> None:
    draw = np.random.default_rng(seed)
    confidence, correct = draw.random(count), draw.random(count) < 0.5
    found, rows = calibration_error(confidence, correct, num_bins, "equal_mass")
    order, gaps = np.argsort(confidence), []
    for at in range(num_bins):
        inside = order[-(-at * count // num_bins) : -(-(at + 1) * count // num_bins)]
        if len(inside):
            gaps.append(len(inside) / count * abs(correct[inside].mean() - confidence[inside].mean()))
    assert found == pytest.approx(sum(gaps))
    assert len(rows) == len(gaps)
    assert max(row["num_photos"] for row in rows) - min(row["num_photos"] for row in rows) <= 1
