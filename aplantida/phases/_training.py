"""What the three training phases share: the way from a config to a sealed checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aplantida.domain.class_index import ClassIndex, class_index_digest
from aplantida.phases._device import device_here
from aplantida.phases._training_config import InputSection, ModelSection, PhotosSection, TrainConfig, TrainingSection
from aplantida.phases._weights import check_loads, initial_weights, placed
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.data.batches import BatchPlan
    from aplantida.models.checkpoint import ModelCard
    from aplantida.training.objectives import Objective
    from aplantida.training.task import TrainTask

ConfigT = TypeVar("ConfigT", bound=TrainConfig)


def digest_pretrained(model: ModelSection) -> str:
    """The source digest of initial weights: of the very file, however it came here.

    Raises:
        BadRequest: when they are not there, or may not be used.
    """
    return initial_weights(model).digest


def new_model(
    ctx: PhaseContext[Any],
    model: ModelSection,
    data: InputSection,
    classes: ClassIndex,
    *,
    dropout: float,
    head_rank: int | None,
    width: float = 1.0,
) -> tuple[ModelCard, str | Path | None]:
    """The card of a model that is yet to be trained on ``classes``, and its initial weights.

    Raises:
        BadRequest: when these are not the weights that the recipe was made with, or cannot be loaded.
    """
    from aplantida.models.checkpoint import ModelCard

    weights = initial_weights(model)
    looked_at = ctx.sources.get("pretrained", weights.digest)
    if weights.digest != looked_at:
        raise BadRequest(f"model.pretrained: the weights are {weights.digest} now and were {looked_at}: run again")
    check_loads(weights, model.name, width)
    card = ModelCard(
        architecture=model.name,
        num_classes=len(classes),
        head_rank=head_rank,
        dropout=dropout,
        width=width,
        preprocessing=data.preprocessing(),
        class_ids=classes.class_ids,
        pretrained=None if weights.origin is None else str(weights.origin),
        pretrained_license=weights.license,
    )
    return card, weights.initial


def read_class_index(ctx: PhaseContext[Any], num_classes: int | None) -> ClassIndex:
    """The split's classes.

    Raises:
        BadRequest: when the config expects another number of them.
    """
    index = ClassIndex.load(ctx.input("split").file("class_index.json"))
    if num_classes is not None and num_classes != len(index):
        raise BadRequest(
            f"model.num_classes: {num_classes}, but {ctx.input('split').path} has {len(index)} classes; "
            "null takes the split's number"
        )
    return index


def batch_plan(
    ctx: PhaseContext[Any],
    photos: PhotosSection,
    card: ModelCard,
    index: ClassIndex,
    *,
    soft_labels: Path | None = None,
    **more: Any,
) -> BatchPlan:
    """Batches of the phase's inputs for the classes of ``card``; ``more`` goes to the plan as it is."""
    from aplantida.data.batches import BatchPlan
    from aplantida.data.soft_labels import SoftLabels

    return BatchPlan(
        images=ctx.input("images").path / "shards",
        split_file=ctx.input("split").file("split.parquet"),
        class_indices=tuple(index.indices_of(card.class_ids)),
        preprocessing=card.preprocessing,
        augmentation=photos.augmentation,
        train_image_size=photos.train_image_size,
        seed=ctx.config.seed,
        train_split=photos.train_split,
        photo_fraction=photos.photo_fraction,
        sampling=photos.sampling,
        shuffle_shards=photos.shuffle_shards,
        num_loader_workers=ctx.config.resources.num_loader_workers or 0,
        cache_images=ctx.config.resources.cache_images,
        soft_labels=None if soft_labels is None else SoftLabels(soft_labels, class_index_digest(card.class_ids)),
        **more,
    )


