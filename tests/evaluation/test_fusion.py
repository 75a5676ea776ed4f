from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.fusion import by_plant, fuse, pairs_of, plants_of
from aplantida.evaluation.metrics import outcomes_of, summarize
from aplantida.evaluation.report import ScoredSplit, evaluate


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
    table, labels, seen = case()
    plants = plants_of(seen.tolist(), labels)
    fused, species, inside = by_plant(table, labels, plants, 10_000)
    assert len(fused) == plants.num_plants == 200
    assert inside.all()
    one = summarize(outcomes_of(table, labels))["top1"]
    assert summarize(outcomes_of(fused, species))["top1"] > one + 0.1
    for row in (0, 77, 199):
        photos = plants.of_photo == row
        assert len(set(seen[photos])) == 1
        assert set(labels[photos]) == {species[row]}
        np.testing.assert_allclose(fused.logits[row], table.logits[photos].astype(float).mean(axis=0), atol=2e-3)


def test_plants_of_one_photo_are_not_fused_and_no_more_than_asked_for() -> None:
    table, labels, seen = case(601)
    plants = plants_of(seen.tolist(), labels)
    assert len(by_plant(table, labels, plants, 10_000)[0]) == 200
    few, species, inside = by_plant(table, labels, plants, 50)
    assert len(few) == len(species) == 50
    assert inside.sum() == 150
    assert len(set(plants.of_photo[inside])) == 50
    assert plants.of_photo[inside].max() > 150  # not the first ones, whatever they have in common


def test_what_has_no_observation_stands_alone_and_two_species_are_two_plants() -> None:
    seen = [None, "a", "a", None, "a", "", "", "b", "a"]
    found = plants_of(seen, np.array([0, 0, 0, 0, 1, 2, 2, 3, 1]))
    assert found.num_plants == 2
    assert found.of_photo.tolist() == [-1, 0, 0, -1, 1, -1, -1, -1, 1]


@given(st.lists(st.integers(0, 4), max_size=30))
@settings(max_examples=60, deadline=None)
def test_pairs_are_two_photos_of_one_species(labels: list[int]) -> None:
    found = pairs_of(np.array(labels, np.int64))
    sizes = [
        [label for label, of in zip(labels, found.of_photo, strict=True) if of == at] for at in range(found.num_plants)
    ]
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in sizes)
    assert found.num_plants == sum(labels.count(label) // 2 for label in set(labels))


def judged(observations: list[str | None] | None) -> dict[str, Any]:
    """The test figures of 600 photos that the split keeps together by sixes: two plants of a photographer's day."""
    table, labels, seen = case()
    days = np.array([f"day {int(name.split()[1]) // 2}" for name in seen])
    part = ScoredSplit(table, labels, [[]] * 600, [[]] * 600, 600, days, observations=observations)
    classes = ClassIndex.of(PlantClass(class_id=name) for name in table.class_ids)
    limits = {"region_names": [], "frequency_bands": (10,), "max_confusions": 5, "resamples": 100}
    return evaluate(part, part, classes, np.full(8, 9), **limits).metrics["test"]


def test_photos_are_fused_by_observation_and_not_by_what_keeps_them_together_in_the_split() -> None:
    _, _, seen = case()
    found = judged(seen.tolist())["plants"]
    assert (found["by"], found["upper_bound"], found["num_plants"]) == ("observation", False, 200)
    assert (found["fused"]["num_photos"], found["photos"]["num_photos"]) == (200, 600)
    assert found["fused"]["top1"] > found["photos"]["top1"] + 0.1


@pytest.mark.parametrize(
    "observations", [[None] * 600, [f"{at}" for at in range(600)], [f"{max(at, 19)}" for at in range(600)]]
)
def test_without_observations_two_photos_of_a_species_are_said_to_be_an_upper_bound(observations: list[Any]) -> None:
    found = judged(observations)["plants"]
    assert (found["by"], found["upper_bound"]) == ("two photos of one species", True)
    assert found["num_plants"] == found["fused"]["num_photos"] == 8 * (75 // 2)
    assert "plants" not in judged(None)
