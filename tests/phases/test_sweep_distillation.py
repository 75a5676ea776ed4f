from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.phases import sweep_distillation
from aplantida.pipeline.artifact import Artifact, open_artifact
from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.runner import execute
from aplantida.training.recipes import Recipe, Trial
from tests.fixtures import tiny_artifacts

PHASE = sweep_distillation.PHASE
CONFIG = "configs/sweep_distillation.yaml"
TRIALS = 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(root))
        tiny_artifacts.soft_labels(tiny_artifacts.photos(10))
    return root


@pytest.fixture(autouse=True)
def world(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(made))
    return made


def request(output: str, **values: Any) -> dict[str, Any]:
    return {
        "inputs": {"images": "images", "split": "split", "soft_labels": "soft"},
        "output": output,
        "search": {"num_trials": TRIALS, "metric": "val_loss"},
        "model": {"width": 0.35, "pretrained": False, "pretrained_license": None},
        "training": {"epochs": 3, "batch_size": 12, "learning_rate": 3e-3, "batch_norm_momentum": 0.5},
        "data": {"image_size": 32, "train_fraction": 1.0},
        "resources": {"device": "cpu", "num_threads": 1, "num_loader_workers": 0},
        **values,
    }


def rows_of(artifact: Artifact) -> list[dict[str, str]]:
    with artifact.file("trials.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_killed_sweep_trains_only_what_was_not_done_and_ends_in_the_same_digest(world: Path, tmp_path: Path) -> None:
    outcome = execute(PHASE, files=[CONFIG], values=request("whole"))
    whole = outcome.artifact
    assert whole is not None
    assert outcome.metrics["num_trials_trained"] == TRIALS
    rows = rows_of(whole)
    assert [row["trial"] for row in rows] == ["1", "2", "3", "4"]
    assert (rows[0]["temperature"], rows[0]["alpha"]) == ("3.0", "0.7")  # the first one is not drawn
    assert len({row["temperature"] for row in rows}) == TRIALS
    assert all(1 <= float(row["temperature"]) <= 8 and 0.3 <= float(row["alpha"]) <= 0.95 for row in rows)
    assert sum(int(row["epochs"]) for row in rows) < 3 * TRIALS  # ASHA stopped some
    best = json.loads(whole.file("best.json").read_text())
    assert best["value"] == min(float(row["val_loss"]) for row in rows)

    with pytest.raises(RecipeChanged, match=r"data\.train_fraction: 1\.0 -> 0\.5"):
        execute(PHASE, files=[CONFIG], values=request("whole", data={"image_size": 32, "train_fraction": 0.5}))

    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(request("killed")))
    command = [sys.executable, "-m", "jobs.sweep_distillation", "--config", CONFIG, "--config", str(overlay)]
    driver = subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, "APLANTIDA_ROOT": str(world)})
    ledger = world / "killed/_progress/ledger.jsonl"
    while not ledger.exists() or '"unit"' not in ledger.read_text():
        assert driver.poll() is None
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    again = execute(PHASE, files=[CONFIG], values=request("killed"))
    assert again.status == "resumed"
    assert 0 < again.metrics["num_trials_trained"] < TRIALS
    assert again.artifact is not None
    assert again.artifact.digest == whole.digest


@pytest.mark.slow
def test_a_grid_tries_every_pair() -> None:
    search = {"algorithm": "grid", "temperature": [1.0, 4.0], "alpha": [0.5], "scheduler": "none"}
    before = signal.getsignal(signal.SIGINT)
    execute(PHASE, files=[CONFIG], values=request("grid", search=search))
    assert signal.getsignal(signal.SIGINT) is before  # Ctrl-C still stops what comes after a sweep
    rows = rows_of(open_artifact(Path(os.environ["APLANTIDA_ROOT"]) / "grid", "sweep"))
    assert {(row["temperature"], row["alpha"]) for row in rows} == {("1.0", "0.5"), ("4.0", "0.5")}
    assert {row["epochs"] for row in rows} == {"3"}
    assert {row["stopped"] for row in rows} == {"0"}
    threads = {"device": "cpu", "num_threads": 1, "num_loader_workers": 3}
    again = execute(PHASE, files=[CONFIG], values=request("threads", search=search, resources=threads)).artifact
    assert again is not None
    assert rows_of(again) == rows


