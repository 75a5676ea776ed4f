from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from aplantida.data.batches import BatchPlan
from aplantida.data.soft_labels import SoftLabels
from aplantida.distributed import search as module
from aplantida.distributed.search import ROWS_FILE, TrialWork, keep_rows, run_trial, trial_name
from aplantida.domain.class_index import class_index_digest
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.seeds import derive_seed
from aplantida.models.checkpoint import ModelCard
from aplantida.pipeline.writer import ArtifactWriter, StaleSession
from aplantida.training.objectives import Distillation
from aplantida.training.optimization import Optimization
from aplantida.training.recipes import Recipe, SearchPlan, Trial
from aplantida.training.task import TrainTask
from tests.fixtures import tiny_artifacts

PLAN = SearchPlan(
    algorithm="grid",
    temperatures=(1.0, 4.0),
    alphas=(0.5, 0.9),
    num_trials=9,
    scheduler="none",
    grace_epochs=1,
    reduction_factor=2,
    metric="val_top1",
    seed=1,
    max_concurrent=1,
)


class Stopped(Exception):
    """The place where a trial was killed."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, a split and soft labels."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(root))
        tiny_artifacts.soft_labels(tiny_artifacts.photos(10))
    return root


def work_in(made: Path, folder: Path) -> TrialWork:
    card = ModelCard(
        architecture="mobilenetv2",
        num_classes=6,
        width=0.35,
        preprocessing=Preprocessing(image_size=32),
        class_ids=tiny_artifacts.NAMES,
    )
    batches = BatchPlan(
        images=made / "images/shards",
        split_file=made / "split/split.parquet",
        class_indices=tuple(range(6)),
        preprocessing=card.preprocessing,
        augmentation="none",
        seed=1,
        soft_labels=SoftLabels(made / "soft", class_index_digest(tiny_artifacts.NAMES)),
    )
    task = TrainTask(
        card=card,
        initial=None,
        batches=batches,
        objective=Distillation(1.0, 1.0),
        optimization=Optimization(global_batch_size=12, learning_rate=3e-3),
        epochs=3,
        seed=1,
    )
    writer = ArtifactWriter(folder / "sweep", "session")
    (folder / "sweep/_progress/session.json").write_text(json.dumps({"session_id": "session"}))
    return TrialWork(task=task, folder=folder / "trials", writer=writer, device="cpu", num_threads=1)


def told(work: TrialWork, monkeypatch: pytest.MonkeyPatch, kill_after: int = 99) -> list[dict[str, float]]:
    """What a trial reports until it ends, or is killed at a report."""
    rows: list[dict[str, float]] = []

    def report(row: dict[str, float]) -> None:
        rows.append(row)
        if len(rows) == kill_after:
            raise Stopped

    monkeypatch.setattr(module.tune, "report", report)
    try:
        run_trial({"temperature": 2.0, "alpha": 0.7}, work)
    except Stopped:
        assert len(rows) == kill_after
    return rows


def test_a_killed_trial_tells_the_same_story_again_and_goes_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = told(work_in(made, tmp_path / "whole"), monkeypatch)
    assert [row["epoch"] for row in whole] == [1, 2, 3]
    killed = work_in(made, tmp_path / "killed")
    assert told(killed, monkeypatch, kill_after=2) == whole[:2]
    trained: list[int] = []
    original = module.TrialContext.save

    def save(self: module.TrialContext, state: Any, number: int, metrics: Any) -> None:
        trained.append(number)
        original(self, state, number, metrics)

    monkeypatch.setattr(module.TrialContext, "save", save)
    assert told(killed, monkeypatch) == whole
    assert len(trained) == 1


def test_the_trial_trains_with_its_own_recipe(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TrainTask] = []
    monkeypatch.setattr(module, "train", lambda task, context: seen.append(task))
    run_trial({"temperature": 2.00001, "alpha": 0.7}, work_in(made, tmp_path))
    assert seen[0].objective == Distillation(2.0, 0.7)
    assert seen[0].batches.temperature == 2.0
    more = {"distance": "dist", "learning_rate": 1.23456e-3, "head_rank": 8}
    run_trial({"temperature": 2.0, "alpha": 0.7, **more}, work_in(made, tmp_path))
    assert seen[1].objective == Distillation(2.0, 0.7, distance="dist")
    assert (seen[1].optimization.learning_rate, seen[1].card.head_rank) == (1.23e-3, 8)
    assert Recipe(temperature=2.0, alpha=0.7, head_rank=0).apply(seen[1]).card.head_rank is None


def test_a_trial_decodes_with_the_threads_it_has_use_for(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, seen = work_in(made, tmp_path), list[TrainTask]()
    asked, free = replace(work, num_loader_workers=3), replace(work, num_loader_workers=None)
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for granted, threads in ((16.0, 16), (0.5, 1)):
        monkeypatch.setattr(module, "_cpus_of_trial", lambda granted=granted: granted)
        assert (free.num_loaders(cpu), free.num_loaders(gpu)) == (1, threads)
    assert (asked.num_loaders(cpu), asked.num_loaders(gpu)) == (3, 3)
    monkeypatch.setattr(module, "train", lambda task, context: seen.append(task))
    for each in (work, asked, free):
        run_trial({"temperature": 2.0, "alpha": 0.7}, each)
    assert [task.batches.num_loader_workers for task in seen] == [0, 3, 1]


def test_a_seed_suggests_what_it_always_did() -> None:
    """As commit 3693cb9 drew them: neither loader threads nor the photos of a trial bear on the order of the trials."""
    plan = replace(
        PLAN,
        algorithm="optuna",
        temperatures=(1.0, 4.0),
        alphas=(0.3, 0.95),
        distances=("kd", "js"),
        head_ranks=(8, 16),
        learning_rates=(1e-4, 1e-2),
        seed=derive_seed(42, "search"),
        first=Recipe(temperature=3.0, alpha=0.7, distance="kd", learning_rate=1e-4, head_rank=0),
    )
    searcher = module._searcher(plan)
    assert searcher is not None
    drawn = [tuple(Recipe.of(searcher.suggest(str(number)) or {}).drawn().values()) for number in range(4)]
    assert drawn == [
        (3.0, 0.7, "kd", 1e-4, 8),
        (2.7446, 0.633, "js", 3.93e-3, 8),
        (2.1552, 0.834, "kd", 7.06e-3, 8),
        (1.9588, 0.6691, "kd", 6.34e-4, 16),
    ]


def test_a_finished_trial_is_its_rows(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_in(made, tmp_path)
    whole = told(work, monkeypatch)
    folder = work.folder / trial_name(Recipe(temperature=2.0, alpha=0.7))
    keep_rows(folder, whole, work.writer.check_session)
    assert [path.name for path in folder.iterdir()] == [ROWS_FILE]
    monkeypatch.setattr(module, "train", lambda task, context: pytest.fail("trained again"))
    assert told(work, monkeypatch) == whole


def test_a_diverging_trial_is_the_worst_one(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_in(made, tmp_path)
    wild = replace(work.task, optimization=Optimization(global_batch_size=12, learning_rate=1e30, gradient_clip=None))
    rows = told(replace(work, task=wild), monkeypatch)
    assert rows[-1] == {"epoch": 3, "val_top1": 0.0, "val_loss": 1e9}


def test_a_trial_of_a_session_that_is_over_writes_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_in(made, tmp_path)
    (tmp_path / "sweep/_progress/session.json").write_text(json.dumps({"session_id": "a later one"}))
    with pytest.raises(StaleSession):
        told(work, monkeypatch)
    assert list(work.folder.rglob("state.pt")) == []


def test_best_epoch_and_keys() -> None:
    rows: list[dict[str, float]] = [
        {"epoch": 1, "val_top1": 0.5, "val_loss": 2.0},
        {"epoch": 2, "val_top1": 0.75, "val_loss": 1.0},
        {"epoch": 3, "val_top1": 0.75, "val_loss": 1.5},
    ]
    trial = Trial(Recipe(temperature=2.0, alpha=0.7), rows)
    assert trial.best("val_top1")["epoch"] == 2
    assert trial.best("val_loss")["epoch"] == 2
    assert trial_name(trial.recipe) != trial_name(Recipe(temperature=0.7, alpha=2.0))
    assert trial_name(Recipe(temperature=2.0, alpha=0.7, learning_rate=1.0)) != trial_name(
        Recipe(temperature=2.0, alpha=0.7, head_rank=1)
    )
    wider = replace(PLAN, distances=("kd", "js"), learning_rates=(1e-3,), head_ranks=(0, 8, 16))
    assert (wider.total, list(wider.values)) == (24, ["temperature", "alpha", "distance", "learning_rate", "head_rank"])
    assert (PLAN.total, replace(PLAN, algorithm="optuna").total) == (4, 9)
    assert PLAN.start is None
    first = Recipe(temperature=3.0, alpha=0.95, distance="dist", learning_rate=2e-3, head_rank=0)
    assert replace(PLAN, first=first).start == {"temperature": 3.0, "alpha": 0.9}
    assert replace(wider, temperatures=(4.0, 8.0), first=first).start == {
        "temperature": 4.0,
        "alpha": 0.9,
        "distance": "kd",
        "learning_rate": 1e-3,
        "head_rank": 0,
    }
    assert (PLAN.mode, replace(PLAN, metric="val_loss").mode) == ("max", "min")
