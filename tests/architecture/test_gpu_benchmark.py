"""`python -m benchmarks.gpu` travels to machines that have torch and little else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from aplantida.phases._verifying import VerifySection
from aplantida.pipeline.config import CHECKOUT
from benchmarks import gpu
from benchmarks.card import steps, survival
from benchmarks.card.scoring import BOUNDS
from benchmarks.card.sizes import Network, Sizes
from benchmarks.report import Row

RULE = "---|---:|---:|---|---:|---:|---"

PARTS = ("scoring", "steps", "loading", "held", "survival")
ELSEWHERE = """
import importlib, sys
sys.modules.update(dict.fromkeys({missing!r}))  # None: there is no such module
import benchmarks.gpu
for part in {parts!r}:
    importlib.import_module(f"benchmarks.card.{{part}}")
"""
# of pyproject.toml, what neither torch, timm, numpy, simplejpeg, opencv, pyarrow and pydantic are nor bring
MISSING = (
    *("ray", "optuna", "pymongo", "aiohttp", "imagehash", "duckdb", "nameparser", "tensorboard", "tensorboardX"),
    *("sklearn", "matplotlib", "onnx", "onnxruntime", "onnxscript", "onnx2tf", "tensorflow", "tensorflowjs", "psutil"),
    *("webdataset", "scipy", "pandas"),
)


def test_its_parts_need_no_more_than_a_machine_for_training_has() -> None:
    code = ELSEWHERE.format(missing=MISSING, parts=PARTS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr[-2000:]


def test_each_part_is_printed_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever ends it early has what was measured till then, in one table."""
    done, printed = list[str](), list[str]()

    def rows(part: str, _folder: Path) -> list[Row]:
        printed.append(capsys.readouterr().out)
        assert all(f"| {earlier} |" in "".join(printed) for earlier in done)
        done.append(part)
        if part == "memory":
            raise RuntimeError("no card")
        return [Row(part, 1.0, 2.0, "s", 2.0)]

    monkeypatch.setattr(gpu, "_rows", rows)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    gpu.main()
    lines = ("".join(printed) + capsys.readouterr().out).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines] == ["what", RULE, *done]
    assert tuple(done) == gpu.PARTS
    assert "failed: RuntimeError: no card" in lines[2 + done.index("memory")]


def test_the_bare_step_is_free_to_choose_its_algorithms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training that ran before it has told all of the process to repeat itself, which is slower."""
    seen: list[bool] = []

    def loss(*given: Any, **more: Any) -> torch.Tensor:
        seen.append(torch.backends.cudnn.deterministic)
        return cross_entropy(*given, **more)

    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(steps, "cross_entropy", loss)
    sizes = replace(Sizes.here(), device=torch.device("cpu"), num_steps=2)
    assert steps._bare(Network("mobilenetv2", 32, 2), sizes, compiled=False)() == 4
    assert [*seen, torch.backends.cudnn.deterministic] == [False, False, True]


def test_trained_and_scored_under_a_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a card's memory, by a stand-in for it: the steps and the scoring are the CPU's."""
    capped: list[float] = []
    for name, instead in (
        ("is_available", lambda: False),
        ("get_device_properties", lambda _: SimpleNamespace(total_memory=16 * 2**30)),
        ("set_per_process_memory_fraction", capped.append),
        ("reset_peak_memory_stats", lambda: None),
        ("max_memory_allocated", lambda _: 3e9),
    ):
        monkeypatch.setattr(torch.cuda, name, instead)
    monkeypatch.setattr(survival, "NUM_SCORED", 6)
    sizes = replace(Sizes.here(), teacher=Network("test_vit", 32, 4), num_photos=9, num_classes=500)
    rows = survival.memory_rows(tmp_path, sizes)
    assert [row.name for row in rows] == [
        f"{what} under {cap} GB: photos at a time" for cap in survival.CAPS_GB for what in ("training", "scoring")
    ]
    assert [row.ours for row in rows] == [4, 64] * 2
    assert all("at most 3.0 GB held" in row.note for row in rows)
    assert "6 photos scored in float32" in rows[1].note
    assert capped == [0.5, 1.0, 0.25, 1.0]


def test_a_training_that_was_not_killed_is_not_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(_task: object, context: Any) -> Path:
        if context._on_progress is not None:
            context._on_progress(images=1)
        return context.folder

    for name, instead in (("train", train), ("_short", lambda *_: None), ("_weights", lambda _: {})):
        monkeypatch.setattr(survival, name, instead)
    with pytest.raises(RuntimeError, match="ended before it was killed: 1 photos are fewer"):
        survival.repeat_rows(tmp_path, Sizes.here())


def test_scores_are_held_against_the_gates_that_ship() -> None:
    gates = VerifySection()
    assert {"float32": gates.max_difference, "bfloat16": gates.max_difference_bfloat16} == BOUNDS


@pytest.mark.slow
def test_every_part_runs_here_or_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["note"] for row in rows if row["note"].startswith("failed")] == []
    names = " ".join(row["name"] for row in rows)
    for said in ("scoring", "one batch", "fed", "threads against one", "lock held", "same seed", "killed", "Trainer"):
        assert said in names
