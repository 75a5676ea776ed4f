"""Search for a distillation recipe by Ray Tune; each trial is the one training loop, cut short.

A search can be killed at any moment and started again: it then begins a new Tune experiment with the same seed, and
every trial first reports the epochs that an earlier session finished (they are kept in the trial's own folder) before
it trains on. Searcher and scheduler thus hear the same story and decide the same. Tune's own ``restore`` is not used:
it continues from the searcher's last periodic snapshot, which may be older than the trials, and then suggests others.
The story has one order only when trials run one after the other; with ``max_concurrent`` above 1 an adaptive search may
stop and suggest other trials from run to run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import ray.tune as tune
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from ray.tune.logger import JsonLoggerCallback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from aplantida.distributed.inspection import wants_gpu
from aplantida.distributed.placement import Share, gpu_part, largest_share, living_nodes, require_room, room_for
from aplantida.distributed.session import ray_session
from aplantida.models.devices import resolve_device
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.writer import ArtifactWriter
from aplantida.training.checkpoints import SessionCheck, beside, settle
from aplantida.training.context import LocalContext
from aplantida.training.loop import train
from aplantida.training.recipes import CHOICES, Recipe, Row, SearchPlan, Trial
from aplantida.training.task import TrainTask

ROWS_FILE = "rows.json"
_DIVERGED = {"val_top1": 0.0, "val_loss": 1e9}


@dataclass(frozen=True, kw_only=True)
class TrialWork:
    """What a trial needs to train. Plain values: it travels to workers.

    Attributes:
        task: the training; a trial changes of it what its recipe says.
        folder: holds one folder a trial; survives kills, all workers see it.
        writer: of the artifact; trials of a session that is over refuse to go on.
        device: auto, cpu or cuda.
        num_threads: torch's, per trial.
        num_loader_workers: threads that decode ahead in a trial, 0 for none; None = what the trial has use for.
    """

    task: TrainTask
    folder: Path
    writer: ArtifactWriter
    device: str
    num_threads: int | None
    num_loader_workers: int | None = 0

    def num_loaders(self, device: torch.device) -> int:
        """Threads that decode ahead: where a GPU trains, all CPUs of the trial; where they train themselves, one."""
        if self.num_loader_workers is not None:
            return self.num_loader_workers
        return max(1, int(_cpus_of_trial())) if device.type == "cuda" else 1


class TrialContext(LocalContext):
    """A bare training whose every epoch is reported to Tune, after its checkpoint is safe."""

    def __init__(self, work: TrialWork, folder: Path) -> None:
        check = work.writer.check_session
        super().__init__(folder, resolve_device(work.device), num_threads=work.num_threads, check=check)

    def save(self, state: Mapping[str, Any], number: int, metrics: Mapping[str, float]) -> None:
        """Keep the state, then report the epoch; Tune may end the trial here."""
        super().save(state, number, metrics)
        tune.report(dict(metrics))

    def history(self) -> list[Row]:
        """The epochs that earlier sessions finished."""
        latest = self.latest()
        return [] if latest is None else torch.load(latest, map_location="cpu", weights_only=True)["history"]


def trial_name(recipe: Recipe) -> str:
    """Of a trial's folder and unit: equal recipes have equal names."""
    return unit_key(recipe.drawn())[:16]


def run_trial(drawn: Mapping[str, Any], work: TrialWork) -> None:
    """Tune's trainable: report the epochs that are known, train the others."""
    recipe = Recipe.of(drawn)
    folder = work.folder / trial_name(recipe)
    finished = folder / ROWS_FILE
    if finished.is_file():
        for row in json.loads(finished.read_text(encoding="utf-8")):
            tune.report(row)
        return
    context = TrialContext(work, folder)
    known = context.history()
    for row in known:
        tune.report(row)
    if len(known) < work.task.epochs:
        try:
            task = recipe.apply(work.task)
            loaders = work.num_loaders(context.device)
            train(replace(task, batches=replace(task.batches, num_loader_workers=loaders)), context)
        except FloatingPointError:
            tune.report({"epoch": work.task.epochs, **_DIVERGED})


def _cpus_of_trial() -> float:
    granted = tune.get_context().get_trial_resources()
    return 1.0 if granted is None else granted.required_resources.get("CPU", 1.0)


