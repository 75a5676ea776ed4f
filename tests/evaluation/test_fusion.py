from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.fusion import by_plant, fuse
from aplantida.evaluation.metrics import outcomes_of, summarize


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    weights = np.exp(logits / temperature - (logits / temperature).max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.5, 3.0))
@settings(max_examples=50, deadline=None)
def test_mean_logits_are_the_mean_of_calibrated_log_probabilities(seed: int, count: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(scale=3, size=(count, 7))
    wanted = np.exp(np.log(softmax(logits, temperature)).mean(axis=0))
    fused, _ = fuse(list(logits))
    np.testing.assert_allclose(softmax(fused.astype(float), temperature), wanted / wanted.sum(), rtol=1e-4)


def test_one_photo_is_itself() -> None:
    logits, features = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert [part.tolist() for part in fuse([logits], [features])] == [[1.0, 2.0], [3.0, 4.0]]
    assert fuse([logits, logits], [features, features])[1].tolist() == pytest.approx([0.6, 0.8])


def case(count: int = 600) -> tuple[ScoreTable, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    plants = np.arange(count) // 3  # three photos each, but for the last plant
    labels = plants % 8
    logits = draw.normal(scale=2.0, size=(count, 8))
    logits[np.arange(count), labels] += 2.0
    order = draw.permutation(count)
    ids = np.array([f"{at:032x}" for at in range(count)])
    table = ScoreTable(ids, np.zeros(count, np.int16), tuple("abcdefgh"), logits[order].astype(np.float16))
    return table, labels[order], np.array([f"plant {at:04d}" for at in plants[order]])


def test_three_photos_tell_more_than_one() -> None:
    table, labels, groups = case()
    fused, species = by_plant(table, labels, groups, 10_000)
    assert len(fused) == 200
    assert fused.image_ids.tolist() == sorted(set(groups.tolist()))
    one = summarize(outcomes_of(table, labels))["top1"]
    assert summarize(outcomes_of(fused, species))["top1"] > one + 0.1
    first = groups == fused.image_ids[0]
    np.testing.assert_allclose(fused.logits[0], table.logits[first].astype(float).mean(axis=0), atol=2e-3)


def test_plants_of_one_photo_are_not_fused_and_no_more_than_asked_for() -> None:
    table, labels, groups = case(601)
    fused, _ = by_plant(table, labels, groups, 10_000)
    assert len(fused) == 200
    assert len(by_plant(table, labels, groups, 50)[0]) == 50


def test_a_plant_of_two_species_is_refused() -> None:
    table, labels, groups = case(6)
    with pytest.raises(ValueError, match="two species"):
        by_plant(table, np.arange(6) % 8, np.array(["one"] * 6), 10)
    assert len(labels) == len(groups)
