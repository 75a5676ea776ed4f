from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aplantida.phases.calibrate_model import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from tests.fixtures.artifacts import make_evaluation

BASE = "configs/calibrate_model.yaml"


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
    assert calibration["threshold"]["val"]["precision"] >= 0.9
    assert decision["target_reached"] is True
    assert decision["precision"] == calibration["threshold"]["test"]["precision"] == pytest.approx(0.9, abs=0.03)
    assert decision["coverage"] == calibration["threshold"]["test"]["coverage"]
    bins = calibration["reliability"]["before"]["equal_width"]["bins"]
    assert sum(row["num_photos"] for row in bins) == 2000
    assert calibrate("again").digest == artifact.digest


def test_a_target_out_of_reach_is_flagged(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels, logits = scores(400)
    make_evaluation("evaluation", np.random.default_rng(1).integers(0, 6, len(labels)).tolist(), logits)
    with caplog.at_level("WARNING"):
        artifact = calibrate()
    decision = read(artifact, "decision.json")
    assert decision["target_reached"] is False
    assert 0.0 <= decision["threshold"] <= 1.0
    assert read(artifact, "calibration.json")["threshold"]["val"]["num_accepted"] >= 20
    assert any("no threshold reaches" in record.getMessage() for record in caplog.records)


def test_perfect_scores_do_not_break_it(root: Path) -> None:
    labels = [at % 6 for at in range(120)]
    make_evaluation("evaluation", labels, np.eye(6)[labels] * 8.0)
    calibration = read(calibrate(), "calibration.json")
    assert calibration["temperature_at_bound"] is True
    assert calibration["threshold"]["test"] == {
        "threshold": calibration["threshold"]["val"]["threshold"],
        "precision": 1.0,
        "coverage": 1.0,
        "num_accepted": 60,
    }


def test_an_evaluation_without_photos_is_a_bad_request(root: Path) -> None:
    make_evaluation("evaluation", [], np.zeros((0, 6)))
    with pytest.raises(BadRequest, match="no scored val photo"):
        calibrate()
