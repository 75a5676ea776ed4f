"""`python -m benchmarks.gpu` travels to machines that have torch and little else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from aplantida.pipeline.config import CHECKOUT

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


@pytest.mark.slow
def test_every_part_runs_here_or_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["note"] for row in rows if row["note"].startswith("failed")] == []
    names = " ".join(row["name"] for row in rows)
    for said in ("scoring", "one batch", "fed", "threads against one", "lock held", "same seed", "killed", "Trainer"):
        assert said in names
