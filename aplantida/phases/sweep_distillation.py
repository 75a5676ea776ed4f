"""Try recipes of the distillation with Ray Tune, on part of the photos and for few epochs."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field, field_validator

from aplantida.domain.seeds import derive_seed
from aplantida.phases._distillation import DistanceSection
from aplantida.phases._training import batch_plan, digest_pretrained, new_model, new_task, read_class_index
from aplantida.phases._training_config import InputSection, RegularizationSection, TrainingSection
from aplantida.phases.distill_student import StudentModelSection
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.config import PhaseConfig, Resources, Section
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    from aplantida.data.batches import BatchPlan
    from aplantida.training.recipes import Recipe, SearchPlan, Trial
    from aplantida.training.task import TrainTask

ChoiceT = TypeVar("ChoiceT", int, float)
_MEASURED = ("val_top1", "val_top5", "val_loss")
_RECIPE = ("temperature", "alpha", "distance", "learning_rate", "head_rank")
COLUMNS: tuple[str, ...] = ("trial", *_RECIPE, "bytes", "epochs", "stopped", "best_epoch", *_MEASURED)
_BYTES_PER_WEIGHT = 2  # in float16, as the bundle has them


class FirstSection(Section):
    """The recipe tried first."""

    temperature: float = Field(default=3.0, ge=1, le=8)
    alpha: float = Field(default=0.7, ge=0, le=1)


class SearchSection(Section):
    """What is tried, and how it is decided."""

    algorithm: Literal["grid", "optuna"] = "optuna"
    temperature: list[float] = Field(default=[1.0, 8.0], min_length=1)
    alpha: list[float] = Field(default=[0.3, 0.95], min_length=1)
    distance: list[Literal["kd", "dkd", "dist", "js"]] = Field(default_factory=list)
    learning_rate: list[float] = Field(default_factory=list)
    head_rank: list[int] = Field(default_factory=list)
    first: FirstSection | None = None
    num_trials: int = Field(default=16, ge=1)
    scheduler: Literal["asha", "none"] = "asha"
    grace_epochs: int = Field(default=1, ge=1)
    reduction_factor: int = Field(default=2, ge=2)
    metric: Literal["val_top1", "val_loss"] = "val_top1"
    max_concurrent: int = Field(default=1, ge=1)

    @field_validator("temperature")
    @classmethod
    def _temperature(cls, values: list[float]) -> list[float]:
        return _checked(values, 1.0, 8.0)

    @field_validator("alpha")
    @classmethod
    def _alpha(cls, values: list[float]) -> list[float]:
        return _checked(values, 0.0, 1.0)

    @field_validator("learning_rate")
    @classmethod
    def _learning_rate(cls, values: list[float]) -> list[float]:
        return _checked(values, 1e-7, 10.0)

    @field_validator("head_rank")
    @classmethod
    def _head_rank(cls, values: list[int]) -> list[int]:
        return _checked(values, 0, 4096)


def _checked(values: list[ChoiceT], least: float, largest: float) -> list[ChoiceT]:
    if len(set(values)) != len(values) or not all(least <= value <= largest for value in values):
        raise ValueError(f"want different numbers within {least}..{largest}")
    return values


class SweepInputSection(InputSection):
    """The photos of a trial."""

    train_fraction: float = Field(default=0.2, gt=0, le=1)
    val_fraction: float = Field(default=1.0, gt=0, le=1)


class SweepResources(Resources):
    """Where the trials run."""

    num_loader_workers: int = Field(default=1, ge=0)
    cache_images: bool = False
    max_failures: int = Field(default=2, ge=0)


class SweepDistillationConfig(PhaseConfig):
    """The search, and the training of a trial."""

    search: SearchSection = SearchSection()
    distance: DistanceSection = DistanceSection()
    model: StudentModelSection = StudentModelSection()
    training: TrainingSection = TrainingSection(epochs=4)
    data: SweepInputSection = SweepInputSection()
    regularization: RegularizationSection = RegularizationSection()
    resources: SweepResources = SweepResources()


def run(ctx: PhaseContext[SweepDistillationConfig]) -> dict[str, Any]:
    """Run the trials that are not done, and choose the best."""
    from aplantida.distributed.search import TrialWork, search, trial_name

    started = time.monotonic()
    plan, task = _plan(ctx), _task(ctx)
    folder = ctx.output.scratch / "trials"
    work = TrialWork(
        task=task, folder=folder, writer=ctx.output, device=ctx.device, num_threads=ctx.config.resources.num_threads
    )
    redone = 0
    with ctx.progress(total=plan.total, unit="trials", description="sweep") as bar:

        def finished(trial: Trial) -> None:
            nonlocal redone
            unit, key = f"trial-{trial_name(trial.recipe)}", unit_key(trial.recipe.drawn())
            if not ctx.output.is_done(unit, key):
                redone += 1
                ctx.output.record_unit(unit, key, info={"epochs": len(trial.rows)})
            best = trial.best(plan.metric)[plan.metric]
            said = ", ".join(f"{name} {value}" for name, value in trial.recipe.drawn().items())
            ctx.log.info("%s: %s %.4f after %d epochs", said, plan.metric, best, len(trial.rows))
            bar.update()

        trials = search(plan, work, finished, ctx.config.resources.max_failures)
    return _write(ctx, plan, task, trials) | {
        "num_trials_trained": redone,
        "seconds": round(time.monotonic() - started, 1),
    }


def _plan(ctx: PhaseContext[SweepDistillationConfig]) -> SearchPlan:
    from aplantida.training.recipes import SearchPlan

    search = ctx.config.search
    return SearchPlan(
        algorithm=search.algorithm,
        temperatures=tuple(search.temperature),
        alphas=tuple(search.alpha),
        distances=tuple(search.distance),
        learning_rates=tuple(search.learning_rate),
        head_ranks=tuple(search.head_rank),
        num_trials=search.num_trials,
        scheduler=search.scheduler,
        grace_epochs=search.grace_epochs,
        reduction_factor=search.reduction_factor,
        metric=search.metric,
        seed=derive_seed(ctx.seed, "search"),
        max_concurrent=search.max_concurrent,
        first=_first(ctx.config),
    )


def _first(config: SweepDistillationConfig) -> Recipe | None:
    """What is tried first: its temperature and alpha, everything else as the config has it."""
    from aplantida.training.recipes import Recipe

    first = config.search.first
    return first and Recipe(
        temperature=first.temperature,
        alpha=first.alpha,
        distance=config.distance.kind,
        learning_rate=config.training.learning_rate,
        head_rank=config.model.head_rank or 0,
    )


def _task(ctx: PhaseContext[SweepDistillationConfig]) -> TrainTask:
    """A trial's training but for its recipe."""
    config = ctx.config
    index = read_class_index(ctx, config.model.num_classes)
    card, initial = new_model(
        config.model, config.data, index, dropout=config.regularization.dropout, width=config.model.width
    )
    batches = batch_plan(ctx, config.data, card, index, soft_labels=ctx.input("soft_labels").path)
    batches = replace(batches, split_file=_fraction_of_split(ctx, ctx.output.scratch / "split.parquet"))
    _check_batches(batches, config.training.batch_size)
    return new_task(
        ctx,
        card=card,
        initial=initial,
        batches=batches,
        objective=config.distance.objective(1.0, 1.0, config.regularization.label_smoothing),
    )