def test_kinds_rates_and_ranks_are_searched_too() -> None:
    search = {
        "algorithm": "grid",
        "temperature": [2.0],
        "alpha": [0.7],
        "distance": ["kd", "js"],
        "head_rank": [0, 4],
        "learning_rate": [3e-3],
    }
    training = {"epochs": 1, "batch_size": 12, "learning_rate": 9.0, "batch_norm_momentum": 0.5}
    execute(PHASE, files=[CONFIG], values=request("wide", search=search, training=training))
    sweep = open_artifact(Path(os.environ["APLANTIDA_ROOT"]) / "wide", "sweep")
    rows = rows_of(sweep)
    assert {(row["distance"], row["head_rank"]) for row in rows} == {("kd", "0"), ("kd", "4"), ("js", "0"), ("js", "4")}
    assert {row["learning_rate"] for row in rows} == {"0.003"}
    sizes = {row["head_rank"]: int(row["bytes"]) for row in rows}
    assert sizes["0"] != sizes["4"]
    best = json.loads(sweep.file("best.json").read_text())
    assert best["searched"] == ["temperature", "alpha", "distance", "learning_rate", "head_rank"]
    assert (best["distance"], best["head_rank"]) in {("kd", 0), ("kd", 4), ("js", 0), ("js", 4)}
    text = sweep.file("trials.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 1
    assert text.count("<tr>") == 1 + 4


@pytest.mark.slow
def test_the_recipe_tried_first_has_the_configs_rate_and_kind() -> None:
    search = {"num_trials": 1, "temperature": [4.0, 6.0], "distance": ["kd", "js"], "learning_rate": [1e-4, 1e-2]}
    execute(PHASE, files=[CONFIG], values=request("first", search=search, distance={"kind": "js"}))
    rows = rows_of(open_artifact(Path(os.environ["APLANTIDA_ROOT"]) / "first", "sweep"))
    first = {name: rows[0][name] for name in ("temperature", "alpha", "distance", "learning_rate")}
    assert first == {"temperature": "4.0", "alpha": "0.7", "distance": "js", "learning_rate": "0.003"}
    search = {"num_trials": 1, "first": None, "scheduler": "none"}
    execute(PHASE, files=[CONFIG], values=request("drawn", search=search))
    rows = rows_of(open_artifact(Path(os.environ["APLANTIDA_ROOT"]) / "drawn", "sweep"))
    assert rows[0]["temperature"] != "3.0"


def test_bad_requests_are_named() -> None:
    def run(**values: Any) -> None:
        execute(PHASE, files=[CONFIG], values=request(f"bad {len(str(values))}", **values))

    with pytest.raises(BadRequest, match=r"search\.temperature = \[0.5, 4\]: .*within 1.0..8.0"):
        run(search={"temperature": [0.5, 4]})
    with pytest.raises(BadRequest, match=r"search\.alpha = \[0.5, 0.5\]: .*different numbers"):
        run(search={"alpha": [0.5, 0.5]})
    with pytest.raises(BadRequest, match=r"search\.distance\.0 = 'l2'|search\.distance = \['l2'\]"):
        run(search={"distance": ["l2"]})
    with pytest.raises(BadRequest, match=r"search\.head_rank = \[-1\]: .*within 0..4096"):
        run(search={"head_rank": [-1]})
    with pytest.raises(BadRequest, match="batch size 1000 is larger than the 36 train photos"):
        run(training={"batch_size": 1000})


def test_a_fraction_of_the_photos_is_the_same_for_every_trial_and_nested(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    from aplantida.distributed import search

    seen: list[set[str]] = []
    judged: list[int] = []

    def look(plan: Any, work: Any, on_trial: Any, max_failures: int) -> list[Trial]:
        table = pq.read_table(work.task.batches.split_file)
        seen.append({row["image_id"] for row in table.to_pylist() if row["split"] == "train"})
        assert {row["split"] for row in table.to_pylist()} == {"train", "val"}
        judged.append(table["split"].to_pylist().count("val"))
        return [
            Trial(Recipe(temperature=2.0, alpha=0.5), [{"epoch": 1, "val_top1": 0.5, "val_top5": 1.0, "val_loss": 1.0}])
        ]

    monkeypatch.setattr(search, "search", look)
    for fraction in (0.4, 0.7, 1.0):
        values = request(f"part {fraction}", data={"image_size": 32, "train_fraction": fraction})
        execute(PHASE, files=[CONFIG], values=values)
    assert seen[0] < seen[1] < seen[2]
    assert len(seen[2]) == 36
    assert judged[2] == 12  # auto takes all
    monkeypatch.setattr(sweep_distillation, "ENOUGH_VAL_PHOTOS", 6)
    for name, fraction in (("enough", "auto"), ("half", 0.5), ("all", 1.0)):
        data = {"image_size": 32, "train_fraction": 1.0, "val_fraction": fraction}
        execute(PHASE, files=[CONFIG], values=request(name, data=data))
    assert 0 < judged[3] == judged[4] < judged[5] == 12
    assert seen[3] == seen[5] == seen[2]
