from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.answers import answers_of
from aplantida.evaluation.conformal import SetRule
from aplantida.evaluation.decide import Decision, Facts, Gate, decide, facts_of, read_decision, rule_of
from aplantida.evaluation.roll_up import fit_roll_up
from aplantida.evaluation.rule_report import rule_report
from aplantida.evaluation.stranger_scores import StrangerScore
from aplantida.evaluation.taxa import Rank, Taxonomy

CLASSES = ClassIndex.of(
    [
        PlantClass(class_id="Papaver dubium", family="Papaveraceae"),
        PlantClass(class_id="Papaver rhoeas", family="Papaveraceae"),
        PlantClass(class_id="Quercus ilex", family="Fagaceae"),
        PlantClass(class_id="Quercus suber", family="Fagaceae"),
        PlantClass(class_id="Fagus sylvatica", family="Fagaceae"),
        PlantClass(class_id="Rosa canina"),
    ]
)
TAXONOMY = Taxonomy.of(CLASSES)
RULES = Decision(
    temperature=1.0,
    threshold=0.7,
    genus=0.8,
    family=0.85,
    sets=(SetRule("aps", 0.9, 0.7), SetRule("aps", 0.95, 0.9)),
    max_set_size=3,
    plant=Gate(StrangerScore("energy"), -50.0),
    known=Gate(StrangerScore("energy"), -20.0),
)


def photo(**shares: float) -> np.ndarray:
    """Logits of these probabilities; the rest is dealt equally."""
    names = [name.replace(" ", "_") for name in CLASSES.class_ids]
    rest = (1 - sum(shares.values())) / (len(names) - len(shares))
    return np.log([shares.get(name, rest) for name in names])


@pytest.mark.parametrize(
    ("logits", "decision", "rule", "taxon", "size"),
    [
        (photo(Rosa_canina=0.9), "species", "species_threshold", "Rosa canina", None),
        (photo(Papaver_dubium=0.5, Papaver_rhoeas=0.4), "genus", "genus_threshold", "Papaver", None),
        (photo(Quercus_ilex=0.5, Fagus_sylvatica=0.4), "family", "family_threshold", "Fagaceae", None),
        (photo(Rosa_canina=0.5, Papaver_dubium=0.38), "set", "set_0.95", None, 2),
        (np.zeros(6), "unsure", "none", None, None),
        (photo(Rosa_canina=0.9) - 30, "unknown", "known_score", None, None),
        (photo(Rosa_canina=0.9) - 60, "not_a_plant", "plant_score", None, None),
    ],
)
def test_each_rule_says_that_it_decided(
    logits: np.ndarray, decision: str, rule: str, taxon: str | None, size: int | None
) -> None:
    found = decide(logits, CLASSES.class_ids, TAXONOMY, RULES)
    assert (found.decision, found.rule, found.taxon, found.set_size) == (decision, rule, taxon, size)


def test_a_smaller_level_where_the_larger_set_is_too_large() -> None:
    facts = Facts(species=0.3, set_sizes=(3, 6))
    assert rule_of(facts, RULES) == ("set", "set_0.9")
    assert rule_of(Facts(species=0.3, set_sizes=(0, 6)), RULES) == ("unsure", "none")


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_a_family_that_is_known_of_no_class_is_never_named(threshold: float) -> None:
    bare = Taxonomy.of(ClassIndex.of(PlantClass(class_id=name) for name in CLASSES.class_ids))
    rules = Decision(1.0, 2.0, genus=None, family=threshold)
    assert decide(photo(Rosa_canina=0.9), CLASSES.class_ids, bare, rules).decision == "unsure"
    assert decide(photo(Quercus_ilex=0.9), CLASSES.class_ids, TAXONOMY, rules).taxon == "Fagaceae"
    none = Taxonomy(Rank.of([None] * 6), Rank.of([None] * 6))
    assert decide(photo(Rosa_canina=0.9), CLASSES.class_ids, none, replace(rules, genus=threshold)).decision == "unsure"


@pytest.mark.parametrize("score", [float("nan"), float("-inf")])
def test_a_score_that_is_no_number_is_no_plant(score: float) -> None:
    assert rule_of(Facts(species=0.99, plant=score), RULES)[0] == "not_a_plant"


