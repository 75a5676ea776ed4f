"""What a user sees of phases that use Ray: nothing but our own lines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aplantida.pipeline.config import CHECKOUT
from tests.fixtures import tiny_artifacts

OURS = re.compile(r"\d\d:\d\d:\d\d [DIWE] aplantida[.\w]*: ")
HERE: dict[str, Any] = {"device": "cpu", "num_threads": 1}
SMALL: dict[str, Any] = {"training": {"epochs": 1, "batch_size": 12}, "data": {"image_size": 32}}
MODEL = {"pretrained": False, "pretrained_license": None}
PHOTOS = {"images": "images", "split": "split"}
REQUESTS: dict[str, dict[str, Any]] = {
    "compute_teacher_logits": {
        "inputs": {**PHOTOS, "checkpoint": "teacher"},
        "views": {"num_views": 2},
        "resources": {**HERE, "num_actors": 1},
    },
    "train_teacher": {
        **SMALL,
        "inputs": PHOTOS,
        "model": {**MODEL, "name": "test_efficientnet"},
        "resources": {**HERE, "num_workers": 1, "num_loader_workers": 0},
    },
    "sweep_distillation": {
        **SMALL,
        "inputs": {**PHOTOS, "soft_labels": "soft"},
        "search": {"num_trials": 1, "metric": "val_loss"},
        "model": {**MODEL, "width": 0.35},
        "resources": {**HERE, "num_loader_workers": 0},
    },
}


@pytest.mark.parametrize(
    "phase",
    ["compute_teacher_logits", *(pytest.param(name, marks=pytest.mark.slow) for name in list(REQUESTS)[1:])],
)
def test_every_line_on_the_console_is_ours(phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    tiny_artifacts.soft_labels(tiny_artifacts.photos(10))
    tiny_artifacts.checkpoint("teacher")
    (tmp_path / "overlay.yaml").write_text(json.dumps({"output": "out", **REQUESTS[phase]}), encoding="utf-8")
    configs = ["--config", f"configs/{phase}.yaml", "--config", str(tmp_path / "overlay.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{phase}", *configs],
        cwd=CHECKOUT,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line for line in lines if not OURS.match(line)] == []
    assert sum("device: " in line for line in lines) >= 1