def _fraction_of_split(ctx: PhaseContext[SweepDistillationConfig], path: Path) -> Path:
    """The split with only a fraction of its train and val photos, each photo by its hash."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = ctx.config.data
    fractions = {"train": data.train_fraction, "val": data.val_fraction}
    table = pq.read_table(ctx.input("split").file("split.parquet"))
    rows = zip(table["image_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    kept = [derive_seed(ctx.seed, "sweep", image_id) < fractions.get(name, 0) * 2**63 for image_id, name in rows]
    temporary = path.with_suffix(".tmp")
    pq.write_table(table.filter(pa.array(kept, pa.bool_())), temporary)
    return temporary.replace(path)


def _check_batches(batches: BatchPlan, batch_size: int) -> None:
    from aplantida.data.batches import BatchSource

    try:
        BatchSource(batches).batches_per_epoch(batch_size)
    except ValueError as error:
        raise BadRequest(f"data.train_fraction, data.val_fraction or training.batch_size: {error}") from error


def _write(
    ctx: PhaseContext[SweepDistillationConfig], plan: SearchPlan, task: TrainTask, trials: list[Trial]
) -> dict[str, Any]:
    from aplantida.release.sweep_page import sweep_page

    sizes = {trial.recipe.head_rank: 0 for trial in trials}
    for trial in trials:
        sizes[trial.recipe.head_rank] = sizes[trial.recipe.head_rank] or _weights(trial.recipe.apply(task))
    rows = [
        _row(number, trial, plan, task) | {"bytes": _BYTES_PER_WEIGHT * sizes[trial.recipe.head_rank]}
        for number, trial in enumerate(trials, start=1)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    ctx.output.write_text("trials.csv", text.getvalue())
    sign = -1 if plan.mode == "max" else 1
    best = min(rows, key=lambda row: (sign * row[plan.metric], row["val_loss"], row["trial"]))
    ctx.output.write_text("trials.html", sweep_page(COLUMNS, rows, plan.metric, best["trial"]))
    searched = {name: best[name] for name in plan.values}
    said = {"metric": plan.metric, "value": best[plan.metric], "trial": best["trial"], "epoch": best["best_epoch"]}
    recipe = {"format": "aplantida.recipe/2", "searched": [*searched], **searched, "distance": best["distance"]}
    ctx.output.write_json("best.json", recipe | said)
    summary = {
        "num_trials": len(rows),
        "num_trials_stopped_early": sum(row["stopped"] for row in rows),
        "num_epochs": sum(row["epochs"] for row in rows),
        "metric": plan.metric,
        "best": best[plan.metric],
        "worst": (min if plan.mode == "max" else max)(row[plan.metric] for row in rows),
        **searched,
    }
    ctx.output.write_json("summary.json", {"format": "aplantida.sweep/1", **summary})
    return summary


def _weights(task: TrainTask) -> int:
    """How many weights the trial's model has."""
    from aplantida.models.checkpoint import build

    return sum(weight.numel() for weight in build(task.card).parameters())


def _row(number: int, trial: Trial, plan: SearchPlan, task: TrainTask) -> dict[str, Any]:
    best, tried = trial.best(plan.metric), trial.recipe.apply(task)
    return {
        "trial": number,
        "temperature": trial.recipe.temperature,
        "alpha": trial.recipe.alpha,
        "distance": getattr(tried.objective, "distance", ""),
        "learning_rate": tried.optimization.learning_rate,
        "head_rank": tried.card.head_rank or 0,
        "epochs": len(trial.rows),
        "stopped": int(trial.rows[-1]["epoch"] < task.epochs),
        "best_epoch": best["epoch"],
        **{name: best.get(name, 0.0) for name in _MEASURED},
    }


def _digest_weights(config: SweepDistillationConfig) -> str:
    return digest_pretrained(config.model.pretrained)


PHASE = Phase(
    name="sweep_distillation",
    config=SweepDistillationConfig,
    inputs={"images": "image_shards", "split": "split", "soft_labels": "soft_labels"},
    output="sweep",
    version=3,
    run=run,
    sources={"pretrained": _digest_weights},
)
