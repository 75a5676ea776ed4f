from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, top_k_accuracy_score

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.confusions import confused_pairs, taxonomic_accuracy
from aplantida.evaluation.metrics import outcomes_of, summarize, wilson_interval
from aplantida.evaluation.slices import band_names, by_frequency, by_region, per_species


def table_of(logits: np.ndarray) -> ScoreTable:
    count, size = logits.shape
    ids = np.array([f"{at:032x}" for at in range(count)])
    classes = tuple(f"Genus species{at:02d}" for at in range(size))
    return ScoreTable(ids, np.zeros(count, np.int16), classes, logits.astype(np.float16))


def random_case(count: int = 3000, size: int = 12) -> tuple[ScoreTable, np.ndarray]:
    draw = np.random.default_rng(3)
    labels = draw.integers(0, size, count)
    logits = draw.normal(size=(count, size))
    logits[np.arange(count), labels] += 1.5
    return table_of(logits), labels


def test_accuracies_agree_with_scikit_learn_over_several_chunks() -> None:
    table, labels = random_case()
    got = summarize(outcomes_of(table, labels))
    scores = table.logits.astype(np.float64)
    for k in (1, 5):
        assert got[f"top{k}"] == pytest.approx(top_k_accuracy_score(labels, scores, k=k), abs=2e-3)
    assert got["macro_top1"] == pytest.approx(recall_score(labels, scores.argmax(axis=1), average="macro"))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert got["nll"] == pytest.approx(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
    assert got["num_photos"] == 3000
    assert got["num_species"] == 12


def test_equal_logits_are_ordered_by_class_position() -> None:
    outcomes = outcomes_of(table_of(np.zeros((3, 4))), np.array([0, 1, 3]))
    assert outcomes.ranks.tolist() == [0, 1, 3]
    assert outcomes.predictions.tolist() == [0, 0, 0]
    assert outcomes.losses == pytest.approx([math.log(4)] * 3)


def test_macro_weighs_species_not_photos() -> None:
    logits = np.zeros((4, 3))
    logits[[0, 1, 2, 3], [0, 0, 0, 0]] = 5.0
    got = summarize(outcomes_of(table_of(logits), np.array([0, 0, 0, 2])))
    assert got["top1"] == 0.75
    assert got["macro_top1"] == 0.5
    assert got["num_species"] == 2


def test_no_photo_gives_no_figure() -> None:
    got = summarize(outcomes_of(table_of(np.zeros((0, 3))), np.zeros(0, int)))
    assert got["num_photos"] == 0
    assert got["top1"] is None
    assert got["top1_interval"] is None


@pytest.mark.parametrize(
    ("labels", "message"), [([0], "2 scored photos"), ([0, 3], "labels span 0..3"), ([-1, 0], "labels span -1..0")]
)
def test_labels_that_do_not_fit_are_refused(labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outcomes_of(table_of(np.zeros((2, 3))), np.array(labels))


def test_scores_that_are_not_finite_name_the_photo() -> None:
    logits = np.zeros((2, 3))
    logits[1, 2] = np.inf
    with pytest.raises(ValueError, match=f"photo {1:032x}"):
        outcomes_of(table_of(logits), np.array([0, 0]))


def test_wilson_interval() -> None:
    low, high = wilson_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


def test_regions_are_reported_by_country_and_by_distribution() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]] * 4.0
    outcomes = outcomes_of(table_of(logits), np.array([0, 1, 2, 1]))
    regions = [["spain"], ["spain"], [], ["europe", "spain"]]
    report = by_region(outcomes, regions, [["spain"], [], [], ["europe"]], ["europe", "spain", "moon"])
    assert report["spain"]["num_photos"] == 3
    assert report["spain"]["top1"] == pytest.approx(2 / 3)
    assert report["spain"]["by_country"]["top1"] == 1.0
    assert report["spain"]["by_distribution"]["num_photos"] == 2
    assert report["spain"]["by_distribution"]["top1"] == 0.5
    assert report["europe"]["by_country"]["top1"] == 0.0
    assert report["moon"]["num_photos"] == 0


