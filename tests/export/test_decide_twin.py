"""decide.ts against evaluation/decide.py: the same answer by the same rule for the same outputs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from aplantida.domain.class_index import ClassIndex
from aplantida.evaluation.decide import decide, read_decision
from aplantida.evaluation.decision_file import decision_schema
from aplantida.evaluation.fusion import fuse
from aplantida.evaluation.region_prior import place_weights
from aplantida.evaluation.stranger_scores import StrangerScore
from aplantida.evaluation.taxa import Taxonomy
from aplantida.export.node import NodeClassifier, NodeError
from tests.fixtures.bundle import write_bundle, write_manifest
from tests.fixtures.photos import draw

SIZE, WIDTH = 30, 16
GENERA = ("Abies", "Acer", "Cistus", "Papaver", "Quercus", "Rosa")


def decision(
    method: str, plant: dict[str, Any] | None, known: dict[str, Any] | None, penalty: float = 0.01
) -> dict[str, Any]:
    levels = [{"level": 0.9, "threshold": 0.8}, {"level": 0.95, "threshold": 0.93}]
    value = {
        "format": "aplantida.decision/2",
        "temperature": 1.7,
        "threshold": 0.6,
        **{
            "target_precision": 0.9,
            "target_reached": True,
            "precision": 0.93,
            "coverage": 0.8,
            "temperatures": {"EU_SW": 1.2},
        },
        "roll_up": {"genus": {"threshold": 0.62, "precision": 0.9}, "family": {"threshold": 0.7, "precision": None}},
        "sets": {"method": method, "penalty": penalty, "max_size": 5, "levels": levels},
        "strangers": {"plant": plant, "known": known},
        "region_prior": {"floor": 0.05},
        "fusion": "mean_log_probability",
    }
    jsonschema.validate(value, decision_schema())
    return value


def head(random: np.random.Generator) -> dict[str, Any]:
    weights = random.normal(size=WIDTH + 3).astype(np.float32)
    weights[WIDTH + 1] = 0.1  # of the energy, which would outweigh all else
    return {**StrangerScore("head", weights, 0.3).to_json(), "threshold": 0.0}


def centers(random: np.random.Generator) -> dict[str, Any]:
    values = random.integers(-127, 128, (5, WIDTH)).astype(np.int8)
    scales = (1 / np.linalg.norm(values.astype(float), axis=1)).astype(np.float32)
    return {**StrangerScore("nearest_center", centers=values, scales=scales).to_json(), "threshold": 0.15}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = write_bundle(tmp_path_factory.mktemp("twin") / "bundle", num_classes=SIZE)
    index = json.loads((bundle / "classes.json").read_text())
    for at, item in enumerate(index["classes"]):
        item["genus"] = GENERA[at % 6] if at % 3 else None
        item["regions"] = [["EU_SW"], [], ["europe"], []][at % 4]
        item["distribution"] = [[], ["ES"], ["FR", "ES"], []][at % 4]
        item["family"] = (None, "Rosaceae", "Fagaceae", "Pinaceae")[at % 4]
    (bundle / "classes.json").write_text(json.dumps(index))
    return bundle


def outputs(random: np.random.Generator, taxonomy: Taxonomy) -> tuple[np.ndarray, np.ndarray]:
    """Sure of a species, a genus, a family, a few species, or of nothing."""
    logits = random.normal(scale=random.choice([0.3, 1.0, 3.0]), size=SIZE)
    kind = random.integers(5)
    if kind == 0:
        logits[random.integers(SIZE)] += 9
    elif kind in (1, 2):
        rank = taxonomy.genus if kind == 1 else taxonomy.family
        logits += 8.0 * (rank.of_class == random.integers(len(rank.names)))
    elif kind == 3:
        logits[random.choice(SIZE, 3, replace=False)] += 9
    return logits.astype(np.float32), random.normal(size=WIDTH).astype(np.float32)


@pytest.mark.parametrize(("method", "penalty"), [("lac", 0.01), ("aps", 0.01), ("raps", 0.01), ("raps", 0.15)])
def test_the_same_answer_by_the_same_rule(folder: Path, method: str, penalty: float) -> None:
    random = np.random.default_rng(8)
    plain = {"score": {"lac": "max_softmax", "aps": "energy", "raps": "entropy"}[method], "threshold": -1e9}
    known = {"lac": centers(random), "aps": plain, "raps": plain | {"threshold": -1.75}}[method]
    value = decision(method, head(random), known, penalty)
    (folder / "decision.json").write_text(json.dumps(value))
    write_manifest(folder)
    classes = ClassIndex.load(folder / "classes.json")
    taxonomy, rules, seen = Taxonomy.of(classes), read_decision(value), Counter[str]()
    with NodeClassifier(folder) as node:
        for _ in range(250):
            photos = [outputs(random, taxonomy) for _ in range(random.integers(1, 4))]
            logits, features = fuse([photo[0] for photo in photos], [photo[1] for photo in photos])
            place = random.choice(["", "EU_SW", "ES", "FR"])
            where = (place, place_weights(classes, place, rules.floor)) if place else None
            wanted = decide(logits, classes.class_ids, taxonomy, rules, features, where)
            found = node.decide(photos, place=str(place) or None)
            seen[found["rule"]] += 1
            assert (found["decision"], found["rule"]) == (wanted.decision, wanted.rule)
            assert (found["taxon"], found["set_size"]) == (wanted.taxon, wanted.set_size)
            if wanted.probability is not None:
                assert found["probability"] == pytest.approx(wanted.probability, abs=1e-12)
    assert {"plant_score", "species_threshold", "genus_threshold", "family_threshold"} <= set(seen)
    assert any(rule.startswith("set_") for rule in seen)
    assert seen["none"] > 0 or method != "aps"
    if method != "aps":
        assert seen["known_score"] > 0


def test_a_photo_is_asked_about_its_features_too(folder: Path) -> None:
    pixels = draw(120, 100, 2)
    never = {"score": "energy", "threshold": 1e9}
    for plant, known, wanted in ((never, None, "not_a_plant"), (None, never, "unknown")):
        (folder / "decision.json").write_text(json.dumps(decision("lac", plant, known)))
        write_manifest(folder)
        with NodeClassifier(folder) as node:
            found = node.classify(pixels)
            assert found["decision"] == wanted
            assert node.decide([node.outputs(pixels)]) == found
            assert node.outputs(pixels)[0].tolist() == node.logits(pixels).tolist()


def test_features_of_another_width_are_refused(folder: Path) -> None:
    value = decision("lac", head(np.random.default_rng(1)), None)
    (folder / "decision.json").write_text(json.dumps(value))
    write_manifest(folder)
    with NodeClassifier(folder) as node, pytest.raises(NodeError, match="head of 16 features, the model gives 3"):
        node.decide([(np.zeros(SIZE, np.float32), np.zeros(3, np.float32))])


@pytest.mark.parametrize("k", [1, 5, 10, 31, 32, 250])
def test_the_likeliest_of_many_come_first_and_ties_in_class_order(tmp_path: Path, k: int) -> None:
    random = np.random.default_rng(k)
    none = np.zeros(0, np.float32)
    with NodeClassifier(write_bundle(tmp_path / "bundle", num_classes=250)) as node:
        for _ in range(30):
            logits = random.integers(0, random.integers(2, 40), 250).astype(np.float32)
            top = node.decide([(logits, none)], k)["top"]
            order = np.argsort(-logits, kind="stable")[:k]
            assert [item["scientific_name"] for item in top] == [node.info.class_ids[at] for at in order]


@pytest.mark.parametrize("size", [2, 3, 7, 24])
def test_sums_of_all_probabilities_are_1_and_reach_the_highest_threshold(tmp_path: Path, size: int) -> None:
    folder, none = write_bundle(tmp_path / "bundle", num_classes=size), np.zeros(0, np.float32)
    index = json.loads((folder / "classes.json").read_text())
    for item in index["classes"]:
        item["genus"] = "Ophrys"
    (folder / "classes.json").write_text(json.dumps(index))
    value = decision("aps", None, None) | {"temperature": 0.87, "threshold": 0.999999}
    value["roll_up"]["genus"]["threshold"] = 0.999999
    (folder / "decision.json").write_text(json.dumps(value))
    write_manifest(folder)
    classes, random = ClassIndex.load(folder / "classes.json"), np.random.default_rng(size)
    taxonomy, rules = Taxonomy.of(classes), read_decision(value)
    with NodeClassifier(folder) as node:
        for _ in range(100):
            logits = random.normal(0, 2, size).astype(np.float32)
            found, wanted = node.decide([(logits, none)]), decide(logits, classes.class_ids, taxonomy, rules)
            assert (found["decision"], wanted.decision) == ("genus", "genus")
            assert max(found["probability"], wanted.probability or 0.0) <= 1.0


def test_probabilities_too_small_to_tell_are_ordered_by_their_logits(tmp_path: Path) -> None:
    folder, none = write_bundle(tmp_path / "bundle", num_classes=250), np.zeros(0, np.float32)
    (folder / "decision.json").write_text(json.dumps(decision("lac", None, None) | {"temperature": 0.05}))
    write_manifest(folder)
    random = np.random.default_rng(1)
    with NodeClassifier(folder) as node:
        for k in (5, 40):
            logits = random.normal(0, 400, 250).astype(np.float32)
            top = node.decide([(logits, none)], k)["top"]
            assert top[-1]["probability"] == 0.0
            order = np.argsort(-logits, kind="stable")[:k]
            assert [item["scientific_name"] for item in top] == [node.info.class_ids[at] for at in order]