def run_training(
    ctx: PhaseContext[ConfigT],
    *,
    card: ModelCard,
    initial: str | Path | None,
    batches: BatchPlan,
    objective: Objective,
    index: ClassIndex,
    at_start: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train (or go on training), and publish the checkpoint. Returns the phase's metrics.

    ``at_start`` is called when nothing speaks against the training any more.
    """
    from aplantida.distributed.launch import launch

    config, training, callbacks = ctx.config, ctx.config.training, ctx.config.callbacks
    task = new_task(
        ctx,
        card=card,
        initial=initial,
        batches=batches,
        objective=objective,
        patience=callbacks.early_stopping_patience if callbacks.early_stopping else None,
        keep_best=callbacks.save_best,
        max_bad_steps=config.gates.max_bad_steps,
        save_every_epochs=callbacks.save_checkpoint_every,
        save_every_steps=callbacks.save_checkpoint_every_steps,
    )
    started = time.monotonic()
    total = training.epochs * training.batch_size * _count_batches(batches, training.batch_size)
    device = ctx.device if config.resources.num_workers else device_here(ctx)
    at_start()
    with ctx.progress(total=total, unit="images", description=f"training {card.architecture}") as bar:
        trained = launch(
            task,
            folder=ctx.output.scratch,
            log_path=ctx.output.log_path,
            device=device,
            num_workers=config.resources.num_workers,
            num_threads=config.resources.num_threads,
            max_failures=config.resources.max_failures,
            on_progress=bar.update,
            check=ctx.output.check_session,
        )
    _publish(ctx, trained.folder, index.subset(card.class_ids))
    _tell(ctx, trained.summary)
    return {**trained.summary, "seconds": round(time.monotonic() - started, 1)}


def _tell(ctx: PhaseContext[ConfigT], summary: dict[str, Any]) -> None:
    if summary["moved_at_steps"]:
        ctx.log.warning(
            "threads, device or workers changed after steps %s: an undisturbed training is not equal to the bit",
            summary["moved_at_steps"],
        )
    ctx.log.info("val top-1 %.3f in epoch %d", summary["val_top1"], summary["best_epoch"])


def new_task(ctx: PhaseContext[Any], **parts: Any) -> TrainTask:
    """A training by the config's sections ``training`` and ``regularization``; ``parts`` go to the task as they are.

    Raises:
        BadRequest: when it wants compiling and the machine has no compiler.
    """
    from aplantida.training.task import TrainTask

    training, regularization = ctx.config.training, ctx.config.regularization
    _check_compiler(training)
    return TrainTask(
        **{**parts, "initial": placed(ctx, parts["initial"], parts["card"].pretrained)},
        optimization=training.optimization(),
        epochs=training.epochs,
        seed=ctx.config.seed,
        average_decay=training.average_decay,
        logit_adjustment=regularization.logit_adjustment,
        mixup_alpha=regularization.mixup_alpha,
        cutmix_alpha=regularization.cutmix_alpha,
        mixed_precision=training.mixed_precision == "auto",
        compile=training.compile,
        batch_norm_momentum=training.batch_norm_momentum,
    )


def _check_compiler(training: TrainingSection) -> None:
    from aplantida.models.devices import compiler_trouble

    trouble = compiler_trouble() if training.compile else None
    if trouble is not None:
        raise BadRequest(f"training.compile: true wants {trouble}; or say false")


def _publish(ctx: PhaseContext[ConfigT], folder: Path, classes: ClassIndex) -> None:
    for name in ("model.safetensors", "model.json", "history.json"):
        copied = shutil.copyfile(folder / name, ctx.output.scratch / name)  # the result stays for a resume
        ctx.output.publish(copied, name)
    ctx.output.write_json("class_index.json", classes.to_json())


def _count_batches(batches: BatchPlan, batch_size: int) -> int:
    from aplantida.data.batches import BatchSource

    try:
        return BatchSource(batches).batches_per_epoch(batch_size)
    except ValueError as error:
        raise BadRequest(f"training.batch_size: {error}") from error
