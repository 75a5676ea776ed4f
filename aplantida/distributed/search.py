"""Search for a distillation recipe (temperature, alpha) by Ray Tune; each trial is the one training loop, cut short.

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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import optuna
import ray.tune as tune
import torch
from optuna.distributions import FloatDistribution
from ray.tune.logger import JsonLoggerCallback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from aplantida.distributed.session import cluster_cpus, cluster_gpus, ray_session
from aplantida.models.inference import resolve_device
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.writer import ArtifactWriter
from aplantida.training.context import LocalContext
from aplantida.training.loop import train
from aplantida.training.objectives import Distillation
from aplantida.training.task import TrainTask

Row = dict[str, float]
Metric = Literal["val_top1", "val_loss"]
ROWS_FILE = "rows.json"
_DIGITS = 4
_DIVERGED = {"val_top1": 0.0, "val_loss": 1e9}


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What is tried, and how it is decided.

    Attributes:
        algorithm: ``grid``: every pair of the values; ``optuna``: the TPE sampler, between the least and the largest.
        temperatures: of the distillation, 1..8.
        alphas: weights of the divergence, 0..1.
        num_trials: of ``optuna``.
        scheduler: ``asha`` stops trials that fall behind (Li et al., 2020, arXiv 1810.05934); ``none`` lets all finish.
        grace_epochs: no trial is stopped before.
        reduction_factor: of the trials that reach a rung, one in so many goes on.
        metric: what is compared.
        seed: of the sampler.
        max_concurrent: trials at a time.
    """

    algorithm: Literal["grid", "optuna"]
    temperatures: tuple[float, ...]
    alphas: tuple[float, ...]
    num_trials: int
    scheduler: Literal["asha", "none"]
    grace_epochs: int
    reduction_factor: int
    metric: Metric
    seed: int
    max_concurrent: int

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether more of the metric is better."""
        return "max" if self.metric == "val_top1" else "min"

    @property
    def total(self) -> int:
        """Number of trials."""
        return self.num_trials if self.algorithm == "optuna" else len(self.temperatures) * len(self.alphas)


@dataclass(frozen=True, kw_only=True)
class TrialWork:
    """What a trial needs to train. Plain values: it travels to workers.

    Attributes:
        task: the training; its objective's temperature and alpha are the trial's.
        folder: holds one folder a trial; survives kills, all workers see it.
        writer: of the artifact; trials of a session that is over refuse to go on.
        device: auto, cpu or cuda.
        num_threads: torch's, per trial.
    """

    task: TrainTask
    folder: Path
    writer: ArtifactWriter
    device: str
    num_threads: int | None


@dataclass(frozen=True)
class Trial:
    """A finished trial: its recipe, and one row per epoch as the training loop reports them."""

    temperature: float
    alpha: float
    rows: list[Row] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Names the trial's folder and unit."""
        return trial_key(self.temperature, self.alpha)

    def best(self, metric: Metric) -> Row:
        """The row of its best epoch, the earliest of equals."""
        return (max if metric == "val_top1" else min)(self.rows, key=lambda row: row[metric])


def trial_key(temperature: float, alpha: float) -> str:
    """A short name for a recipe: equal recipes have equal names."""
    return unit_key(temperature, alpha)[:16]


class TrialContext(LocalContext):
    """A bare training whose every epoch is reported to Tune, after its checkpoint is safe."""

    def __init__(self, work: TrialWork, folder: Path) -> None:
        super().__init__(folder, resolve_device(work.device), num_threads=work.num_threads)
        self._writer = work.writer

    def save(self, state: Mapping[str, Any], number: int, metrics: Mapping[str, float]) -> None:
        """Keep the state, then report the epoch; Tune may end the trial here."""
        self._writer.check_session()
        super().save(state, number, metrics)
        tune.report(dict(metrics))

    def history(self) -> list[Row]:
        """The epochs that earlier sessions finished."""
        latest = self.latest()
        return [] if latest is None else torch.load(latest, map_location="cpu", weights_only=True)["history"]


