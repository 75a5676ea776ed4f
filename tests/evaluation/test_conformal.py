from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.answers import Answers, answers_of
from aplantida.evaluation.conformal import (
    FREE_RANKS,
    METHODS,
    SetRule,
    coverage,
    fit_sets,
    fit_threshold,
    resampled_coverage,
    set_size,
    set_sizes,
    true_scores,
)
from aplantida.evaluation.taxa import Taxonomy

SIZE = 30
CLASSES = ClassIndex.of(PlantClass(class_id=f"Genus{at // 5} species{at:02d}") for at in range(SIZE))
TAXONOMY = Taxonomy.of(CLASSES)
PREVALENCE = np.geomspace(1, 20, SIZE) / np.geomspace(1, 20, SIZE).sum()


def case(seed: int, count: int = 600) -> tuple[ScoreTable, np.ndarray, Answers]:
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=2.0, size=(count, SIZE)) + np.log(PREVALENCE)
    labels = (logits + draw.gumbel(size=logits.shape)).argmax(axis=1)
    ids = np.array([f"{at:032x}" for at in range(count)])
    table = ScoreTable(ids, np.zeros(count, np.int16), CLASSES.class_ids, (1.7 * logits).astype(np.float16))
    return table, labels, answers_of(table, labels, 1.7, TAXONOMY)


def sets_by_hand(probabilities: np.ndarray, rule: SetRule) -> list[set[int]]:
    """Every class whose score is at most the threshold, as the papers write it."""
    found = []
    for row in probabilities:
        order = np.argsort(-row, kind="stable")
        ranks, mass = np.empty(SIZE), np.empty(SIZE)
        ranks[order], mass[order] = np.arange(1, SIZE + 1), np.cumsum(row[order])
        score = {
            "lac": 1 - row,
            "aps": mass,
            "raps": mass + rule.penalty * np.maximum(ranks - FREE_RANKS, 0),
            "prevalence": -row / PREVALENCE,
        }[rule.method]
        found.append(set(np.flatnonzero(score <= rule.threshold).tolist()))
    return found


def softmax(table: ScoreTable, temperature: float) -> np.ndarray:
    scores = table.logits.astype(np.float64) / temperature
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
def test_sets_are_those_of_the_definition(method: str) -> None:
    table, labels, answers = case(3)
    rule = SetRule(method, 0.8, fit_threshold(true_scores(answers, method, PREVALENCE), 0.8) + 1e-7)
    wanted = sets_by_hand(softmax(table, 1.7), rule)
    assert set_sizes(table, 1.7, [rule], PREVALENCE)[0].tolist() == [len(row) for row in wanted]
    held = true_scores(answers, method, PREVALENCE) <= rule.threshold
    assert held.tolist() == [label in row for label, row in zip(labels.tolist(), wanted, strict=True)]
    if method != "prevalence":
        sizes = [set_size(row, rule) for row in answers.probabilities]
        assert sizes == [min(len(row), 10) for row in wanted]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_coverage_is_the_nominal_one(method: str, level: float) -> None:
    _, labels, answers = case(5, 3000)
    found = resampled_coverage(true_scores(answers, method, PREVALENCE), labels, (level,), 300)[0]
    assert found["coverage"] == pytest.approx(level, abs=0.01)


def test_the_report_says_what_val_and_test_pooled_hold_over_1000_resamplings_with_macro_coverage_and_size() -> None:
    (_, _, val), (table, labels, test) = case(11, 500), case(12, 400)
    levels = (0.8, 0.9, 0.95)
    rules, report = fit_sets(val, test, levels, PREVALENCE, lambda rules: set_sizes(table, 1.7, rules, PREVALENCE))
    for method in METHODS:
        for rule, row in zip(rules[method], report[method], strict=True):
            again = row["resampled"]
            assert (again["resamplings"], again["num_photos"]) == (1000, 900)
            assert abs(again["off_nominal"]) <= 0.02
            assert again["coverage"] == pytest.approx(row["level"] + again["off_nominal"])
            held = true_scores(test, method, PREVALENCE) <= rule.threshold
            species = [held[labels == label].mean() for label in set(labels.tolist())]
            assert (row["coverage"], row["macro_coverage"]) == pytest.approx((held.mean(), np.mean(species)))
            close = SetRule(method, rule.level, rule.threshold + 1e-7)  # sizes are counted in float32
            wanted = [len(some) for some in sets_by_hand(softmax(table, 1.7), close)]
            assert row["mean_size"] == pytest.approx(np.mean(wanted), abs=0.01)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.fractions(Fraction(1, 20), Fraction(99, 100)))
@settings(max_examples=80, deadline=None)
def test_the_threshold_is_the_smallest_score_that_so_many_reach(seed: int, count: int, level: Fraction) -> None:
    scores = np.random.default_rng(seed).random(count)
    wanted = [score for score in sorted(scores) if (scores <= score).sum() >= (count + 1) * level]
    found = fit_threshold(scores, float(level))
    exact = (count + 1) * float(level) == (count + 1) * level  # else the product may be rounded up to the next score
    assert found == (wanted[0] if wanted else math.inf) or (not exact and found >= (wanted or [math.inf])[0])


@given(st.integers(0, 2**32 - 1), st.sampled_from(METHODS), st.floats(0.3, 0.98))
@settings(max_examples=40, deadline=None)
def test_sets_of_random_tables_are_those_of_the_definition(seed: int, method: Any, level: float) -> None:
    table, _, answers = case(seed, 40)
    rule = SetRule(method, level, fit_threshold(true_scores(answers, method, PREVALENCE), level), penalty=seed % 7 / 20)
    if method == "raps":  # what is fitted is fitted for the usual penalty
        rule = SetRule(method, level, 0.8, rule.penalty)
    if math.isfinite(rule.threshold):
        rule = SetRule(method, level, rule.threshold + 1e-6, rule.penalty)
        wanted = [len(row) for row in sets_by_hand(softmax(table, 1.7), rule)]
        found = set_sizes(table, 1.7, [rule], PREVALENCE)[0]
        assert np.abs(found - wanted).max() <= 1  # float32: a class on the very edge
        assert (found != wanted).mean() <= 0.05


def test_lac_is_smallest_and_prevalence_fairest() -> None:
    _, _, val = case(6, 4000)
    table, _, test = case(7, 4000)
    rules, report = fit_sets(val, test, (0.9,), PREVALENCE, lambda rules: set_sizes(table, 1.7, rules, PREVALENCE))
    sizes = {method: rows[0]["mean_size"] for method, rows in report.items()}
    macro = {method: rows[0]["macro_coverage"] for method, rows in report.items()}
    assert min(sizes, key=sizes.get) == "lac"
    assert max(macro, key=macro.get) == "prevalence"
    assert all(row[0].level == 0.9 for row in rules.values())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.05, 0.99))
@settings(max_examples=100, deadline=None)
def test_the_quantile_covers_so_many_of_one_more(scores: list[float], level: float) -> None:
    threshold = fit_threshold(np.array(scores), level)
    below = sum(score <= threshold for score in scores)
    assert math.isinf(threshold) or below >= (len(scores) + 1) * level - 1e-9
    assert not math.isinf(threshold) or (len(scores) + 1) * level > len(scores)


def test_coverage_by_hand() -> None:
    found = coverage(np.array([0.1, 0.9, 0.2, 0.3]), np.array([0, 0, 0, 4]), 0.5)
    assert found == {"coverage": 0.75, "macro_coverage": pytest.approx((2 / 3 + 1) / 2)}