class _Recorder(tune.Callback):
    """Collects the trials' rows, and hands over each trial as it is finished."""

    def __init__(self, finished: Callable[[Trial], None]) -> None:
        self._finished = finished
        self.trials: dict[str, Trial] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note the order of the trials."""
        self.trials[trial.trial_id] = Trial(Recipe.of(trial.config))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Note an epoch; after a failure epochs are reported again."""
        rows = self.trials[trial.trial_id].rows
        row = {name: value for name, value in result.items() if name == "epoch" or name.startswith(("train_", "val_"))}
        rows[:] = [earlier for earlier in rows if earlier["epoch"] < row["epoch"]]
        rows.append(row)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Hand it over."""
        self._finished(self.trials[trial.trial_id])


def search(plan: SearchPlan, work: TrialWork, on_trial: Callable[[Trial], None], max_failures: int = 2) -> list[Trial]:
    """Run all trials, those of earlier sessions by their recorded epochs.

    Args:
        plan: what to try.
        work: how to train.
        on_trial: called in this process with each trial as it is finished, known ones included.
        max_failures: how often a trial whose worker died is started again.

    Returns:
        The trials in the order in which they were started.

    Raises:
        BadRequest: when no node has room for a trial, or ``cuda`` is asked for where there is none.
        RuntimeError: when a trial failed.
    """

    def finished(trial: Trial) -> None:
        keep_rows(work.folder / trial_name(trial.recipe), trial.rows, work.writer.check_session)
        on_trial(trial)

    recorder = _Recorder(finished)
    storage = work.folder / "tune"
    shutil.rmtree(storage, ignore_errors=True)
    storage.mkdir(parents=True)
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Tune's would stay, and swallow Ctrl-C for the rest of the process
    with ray_session():
        share = trial_share(plan, work)
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(run_trial, work=work), {"cpu": float(share.cpus), "gpu": share.gpus}
            ),
            param_space=_space(plan) if plan.algorithm == "grid" else {},
            tune_config=_tune_config(plan, work.task.epochs),
            run_config=tune.RunConfig(
                name="search",
                storage_path=str(storage),
                callbacks=[recorder, JsonLoggerCallback()],
                failure_config=tune.FailureConfig(max_failures=max_failures),
                verbose=0,
            ),
        )
        results = tuner.fit()
    if results.errors:
        raise RuntimeError(
            f"{len(results.errors)} of {plan.total} trials failed: {results.errors[0]}"
        ) from results.errors[0]
    return list(recorder.trials.values())


def keep_rows(folder: Path, rows: list[Row], check: SessionCheck) -> None:
    """A finished trial is its rows; the checkpoints are not needed any more."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = beside(folder / ROWS_FILE)
    temporary.write_text(json.dumps(rows), encoding="utf-8")
    settle(temporary, folder / ROWS_FILE, check)
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)


def _space(plan: SearchPlan) -> dict[str, Any]:
    return {name: tune.grid_search(list(values)) for name, values in plan.values.items()}


def _tune_config(plan: SearchPlan, epochs: int) -> tune.TuneConfig:
    return tune.TuneConfig(
        metric=plan.metric,
        mode=plan.mode,
        search_alg=_searcher(plan),
        scheduler=_scheduler(plan, epochs),
        num_samples=plan.num_trials if plan.algorithm == "optuna" else 1,
        max_concurrent_trials=plan.max_concurrent,
        reuse_actors=True,
    )


def _searcher(plan: SearchPlan) -> Searcher | None:
    if plan.algorithm == "grid":
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(values)
        if name in CHOICES
        else FloatDistribution(min(values), max(values), log=name == "learning_rate")
        for name, values in plan.values.items()
    }
    start = plan.start
    return OptunaSearch(
        space,
        points_to_evaluate=None if start is None else [start],
        metric=plan.metric,
        mode=plan.mode,
        seed=plan.seed % 2**32,
    )


def _scheduler(plan: SearchPlan, epochs: int) -> TrialScheduler:
    if plan.scheduler == "none":
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="epoch",
        max_t=epochs,
        grace_period=min(plan.grace_epochs, epochs),
        reduction_factor=plan.reduction_factor,
    )


def trial_share(plan: SearchPlan, work: TrialWork) -> Share:
    """What a trial takes of its node; where fewer than ``max_concurrent`` have room, the others wait their turn.

    Raises:
        BadRequest: when no node has room for one.
    """
    nodes, at_a_time = living_nodes(), min(plan.max_concurrent, plan.total)
    gpus = gpu_part(at_a_time, nodes) if wants_gpu(work.device, nodes) else 0.0
    cpus = largest_share(at_a_time if work.num_threads is None else 1, nodes, gpus)
    share = Share(min(work.num_threads or cpus, cpus), gpus)
    num_running = max(1, min(at_a_time, room_for(share, nodes)))
    require_room(share, num_running, nodes, key="search.max_concurrent", why="trials")
    return share
