from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from aplantida.phases.validate_tfjs import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest, GateFailed
from tests.fixtures.artifacts import make_checkpoint
from tests.fixtures.exported import DATA, make_bundle, measure_student, run_phase

INPUTS = {**DATA, "bundle": "bundle", "checkpoint": "quantized"}


@pytest.fixture(autouse=True)
def root(exported_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(exported_root))
    return exported_root


def validate(output: str, **values: Any) -> Artifact:
    return run_phase(PHASE, output, {**INPUTS, **values.pop("inputs", {})}, num_photos=4, num_warm_runs=2, **values)


def test_four_runtimes_and_the_page_agree() -> None:
    artifact = validate("validation")
    report = json.loads(artifact.file("parity.json").read_text())
    rows = {row["runtime"]: row for row in report["runtimes"]}
    assert list(rows) == ["onnx", "saved_model", "tfjs", "page"]
    assert report["num_golden"] == rows["page"]["num_photos"] == 6
    for name in ("onnx", "saved_model", "tfjs"):
        assert rows[name]["num_photos"] == report["num_photos"] == len(report["image_ids"]) >= 6
        assert 0 < rows[name]["max_logit_difference"] < 1e-4, name
        assert rows[name]["top1_agreement"] == 1.0
    assert rows["page"]["max_probability_difference"] < 0.05
    lines = list(csv.DictReader(artifact.file("parity.csv").read_text().splitlines()))
    assert [line["runtime"] for line in lines] == list(rows)
    assert "| tfjs |" in artifact.file("summary.md").read_text()
    for seconds in (artifact.metrics["cold_seconds"], artifact.metrics["warm_seconds"]):
        assert set(seconds) == {"torch", *rows}
        assert min(seconds.values()) > 0


def test_a_student_that_looks_at_mirror_images_too_agrees_with_itself_everywhere() -> None:
    measure_student("mirrored/", mirrored=True)
    make_bundle("mirrored/bundle", "mirrored/")
    artifact = validate("mirrored/validation", inputs={"bundle": "mirrored/bundle", "checkpoint": "mirrored/quantized"})
    rows = {row["runtime"]: row for row in json.loads(artifact.file("parity.json").read_text())["runtimes"]}
    for name in ("onnx", "saved_model", "tfjs"):
        assert 0 < rows[name]["max_logit_difference"] < 1e-4, name
    assert rows["page"]["max_probability_difference"] < 0.05
    assert all(row["top1_agreement"] == 1.0 for row in rows.values())


def test_beyond_the_bounds_the_gate_closes() -> None:
    with pytest.raises(GateFailed, match="onnx: probabilities differ"):
        validate("strict", gates={"bounds": {"max_probability_difference": 0.0}})


def test_an_altered_bundle_is_refused_before_anything_runs(root: Path) -> None:
    shutil.copytree(root / "bundle", root / "altered")
    weights = root / "altered/model/weights.bin"
    data = bytearray(weights.read_bytes())
    data[100] ^= 1
    weights.write_bytes(data)
    with pytest.raises(GateFailed, match=r"model/weights\.bin"):
        validate("refused", inputs={"bundle": "altered"})


def test_a_bundle_of_another_checkpoint_is_refused() -> None:
    make_checkpoint("stranger", DATA)
    with pytest.raises(BadRequest, match="was not made from"):
        validate("refused_too", inputs={"checkpoint": "stranger"})