def test_frequency_bands() -> None:
    assert band_names([10, 50]) == ["0-9", "10-49", "50+"]
    with pytest.raises(ValueError, match="rising"):
        band_names([10, 10])
    logits = np.eye(3)[[0, 1, 2, 0]] * 4.0
    outcomes = outcomes_of(table_of(logits), np.array([0, 1, 2, 1]))
    report = by_frequency(outcomes, np.array([9, 10, 50]), [10, 50])
    assert {name: (row["num_photos"], row["top1"]) for name, row in report.items()} == {
        "0-9": (1, 1.0),
        "10-49": (2, 0.5),
        "50+": (1, 1.0),
    }


CLASSES = ClassIndex.of(
    [
        PlantClass(class_id="Papaver dubium", family="Papaveraceae"),
        PlantClass(class_id="Papaver rhoeas", family="Papaveraceae"),
        PlantClass(class_id="Quercus ilex", family="Fagaceae"),
        PlantClass(class_id="Rosa canina"),
    ]
)


def test_species_rows_agree_with_scikit_learn() -> None:
    table, labels = random_case(size=4)
    outcomes = outcomes_of(table, labels)
    rows = per_species(outcomes, CLASSES, np.array([0, 10, 20, 60]), [10, 50])
    for column, score in (("precision", precision_score), ("top1", recall_score), ("f1", f1_score)):
        want = score(labels, outcomes.predictions, average=None)
        assert [row[column] for row in rows] == pytest.approx(list(want), abs=1e-6)
    assert [row["frequency_band"] for row in rows] == ["0-9", "10-49", "10-49", "50+"]
    assert sum(row["times_predicted"] for row in rows) == len(labels)


def test_a_species_without_photos_has_empty_figures() -> None:
    rows = per_species(outcomes_of(table_of(np.eye(4)[[0]]), np.array([0])), CLASSES, np.zeros(4, int), [10])
    assert rows[0]["top1"] == 1.0
    assert rows[3]["top1"] == rows[3]["precision"] == rows[3]["f1"] == ""


def test_confused_pairs_with_genus_and_family() -> None:
    labels = np.array([0, 0, 0, 1, 2, 3, 2])
    predictions = [1, 1, 0, 2, 2, 0, 3]
    outcomes = outcomes_of(table_of(np.eye(4)[predictions]), labels)
    rows = confused_pairs(outcomes, CLASSES, limit=3)
    assert [(row["true"], row["predicted"], row["count"]) for row in rows] == [
        ("Papaver dubium", "Papaver rhoeas", 2),
        ("Papaver rhoeas", "Quercus ilex", 1),
        ("Quercus ilex", "Rosa canina", 1),
    ]
    assert rows[0]["share"] == pytest.approx(2 / 3, abs=1e-6)
    assert [(row["same_genus"], row["same_family"]) for row in rows] == [(True, True), (False, False), (False, False)]
    taxonomy = taxonomic_accuracy(outcomes, CLASSES)
    assert taxonomy["genus_top1"] == pytest.approx(4 / 7)
    assert taxonomy["family_top1"] == pytest.approx(4 / 6)  # the rose's family is unknown
    assert taxonomy["num_photos_with_family"] == 6


def test_an_empty_family_is_an_unknown_one() -> None:
    classes = ClassIndex.of(PlantClass(class_id=f"Genus species{at:02d}", family="", genus="") for at in range(3))
    outcomes = outcomes_of(table_of(np.eye(3)[[1, 1, 0]]), np.array([0, 1, 2]))
    assert taxonomic_accuracy(outcomes, classes)["num_photos_with_family"] == 0
    assert taxonomic_accuracy(outcomes, classes)["genus_top1"] == 1.0  # of its name
    assert [row["same_family"] for row in confused_pairs(outcomes, classes, limit=3)] == [False, False]
