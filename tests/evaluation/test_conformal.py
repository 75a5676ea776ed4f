from __future__ import annotations

import math

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
    PENALTY,
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
            "raps": mass + PENALTY * np.maximum(ranks - FREE_RANKS, 0),
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