def test_version_1_is_still_read() -> None:
    found = read_decision({"format": "aplantida.decision/1", "temperature": 1.5, "threshold": 0.4})
    assert found == Decision(1.5, 0.4)
    assert decide(np.array([3.0, 0, 0, 0, 0, 0]), CLASSES.class_ids, TAXONOMY, found).decision == "species"
    assert decide(np.zeros(6), CLASSES.class_ids, TAXONOMY, found).decision == "unsure"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"format": "aplantida.decision/9"}, "aplantida.decision/9"),
        ({"format": "aplantida.decision/1", "temperature": 0, "threshold": 0.1}, "temperature 0"),
        ({"format": "aplantida.decision/2", "temperature": 1, "threshold": None}, "threshold None"),
    ],
)
def test_what_cannot_be_meant_is_refused(value: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_decision(value)


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 6.0), st.floats(0.5, 3.0))
@settings(max_examples=60, deadline=None)
def test_one_photo_and_many_are_decided_alike(seed: int, scale: float, temperature: float) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=scale, size=(25, 6)).astype(np.float16)
    table = ScoreTable(np.array(list("a" * 25)), np.zeros(25, np.int16), CLASSES.class_ids, logits)
    rules = Decision(temperature, 0.71, 0.8, 0.85, RULES.sets, 3, None, Gate(StrangerScore("entropy"), -1.2))
    many = [rule_of(facts, rules) for facts in facts_of(answers_of(table, None, temperature, TAXONOMY), rules)]
    one = [decide(row, CLASSES.class_ids, TAXONOMY, rules) for row in logits]
    assert many == [(found.decision, found.rule) for found in one]


def test_sums_over_taxa() -> None:
    draw = np.random.default_rng(1)
    logits = draw.normal(scale=2, size=(50, 6)).astype(np.float16)
    table = ScoreTable(np.array(list("a" * 50)), np.zeros(50, np.int16), CLASSES.class_ids, logits)
    answers = answers_of(table, np.zeros(50, int), 1.0, TAXONOMY)
    shares = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    names = CLASSES.class_ids
    for rank, of_class, best, sums in (
        ("genus", [name.split()[0] for name in names], answers.genera, answers.genus_probabilities),
        ("family", [item.family for item in CLASSES.classes], answers.families, answers.family_probabilities),
    ):
        known = sorted({name for name in of_class if name})
        wanted = np.stack([shares[:, [item == name for item in of_class]].sum(axis=1) for name in known], axis=1)
        np.testing.assert_allclose(sums, wanted.max(axis=1), rtol=1e-5, err_msg=rank)
        assert best.tolist() == wanted.argmax(axis=1).tolist()


def test_roll_up_is_chosen_on_photos_without_a_species_and_reported_on_test() -> None:
    draw = np.random.default_rng(3)
    parts = []
    for _ in range(2):
        labels = draw.integers(0, 6, 1500)
        logits = draw.normal(size=(1500, 6)) * 0.5
        genus = np.array([0, 1, 1, 2, 2, 3])  # sorted names: Fagus, Papaver, Papaver, Quercus, Quercus, Rosa
        logits += 4.0 * (genus[None, :] == genus[labels][:, None])
        table = ScoreTable(
            np.array(["a"] * 1500), np.zeros(1500, np.int16), CLASSES.class_ids, logits.astype(np.float16)
        )
        parts.append(answers_of(table, labels, 1.0, TAXONOMY))
    found = fit_roll_up(*parts, TAXONOMY, 0.7, target_precision=0.9, min_accepted=20, bound=0.9)
    assert found["genus"]["threshold"] is not None
    assert found["genus"]["test"]["precision"] > 0.9
    rules = Decision(1.0, 0.7, found["genus"]["threshold"], found["family"]["threshold"])
    report = rule_report(parts[1], facts_of(parts[1], rules), rules, TAXONOMY)
    assert report["outcomes"]["genus"]["precision"] == found["genus"]["test"]["precision"]
    assert report["outcomes"]["genus"]["num_photos"] == found["genus"]["test"]["num_accepted"]
    assert (
        fit_roll_up(*parts, TAXONOMY, 0.7, target_precision=1.0, min_accepted=20, bound=0.9)["genus"]["threshold"]
        is None
    )


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_genus_of_all_classes_is_named_by_who_chose_its_threshold_and_by_who_decides(size: int) -> None:
    classes = ClassIndex.of(PlantClass(class_id=f"Ophrys s{at}") for at in range(size))
    taxonomy, chosen = Taxonomy.of(classes), 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        labels, temperature = random.integers(0, size, 200), float(random.uniform(0.6, 1.6))
        logits = random.normal(size=(200, size))
        logits[np.arange(200), labels] += random.normal(2, 1, 200)
        ids = np.array([f"{at:032x}" for at in range(200)])
        table = ScoreTable(ids, np.zeros(200, np.int16), classes.class_ids, logits.astype(np.float16))
        answers = answers_of(table, labels, temperature, taxonomy)  # adds float32 numbers up; decide those of float64
        assert answers.genus_probabilities.max() <= 1.0
        limits: dict[str, Any] = {"target_precision": 0.9, "min_accepted": 20, "bound": 0.9}
        fitted = fit_roll_up(answers, answers, taxonomy, 0.9, **limits)
        threshold = fitted["genus"]["threshold"]
        if threshold is None:
            continue
        chosen += 1
        assert threshold < 1.0
        rules = Decision(temperature, 0.9, genus=threshold)
        for row in np.flatnonzero(answers.confidences < 0.8999):
            found = decide(logits[row].astype(np.float16), classes.class_ids, taxonomy, rules)
            assert found.decision == "genus"
            assert found.probability is not None
            assert found.probability <= 1.0
    assert chosen > 5
