"""Jobs submitted to a real Ray head: exit codes, and artifacts that outlive Ray's session."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.distributed.submission import main
from aplantida.pipeline.artifact import open_artifact
from tests.fixtures.artifacts import make_images
from tests.fixtures.ray_head import RayHead

TEACHER = {
    "model": {"name": "mobilenetv2_050", "pretrained": False},
    "training": {"epochs": 1, "batch_size": 8, "warmup_epochs": 0.5, "mixed_precision": "off"},
    "data": {"augmentation": "none", "image_size": 32},
    "regularization": {"mixup_alpha": 0.0, "cutmix_alpha": 0.0},
    "resources": {"device": "cpu", "num_workers": 1, "num_threads": 1, "num_loader_workers": 0},
}


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    head = RayHead()
    yield head
    head.stop()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MONGO_URI", "WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path / "root"))


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A run_pipeline config whose graph has photos (made already), a split and a teacher."""

    def write(name: str, content: dict[str, Any]) -> str:
        path = tmp_path / name
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    teacher = write("teacher.yaml", TEACHER)
    nodes = [
        {"name": "photos", "phase": "fetch_images", "config": ["configs/fetch_images.yaml"]},
        {
            "name": "split",
            "phase": "split_dataset",
            "config": ["configs/split_dataset.yaml"],
            "inputs": {"images": "photos"},
        },
        {
            "name": "teacher",
            "phase": "train_teacher",
            "config": ["configs/train_teacher.yaml", teacher],
            "inputs": {"images": "photos", "split": "split"},
        },
    ]
    pipeline = write("pipeline.yaml", {"nodes": nodes})
    config = {"graph": pipeline, "runs": "runs/submitted", "nodes": ["split", "teacher"], "seed": 5}
    return Path(write("run.yaml", config))


def _unlike(row: dict[str, Any]) -> dict[str, Any]:
    """Photos that no perceptual hash takes for near duplicates."""
    return {**row, "perceptual_hash": hashlib.sha256(row["image_id"].encode()).hexdigest()[:16]}


def _exit_codes(table: str) -> dict[str, int]:
    return {line.split()[0]: int(line.split()[1]) for line in table.splitlines()[1:]}


@pytest.mark.timeout(1200)
def test_a_root_that_is_relative_or_absent_is_a_bad_request(
    head: RayHead, graph: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--config", str(graph), "--address", head.address]
    monkeypatch.setenv("APLANTIDA_ROOT", "runs")
    assert main(command) == 2
    output = capsys.readouterr()
    assert _exit_codes(output.out) == {"split": 2}  # the teacher, which reads the split, is not submitted
    assert "APLANTIDA_ROOT='runs' is relative" in output.err
    monkeypatch.delenv("APLANTIDA_ROOT")
    assert main(command) == 2
    assert "APLANTIDA_ROOT is not set" in capsys.readouterr().err


@pytest.mark.timeout(1200)
def test_last_a_split_and_a_training_worker_leave_their_artifacts_under_the_root(
    head: RayHead, graph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_images("runs/submitted/photos", per_class=10, change=_unlike)
    assert main(["--config", str(graph), "--address", head.address, "--keep-going"]) == 0, capsys.readouterr().err
    assert _exit_codes(capsys.readouterr().out) == {"split": 0, "teacher": 0}
    assert list(head.session_folder.glob("session_*/runtime_resources/working_dir_files/*"))
    head.stop()
    assert not head.session_folder.exists()
    runs = tmp_path / "root" / "runs" / "submitted"
    split = open_artifact(runs / "split", "split")
    teacher = open_artifact(runs / "teacher", "checkpoint")
    assert split.verify() == []
    assert teacher.verify() == []
    assert teacher.config["training"]["epochs"] == 1
    assert teacher.config["seed"] == 5
    assert [item["digest"] for item in teacher.inputs["split"]] == [split.digest]
