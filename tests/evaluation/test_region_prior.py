from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.answers import answers_of
from aplantida.evaluation.decide import Decision, decide
from aplantida.evaluation.region_prior import place_weights, prior_report, with_prior
from aplantida.evaluation.taxa import Taxonomy

CLASSES = ClassIndex.of(
    [
        PlantClass(class_id="Acer rubrum", distribution=("US", "CA"), regions=()),
        PlantClass(class_id="Bellis perennis", distribution=("ES",), regions=("spain",)),
        PlantClass(class_id="Cistus albidus", distribution=(), regions=("spain",)),
        PlantClass(class_id="Dahlia pinnata"),
    ]
)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def test_weights_of_a_region_of_a_country_and_of_nowhere() -> None:
    assert place_weights(CLASSES, "spain", 0.1).tolist() == [0.1, 1.0, 1.0, 1.0]  # of Dahlia nothing is known
    assert place_weights(CLASSES, "US", 0.1).tolist() == [1.0, 0.1, 0.1, 1.0]
    assert place_weights(CLASSES, "atlantis", 0.1).tolist() == [1.0] * 4


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_probabilities_are_multiplied_and_never_become_nothing(temperature: float) -> None:
    logits, weights = np.array([3.0, 1.0, 0.5, -1.0]), place_weights(CLASSES, "spain", 0.05)
    wanted = softmax(logits / temperature) * weights
    found = softmax(with_prior(logits, weights, temperature) / temperature)
    np.testing.assert_allclose(found, wanted / wanted.sum())
    assert found[0] > 0


def test_a_place_changes_an_unsure_answer_and_its_temperature() -> None:
    logits = np.array([2.0, 1.8, -3.0, -3.0])
    rules = Decision(1.0, 0.7, temperatures=(("spain", 0.5),))
    taxonomy = Taxonomy.of(CLASSES)
    assert decide(logits, CLASSES.class_ids, taxonomy, rules).decision == "unsure"
    found = decide(logits, CLASSES.class_ids, taxonomy, rules, place=("spain", place_weights(CLASSES, "spain", 0.05)))
    assert (found.decision, found.taxon) == ("species", "Bellis perennis")
    wanted = softmax(logits / 0.5) * np.array([0.05, 1, 1, 1])
    assert found.probability == pytest.approx(wanted[1] / wanted.sum())


def test_a_sure_answer_stands_against_a_place() -> None:
    found = decide(
        np.array([9.0, 0.0, 0.0, 0.0]),
        CLASSES.class_ids,
        Taxonomy.of(CLASSES),
        Decision(1.0, 0.7),
        place=("spain", place_weights(CLASSES, "spain", 0.05)),
    )
    assert found.taxon == "Acer rubrum"


def test_what_it_does_is_reported_by_region() -> None:
    logits = np.array([[2.0, 1.8, 0, 0], [1.0, 3.0, 0, 0], [2.0, 1.8, 0, 0]], np.float16)
    table = ScoreTable(np.array(list("abc")), np.zeros(3, np.int16), CLASSES.class_ids, logits)
    found = report(table, np.array([1, 1, 0]), [["spain"], ["spain"], []], Decision(1.0, 0.7, floor=0.05))
    assert set(found) == {"spain"}
    counts = {"num_photos": 2, "num_classes": 3, "temperature": 1.0, "top1": 0.5, "top1_with_prior": 1.0, "changed": 1}
    assert {name: found["spain"][name] for name in counts} == counts


def report(
    table: ScoreTable,
    labels: np.ndarray,
    regions: list[list[str]],
    rules: Decision,
    passed: np.ndarray | None = None,
) -> dict[str, Any]:
    """Of photos that no gate refuses, if nothing else is said."""
    own = dict(rules.temperatures)
    return prior_report(
        table,
        answers_of(table, labels, rules.temperature, Taxonomy.of(CLASSES)),
        regions,
        CLASSES,
        rules.floor,
        temperatures={name: own.get(name, rules.temperature) for row in regions for name in row},
        threshold=rules.threshold,
        passed=np.ones(len(table), np.bool_) if passed is None else passed,
    )


@pytest.mark.parametrize("own", [None, 0.4, 3.0])
def test_the_report_is_of_what_is_decided_at_a_place(own: float | None) -> None:
    random, count = np.random.default_rng(4), 300
    logits = (random.normal(0, 2, (count, 4))).astype(np.float16)
    labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    table = ScoreTable(
        np.array([f"{at:032x}" for at in range(count)]), np.zeros(count, np.int16), CLASSES.class_ids, logits
    )
    rules = Decision(1.3, 0.7, temperatures=(("spain", own),) if own else (), floor=0.05)
    passed = random.random(count) < 0.9
    regions = [["spain"] if at % 3 else [] for at in range(count)]
    found = report(table, labels, regions, rules, passed)["spain"]
    place = ("spain", place_weights(CLASSES, "spain", 0.05))
    for key, where in (("named", None), ("named_with_prior", place)):
        told = [decide(row, CLASSES.class_ids, Taxonomy.of(CLASSES), rules, place=where) for row in logits]
        named = np.array([answer.decision == "species" for answer in told]) & passed & (np.arange(count) % 3 > 0)
        right = np.array([answer.taxon == CLASSES.class_ids[label] for answer, label in zip(told, labels, strict=True)])
        assert found[key]["num_accepted"] == named.sum()
        assert found[key]["coverage"] == pytest.approx(named.sum() / 200)
        assert found[key]["precision"] == pytest.approx(right[named].mean())
    assert found["temperature"] == (own or 1.3)
