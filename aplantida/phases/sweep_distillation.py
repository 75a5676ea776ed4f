"""Try recipes of the distillation with Ray Tune, on part of the photos and for few epochs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aplantida.domain.escaping import csv_text
from aplantida.domain.seeds import derive_seed
from aplantida.phases._admission import admit, look_again
from aplantida.phases._distillation import labelled_photos
from aplantida.phases._pairing import check_pairing
from aplantida.phases._student import check_size, judge_size, keep_rank, new_student
from aplantida.phases._sweep_config import SweepDistillationConfig
from aplantida.phases._training import batch_plan, digest_pretrained, new_task, read_class_index
from aplantida.phases._weights import look_at_weights
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    from aplantida.data.batches import BatchPlan
    from aplantida.models.checkpoint import ModelCard
    from aplantida.training.recipes import Recipe, SearchPlan, Trial
    from aplantida.training.task import TrainTask

_MEASURED = ("val_top1", "val_top5", "val_loss")
_RECIPE = ("temperature", "alpha", "distance", "learning_rate", "head_rank")
COLUMNS: tuple[str, ...] = ("trial", *_RECIPE, "bytes", "epochs", "stopped", "best_epoch", *_MEASURED)
ENOUGH_VAL_PHOTOS = 20_000  # the standard error of a top-1 is 0.35 % at most
_BYTES_PER_WEIGHT = 2  # in float16, as the bundle has them


def run(ctx: PhaseContext[SweepDistillationConfig]) -> dict[str, Any]:
    """Run the trials that are not done, and choose the best."""
    from aplantida.distributed.search import TrialWork, search, trial_name

    started = time.monotonic()
    check_pairing(ctx)
    admit(ctx)
    folder = ctx.output.scratch / "trials"
    task = _task(ctx, begun=folder.exists())
    size = check_size(ctx, task.card, ctx.config.search.head_rank)
    plan = _plan(ctx, task.card)
    keep_rank(ctx, task.card)
    work = TrialWork(
        task=task,
        folder=folder,
        writer=ctx.output,
        device=ctx.device,
        num_threads=ctx.config.resources.num_threads,
        num_loader_workers=ctx.config.resources.num_loader_workers,
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
        **size,
        "num_trials_trained": redone,
        "seconds": round(time.monotonic() - started, 1),
    }


def _plan(ctx: PhaseContext[SweepDistillationConfig], card: ModelCard) -> SearchPlan:
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
        seed=derive_seed(ctx.config.seed, "search"),
        max_concurrent=search.max_concurrent,
        first=_first(ctx.config, card),
    )


def _first(config: SweepDistillationConfig, card: ModelCard) -> Recipe | None:
    """What is tried first: its temperature and alpha, everything else as the config has it."""
    from aplantida.training.recipes import Recipe

    first = config.search.first
    return first and Recipe(
        temperature=first.temperature,
        alpha=first.alpha,
        distance=config.distance.kind,
        learning_rate=config.training.learning_rate,
        head_rank=card.head_rank or 0,
    )


def _task(ctx: PhaseContext[SweepDistillationConfig], *, begun: bool) -> TrainTask:
    """A trial's training but for its recipe."""
    config = ctx.config
    index = read_class_index(ctx, config.model.num_classes)
    card, initial = new_student(ctx, config.model, config.data, index, begun=begun)
    batches = batch_plan(ctx, config.data, card, index, soft_labels=labelled_photos(ctx))
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

    from aplantida.domain.split import read_split

    data = ctx.config.data
    table = read_split(ctx.input("split").file("split.parquet"), fraction=data.photo_fraction)
    names = table["split"].to_pylist()
    enough = min(1.0, ENOUGH_VAL_PHOTOS / max(names.count("val"), 1))
    fractions = {"train": data.train_fraction, "val": enough if data.val_fraction is None else data.val_fraction}
    rows = zip(table["image_id"].to_pylist(), names, strict=True)
    kept = [derive_seed(ctx.config.seed, "sweep", image_id) < fractions.get(name, 0) * 2**63 for image_id, name in rows]
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
    ctx.output.write_text("trials.csv", csv_text(COLUMNS, rows))
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
    return digest_pretrained(config.model)


def _look_at_weights(config: SweepDistillationConfig) -> None:
    look_at_weights(config.model)


PHASE = Phase(
    name="sweep_distillation",
    config=SweepDistillationConfig,
    inputs={"images": "image_shards", "split": "split", "soft_labels": "soft_labels"},
    output="sweep",
    version=3,
    run=run,
    sources={"pretrained": _digest_weights},
    look=_look_at_weights,
    judge=judge_size,
    look_again=look_again,
)
