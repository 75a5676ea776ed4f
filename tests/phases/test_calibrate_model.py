from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pytest

from aplantida.domain.class_index import ClassIndex, PlantClass, class_index_digest
from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.bounds import lower_bound
from aplantida.evaluation.decide import read_decision
from aplantida.evaluation.decision_file import decision_schema
from aplantida.phases import calibrate_model
from aplantida.phases.calibrate_model import PHASE
from aplantida.phases.evaluate_model import LABELS_SCHEMA
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import make_evaluation, seal

BASE = "configs/calibrate_model.yaml"
UNSURE = {"ship_unsure": True}


def scores(count: int = 4000, scale: float = 3.0) -> tuple[list[int], np.ndarray]:
    draw = np.random.default_rng(8)
    logits = draw.normal(scale=2.5, size=(count, 6))
    labels = (logits + draw.gumbel(size=logits.shape)).argmax(axis=1)
    return labels.tolist(), logits * scale


def calibrate(output: str = "calibration", **values: Any) -> Artifact:
    request = {"inputs": {"evaluation": "evaluation"}, "output": output, **values}
    artifact = execute(PHASE, files=[BASE], values=request).artifact
    assert artifact is not None
    return artifact


def read(artifact: Artifact, name: str) -> dict[str, Any]:
    return json.loads(artifact.file(name).read_text())


def test_an_overconfident_model_is_repaired(root: Path) -> None:
    make_evaluation("evaluation", *scores())
    artifact = calibrate()
    calibration, decision = read(artifact, "calibration.json"), read(artifact, "decision.json")
    assert decision["temperature"] == pytest.approx(3.0, rel=0.1)
    assert calibration["ece"]["after"] < 0.05 < calibration["ece"]["before"]
    assert calibration["nll"]["test"]["after"] < calibration["nll"]["test"]["before"]
    val = calibration["threshold"]["val"]
    assert lower_bound(round(val["precision"] * val["num_accepted"]), val["num_accepted"]) >= 0.9
    assert decision["target_reached"] is True
    assert (
        decision["precision"]
        == calibration["threshold"]["test"]["precision"]
        == pytest.approx(val["precision"], abs=0.035)
    )
    assert decision["coverage"] == calibration["threshold"]["test"]["coverage"]
    bins = calibration["reliability"]["before"]["equal_width"]["bins"]
    assert sum(row["num_photos"] for row in bins) == 2000
    assert calibrate("again").digest == artifact.digest


def test_the_decision_keeps_its_schema_and_every_photo_has_one_outcome(root: Path) -> None:
    make_evaluation("evaluation", *scores())
    artifact = calibrate(min_region_photos=100)
    decision, calibration = read(artifact, "decision.json"), read(artifact, "calibration.json")
    jsonschema.validate(decision, decision_schema())
    assert list(decision["temperatures"]) == ["europe"]
    rules = read_decision(decision)
    assert [rule.level for rule in rules.sets] == [0.9, 0.95]
    outcomes = calibration["rules"]["outcomes"]
    assert sum(row["num_photos"] for row in outcomes.values()) == 2000
    assert sum(calibration["rules"]["rules"].values()) == 2000
    assert outcomes["species"]["precision"] == pytest.approx(decision["precision"])
    assert outcomes["set"]["num_photos"] > 0
    for method, rows in calibration["sets"]["methods"].items():
        for row in rows:
            assert row["resampled"]["resamplings"] == 1000
            assert row["resampled"]["coverage"] == pytest.approx(row["level"], abs=0.02), method
            assert {"macro_coverage", "mean_size"} <= set(row)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**decision, "temperature": 0}, decision_schema())


