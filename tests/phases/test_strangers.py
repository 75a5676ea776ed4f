"""Strangers from the split to the decision: set aside, scored, and chosen by."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.scores import ScoreTable
from aplantida.domain.split import STRANGER_SCHEMA
from aplantida.domain.stored_scores import StoredFeatures
from aplantida.evaluation.decide import read_decision
from aplantida.evaluation.decision_file import decision_schema
from aplantida.evaluation.non_plants import non_plants
from aplantida.phases import calibrate_model, evaluate_model, split_dataset
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from tests.fixtures.artifacts import CLASSES, make_checkpoint, make_images, photo_row

KNOWN = CLASSES.class_ids


def make(phase: Any, output: str, **values: Any) -> Artifact:
    base = [f"configs/{phase.name}.yaml"]
    artifact = execute(phase, files=base, values={"output": output, **values}).artifact
    assert artifact is not None
    return artifact


def split(output: str = "split", **values: Any) -> Artifact:
    near = {"near_distance": 0, "review": {"distance": None}}
    return make(split_dataset.PHASE, output, inputs={"images": "images"}, **near, **values)


def strangers_of(artifact: Artifact) -> list[dict[str, Any]]:
    table = pq.read_table(artifact.file("strangers.parquet"))
    assert table.schema == STRANGER_SCHEMA
    return table.to_pylist()


@pytest.fixture
def images(root: Path) -> Artifact:
    """Six species of twelve photos; two of the first are said to be of species with one photo each."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        rare = {photo_row(0, 0)["image_id"]: "Zea rara", photo_row(0, 1)["image_id"]: "Zea sola"}
        return {**row, "scientific_name": rare.get(row["image_id"], row["scientific_name"])}

    return make_images("images", per_class=12, change=change)


def test_nobody_is_a_stranger_unless_asked_for(images: Artifact) -> None:
    assert "strangers.parquet" not in split().files


def test_species_with_too_few_photos_are_kept_as_strangers(images: Artifact) -> None:
    artifact = split(keep_strangers=True)
    rows = strangers_of(artifact)
    assert {row["scientific_name"]: row["part"] for row in rows}.keys() == {"Zea rara", "Zea sola"}
    assert {row["part"] for row in rows} == {"val", "test"}
    assert {(row["split"], row["why"]) for row in rows} == {("stranger", "too_few_images")}
    assert set(ClassIndex.load(artifact.file("class_index.json")).class_ids) == set(KNOWN)
    plain = split("plain")
    assert artifact.files["split.parquet"].sha256 == plain.files["split.parquet"].sha256


def test_the_collections_file_says_which_species_are_too_small_and_that_they_are_kept(
    images: Artifact, root: Path
) -> None:
    everything = {*KNOWN, "Zea rara", "Zea sola"}
    for least, wanted in ((1, everything), (2, set(KNOWN)), (12, set(KNOWN[1:]))):
        file = root / f"collection-{least}.yaml"
        file.write_text(f"min_images_per_species: {least}\nkeep_strangers: true\n")
        artifact = split(f"least-{least}", collection=str(file))
        assert set(ClassIndex.load(artifact.file("class_index.json")).class_ids) == wanted
        assert {row["scientific_name"] for row in strangers_of(artifact)} == everything - wanted


def test_species_are_held_out_by_hash_and_are_no_classes(images: Artifact) -> None:
    two, three = split("two", hold_out_species=2), split("three", hold_out_species=3)
    out = [Counter(row["scientific_name"] for row in strangers_of(artifact)) for artifact in (two, three)]
    assert set(out[0]) < set(out[1]) < set(KNOWN)
    assert set(ClassIndex.load(two.file("class_index.json")).class_ids) == set(KNOWN) - set(out[0])
    excluded = Counter(pq.read_table(two.file("excluded.parquet"))["reason"].to_pylist())
    assert excluded["held_out_species"] == sum(out[0].values())
    other = split("other", hold_out_species=2, seed=7)
    assert json.loads(two.file("summary.json").read_text())["strangers"] == sum(out[0].values())
    assert {row["image_id"] for row in strangers_of(other)}.isdisjoint(
        pq.read_table(other.file("split.parquet"))["image_id"].to_pylist()
    )


def test_not_all_species_can_be_held_out(images: Artifact) -> None:
    with pytest.raises(BadRequest, match="hold_out_species: 6 of 6"):
        split(hold_out_species=6)


def test_a_model_is_asked_about_strangers_and_pictures_and_decides_by_them(
    images: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = split(hold_out_species=2, val_fraction=0.3, test_fraction=0.3)
    classes = ClassIndex.load(artifact.file("class_index.json"))
    make_checkpoint("model", {"images": "images", "split": "split"}, classes)
    values = {"inputs": {"images": "images", "split": "split", "checkpoint": "model"}, "num_non_plants": 87}
    evaluation = make(evaluate_model.PHASE, "evaluation", resources={"num_threads": 1}, **values)
    rows = pq.read_table(evaluation.file("strangers.parquet")).to_pylist()
    assert Counter(row["kind"] for row in rows) == {
        "stranger": len(strangers_of(artifact)),
        "non_plant": len(list(non_plants(87))),
    }
    assert {row["group"] for row in rows if row["kind"] == "stranger"}.isdisjoint(classes.class_ids)
    scores = ScoreTable.from_arrow(pq.read_table(evaluation.file("scores_strangers.parquet")))
    assert scores.image_ids.tolist() == [row["image_id"] for row in rows]
    assert np.isfinite(scores.logits).all()
    assert len(StoredFeatures(evaluation.file("features_strangers.parquet"))) == len(rows)

    # an untrained model's temperature runs to its bound; what is looked at here are the gates for strangers
    monkeypatch.setattr(calibrate_model, "shortfalls", lambda config, metrics: [])
    monkeypatch.setattr("aplantida.phases._calibration_gates.shortfalls", lambda config, metrics: [])
    calibration = make(calibrate_model.PHASE, "calibration", inputs={"evaluation": "evaluation"}, min_accepted=3)
    decision = json.loads(calibration.file("decision.json").read_text())
    jsonschema.validate(decision, decision_schema())
    report = json.loads(calibration.file("calibration.json").read_text())["strangers"]
    gate = read_decision(decision).plant
    assert gate is not None
    assert report["plant"]["test"]["num_strangers"] == 30
    assert {row["score"] for row in report["plant"]["scores"]} >= {"head", "energy", "knn", "mahalanobis"}
    assert report["known"]["reason"] == "too few strangers"  # one species each
    assert report["known"]["num_val"] + report["known"]["num_test"] == len(strangers_of(artifact))
    assert decision["strangers"]["known"] is None