def run_trial(recipe: Mapping[str, float], work: TrialWork) -> None:
    """Tune's trainable: report the epochs that are known, train the others."""
    temperature, alpha = round(recipe["temperature"], _DIGITS), round(recipe["alpha"], _DIGITS)
    folder = work.folder / trial_key(temperature, alpha)
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
        objective = work.task.objective
        assert isinstance(objective, Distillation)
        task = replace(
            work.task,
            objective=replace(objective, temperature=temperature, alpha=alpha),
            batches=replace(work.task.batches, temperature=temperature),
        )
        try:
            train(task, context)
        except FloatingPointError:
            tune.report({"epoch": task.epochs, **_DIVERGED})


class _Recorder(tune.Callback):
    """Collects the trials' rows, and hands over each trial as it is finished."""

    def __init__(self, finished: Callable[[Trial], None]) -> None:
        self._finished = finished
        self.trials: dict[str, Trial] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note the order of the trials."""
        recipe = {name: round(value, _DIGITS) for name, value in trial.config.items()}
        self.trials[trial.trial_id] = Trial(recipe["temperature"], recipe["alpha"])

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
        RuntimeError: when a trial failed.
    """

    def finished(trial: Trial) -> None:
        keep_rows(work.folder / trial.key, trial.rows)
        on_trial(trial)

    recorder = _Recorder(finished)
    storage = work.folder / "tune"
    shutil.rmtree(storage, ignore_errors=True)
    storage.mkdir(parents=True)
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    with ray_session():
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(run_trial, work=work), _resources(plan, work)),
            param_space=_space(plan) if plan.algorithm == "grid" else {},
            tune_config=tune.TuneConfig(
                metric=plan.metric,
                mode=plan.mode,
                search_alg=_searcher(plan),
                scheduler=_scheduler(plan, work.task.epochs),
                num_samples=plan.num_trials if plan.algorithm == "optuna" else 1,
                max_concurrent_trials=plan.max_concurrent,
                reuse_actors=True,
            ),
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
        raise RuntimeError(f"{len(results.errors)} of {plan.total} trials failed: {results.errors[0]}")
    return list(recorder.trials.values())


def keep_rows(folder: Path, rows: list[Row]) -> None:
    """A finished trial is its rows; the checkpoints are not needed any more."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{ROWS_FILE}.tmp"
    temporary.write_text(json.dumps(rows), encoding="utf-8")
    temporary.replace(folder / ROWS_FILE)
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)


def _space(plan: SearchPlan) -> dict[str, Any]:
    return {
        "temperature": tune.grid_search(list(plan.temperatures)),
        "alpha": tune.grid_search(list(plan.alphas)),
    }


def _searcher(plan: SearchPlan) -> Searcher | None:
    if plan.algorithm == "grid":
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {
        "temperature": FloatDistribution(min(plan.temperatures), max(plan.temperatures)),
        "alpha": FloatDistribution(min(plan.alphas), max(plan.alphas)),
    }
    return OptunaSearch(space, metric=plan.metric, mode=plan.mode, seed=plan.seed % 2**32)


def _scheduler(plan: SearchPlan, epochs: int) -> TrialScheduler:
    if plan.scheduler == "none":
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="epoch",
        max_t=epochs,
        grace_period=min(plan.grace_epochs, epochs),
        reduction_factor=plan.reduction_factor,
    )


def _resources(plan: SearchPlan, work: TrialWork) -> dict[str, float]:
    share = max(1, cluster_cpus() // plan.max_concurrent)
    gpus = cluster_gpus() if work.device != "cpu" else 0
    return {
        "cpu": float(min(work.num_threads or share, cluster_cpus())),
        "gpu": min(1.0, gpus / plan.max_concurrent) if gpus else 0.0,
    }