def test_a_target_out_of_reach_is_flagged(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels, logits = scores(400)
    make_evaluation("evaluation", np.random.default_rng(1).integers(0, 6, len(labels)).tolist(), logits)
    with caplog.at_level("WARNING"):
        artifact = calibrate(gates=UNSURE)
    assert read(artifact, "decision.json")["target_reached"] is False
    assert read(artifact, "calibration.json")["threshold"]["val"]["num_accepted"] >= 20
    assert any("no threshold speaks for" in record.getMessage() for record in caplog.records)


def test_photos_of_one_plant_claim_no_more_than_one_of_them(root: Path) -> None:
    labels, logits = scores(1000)
    make_evaluation("evaluation", np.repeat(labels, 2).tolist(), np.repeat(logits, 2, axis=0))  # two alike a plant
    chosen = read(artifact := calibrate(), "calibration.json")["threshold"]
    count = chosen["val"]["num_accepted"]
    right = round(chosen["val"]["precision"] * count)
    assert chosen["precision_at_least"] == pytest.approx(lower_bound(right / 2, count / 2), abs=0.002)
    assert lower_bound(right, count) > chosen["precision_at_least"] >= 0.9
    assert read(artifact, "decision.json")["target_reached"] is chosen["target_reached"] is True
    assert artifact.metrics["design_effect"] == pytest.approx(2.0, abs=0.1)


def test_perfect_scores_do_not_break_it(root: Path) -> None:
    labels = [at % 6 for at in range(120)]
    make_evaluation("evaluation", labels, np.eye(6)[labels] * 8.0)
    calibration = read(calibrate(gates=UNSURE), "calibration.json")
    assert calibration["temperature_at_bound"] is True
    assert calibration["threshold"]["test"] == {
        "threshold": calibration["threshold"]["val"]["threshold"],
        "precision": 1.0,
        "precision_interval": [pytest.approx(0.94, abs=0.001), pytest.approx(1.0)],
        "coverage": 1.0,
        "num_accepted": 60,
    }


def test_an_evaluation_without_photos_is_a_bad_request(root: Path) -> None:
    make_evaluation("evaluation", [], np.zeros((0, 6)))
    with pytest.raises(BadRequest, match="no scored val photo"):
        calibrate()


def seal_evaluation(classes: ClassIndex, scored: tuple[str, ...], logits: np.ndarray) -> None:
    """An evaluation of ``logits`` (N, C), the same for val and test, over the classes ``scored``."""
    ids = {name: [f"{name}{at:028x}" for at in range(len(logits))] for name in ("test", "val")}
    labels = {
        "image_id": [image_id for some in ids.values() for image_id in some],
        "class_index": np.arange(2 * len(logits)) % len(scored),
        "split": [name for name, some in ids.items() for _ in some],
        "regions": [[]] * (2 * len(logits)),
        "regions_by_country": [[]] * (2 * len(logits)),
        "group": [image_id for some in ids.values() for image_id in some],
        "license_id": ["CC0-1.0"] * (2 * len(logits)),
        "source": [None] * (2 * len(logits)),
        "observation_id": [None] * (2 * len(logits)),
    }

    def fill(output: ArtifactWriter) -> None:
        for name, some in ids.items():
            table = ScoreTable(np.array(some), np.zeros(len(some), np.int16), scored, logits)
            output.write_table(f"scores_{name}.parquet", table.to_arrow())
        output.write_table("labels.parquet", pa.table(labels, LABELS_SCHEMA))
        output.write_json("class_index.json", classes.to_json())
        lines = [f"{class_id},10+,20" for class_id in classes.class_ids]
        output.write_text("per_species.csv", "\n".join(["class_id,frequency_band,train_photos", *lines]) + "\n")

    seal("evaluation", "evaluation", fill)


def test_the_scores_of_many_classes_are_never_in_memory_together(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aplantida.evaluation.calibration.CHUNK_ROWS", 512)
    classes = ClassIndex.of(PlantClass(class_id=f"Genus species{at:04d}") for at in range(2000))
    logits = np.random.default_rng(1).normal(0, 2, (10_000, len(classes))).astype(np.float16)
    seal_evaluation(classes, classes.class_ids, logits)
    usual, counted = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counted)
    tracemalloc.start()
    try:
        calibrate(min_accepted=1, gates=UNSURE)
        peak = tracemalloc.get_traced_memory()[1] + counted.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
    assert peak < 2 * logits.nbytes  # of val and test together


def test_scores_of_other_classes_than_the_index_are_refused(root: Path) -> None:
    classes = ClassIndex.of(PlantClass(class_id=name) for name in ("Acer rubrum", "Bellis perennis"))
    seal_evaluation(classes, classes.class_ids[::-1], np.zeros((4, 2), np.float16))
    digests = (class_index_digest(classes.class_ids[::-1])[:12], classes.digest[:12])
    with pytest.raises(BadRequest, match=f"scores_val.*{digests[0]}.*class_index.json.*{digests[1]}"):
        calibrate()


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([0.9, 0.9000001], "0.9000001 has more than 6 decimals"),
        ([0.95, 0.9, 0.95], "0.95 is there twice"),
        ([0.1015625], "0.1015625 has more than 6 decimals"),
    ],
)
def test_levels_that_answers_would_write_alike_are_refused(root: Path, levels: list[float], said: str) -> None:
    make_evaluation("evaluation", *scores(400))
    with pytest.raises(BadRequest, match=f"sets.levels.*{said}"):
        calibrate(sets={"levels": levels})


def test_no_decision_is_published_that_its_schema_refuses(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_evaluation("evaluation", *scores())
    made = calibrate_model.decision_json
    monkeypatch.setattr(calibrate_model, "decision_json", lambda *args, **more: made(*args, **more) | {"fusion": "max"})
    with pytest.raises(ValueError, match=r"decision\.json: fusion 'max', want const"):
        calibrate()
    assert not list(Path(root).rglob("decision.json"))
