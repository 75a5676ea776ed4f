from __future__ import annotations

import numpy as np
import pytest

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
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
    found = prior_report(table, np.array([1, 1, 0]), [["spain"], ["spain"], []], CLASSES, 0.05, 1.0)
    assert found == {
        "spain": {"num_photos": 2, "num_classes": 3, "top1": 0.5, "top1_with_prior": 1.0, "changed": 1},
    }
