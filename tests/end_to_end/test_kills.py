"""kill -9 in the middle of a phase, of its driver alone or of everything it started, Ray's processes included.

Run again it finishes, does not do again what was done, and ends in the digest of a run that nobody killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.demo.cdn import serve_folder
from aplantida.domain.record import REJECTION_SCHEMA
from aplantida.pipeline.artifact import MANIFEST, PROGRESS, open_artifact
from aplantida.pipeline.config import CHECKOUT
from tests.fixtures.artifacts import drawn_jpeg, make_checkpoint, make_images, make_split, seal
from tests.fixtures.entries import records_of_urls
from tests.fixtures.processes import kill

PATIENCE_SECONDS = 240.0
NUM_PHOTOS = 60


@dataclass(frozen=True)
class Case:
    """A phase to kill: its config over the phase's own, and when it is in the middle of its work."""

    phase: str
    config: dict[str, Any]
    in_the_middle: Callable[[Path], bool]


def units_done(path: Path) -> int:
    ledger = path / PROGRESS / "ledger.jsonl"
    return ledger.read_text().count('"unit"') if ledger.exists() else 0


def a_unit_is_done(path: Path) -> bool:
    return units_done(path) >= 1


def a_checkpoint_is_there(path: Path) -> bool:
    return any((path / PROGRESS / "scratch").rglob("*.pt"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """Small real inputs, and a CDN that takes its time."""
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch, serve_folder(_photos(root)) as cdn:
        patch.setenv("APLANTIDA_ROOT", str(root))
        patch.delenv("RAY_ADDRESS", raising=False)
        _slow_down(cdn)
        seal("records", "records", lambda output: _write_records(output, cdn))
        make_images("images", 40)
        make_split("split", "images", 40)
        make_checkpoint("teacher", {"images": "images", "split": "split"})
        patch.chdir(root)
        cases = {case.phase: case for case in _cases(cdn)}
        _run("compute_teacher_logits", cases, root, "logits", {"views": {"num_views": 2}})
        _run("combine_teacher_logits", cases, root, "soft_labels", {})
        yield cases


def _photos(root: Path) -> Path:
    folder = root / "cdn"
    folder.mkdir()
    for number in range(NUM_PHOTOS):
        (folder / f"{number}.jpg").write_bytes(drawn_jpeg(number % 4, number, side=160))
    return folder


def _slow_down(cdn: str) -> None:
    import urllib.request

    faults = {f"/{number}.jpg": {"delay_seconds": 0.4} for number in range(NUM_PHOTOS)}
    request = urllib.request.Request(f"{cdn}/__faults", json.dumps(faults).encode(), method="PUT")
    with urllib.request.urlopen(request):
        pass


def _write_records(output: Any, cdn: str) -> None:
    table = records_of_urls(f"{cdn}/{number}.jpg" for number in range(NUM_PHOTOS))
    output.write_table("records.parquet", table)
    output.write_table("rejections.parquet", REJECTION_SCHEMA.empty_table())


def _cases(cdn: str) -> list[Case]:
    student = {
        "model": {"name": "mobilenetv2", "width": 0.35, "pretrained": False},
        "data": {"image_size": 32, "augmentation": "light"},
        "regularization": {"mixup_alpha": 0.0, "cutmix_alpha": 0.0},
    }
    training = {"epochs": 6, "batch_size": 8, "warmup_epochs": 1, "mixed_precision": "off"}
    both = {"images": "images", "split": "split"}
    bare = {"device": "cpu", "num_threads": 1}
    fetch = {
        "inputs": {"records": "records"},
        "num_shards": 6,
        "short_side_pixels": 96,
        "allow_addresses": [cdn.removeprefix("http://")],
        "resources": {"num_actors": 1, "concurrency": 2, "concurrency_per_host": 2},
    }
    teacher = {
        **student,
        "inputs": both,
        "training": training,
        "callbacks": {"early_stopping": False, "save_checkpoint_every_steps": 2},
        "resources": {**bare, "num_workers": 1, "num_loader_workers": 0},
    }
    teacher["model"] = {"name": "mobilenetv2_050", "pretrained": False}
    logits = {"inputs": {**both, "checkpoint": "teacher"}, "views": {"num_views": 120}, "resources": bare}
    combine = {"inputs": {"split": "split", "teacher_logits": ["logits"]}, "teachers": []}
    sweep = {
        "inputs": {**both, "soft_labels": "soft_labels"},
        "search": {"num_trials": 4, "scheduler": "none"},
        "training": {**training, "epochs": 2},
        "resources": bare,
        **student,
    }
    return [
        Case("fetch_images", fetch, a_unit_is_done),
        Case("train_teacher", teacher, a_checkpoint_is_there),
        Case("compute_teacher_logits", logits, a_unit_is_done),
        Case("combine_teacher_logits", combine, a_unit_is_done),
        Case("sweep_distillation", sweep, a_unit_is_done),
    ]


def _command(case: Case, folder: Path, output: str, over: dict[str, Any]) -> list[str]:
    config = folder / f"{output.replace('/', '-')}.yaml"
    config.write_text(yaml.safe_dump({**case.config, **over}), encoding="utf-8")
    job = [sys.executable, "-m", f"jobs.{case.phase}", "--config", f"configs/{case.phase}.yaml"]
    return [*job, "--config", str(config), "--output", output]


def _run(phase: str, cases: dict[str, Case], folder: Path, output: str, over: dict[str, Any]) -> None:
    subprocess.run(_command(cases[phase], folder, output, over), check=True, cwd=CHECKOUT)


def _published(path: Path) -> dict[str, int]:
    """Result files of finished units and when they were written; a training has no units, but checkpoints."""
    ledger = path / PROGRESS / "ledger.jsonl"
    if not ledger.exists():
        return {}
    rows = [json.loads(line) for line in ledger.read_text().splitlines() if line[-1] == "}"]
    names = [item["name"] for row in rows if "unit" in row for item in row["files"]]
    return {name: (path / name).stat().st_mtime_ns for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("everything", [False, True], ids=["driver", "everything"])
@pytest.mark.parametrize("phase", ["fetch_images", "train_teacher", "compute_teacher_logits", "sweep_distillation"])
def test_killed_in_the_middle_and_run_again(
    world: dict[str, Case], phase: str, everything: bool, tmp_path: Path
) -> None:
    case, root = world[phase], Path(os.environ["APLANTIDA_ROOT"])
    if not (root / "whole" / phase / MANIFEST).exists():
        _run(phase, world, tmp_path, f"whole/{phase}", {})
    output = f"killed/{phase}-{everything}"
    path = root / output
    command = _command(case, tmp_path, output, {})
    driver = subprocess.Popen(command, cwd=CHECKOUT)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not case.in_the_middle(path):
        assert driver.poll() is None, "it ended before it was in the middle"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kill(driver, everything)
    assert not (path / MANIFEST).exists()
    before = _published(path)
    subprocess.run(command, check=True, cwd=CHECKOUT)
    made, whole = open_artifact(path), open_artifact(root / "whole" / phase)
    assert made.digest == whole.digest
    assert len(made.manifest["sessions"]) == 2
    assert {name: (path / name).stat().st_mtime_ns for name in before} == before
