"""What the three training phases share: their config's sections, and the way from a config to a sealed checkpoint."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import PhaseConfig, Resources, Section, expand, root
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.data.batches import BatchPlan
    from aplantida.models.checkpoint import ModelCard
    from aplantida.training.objectives import Objective
    from aplantida.training.optimization import Optimization

Triple = tuple[float, float, float]


class ModelSection(Section):
    """A timm network and its initial weights."""

    name: str
    pretrained: bool | str = True
    pretrained_license: str | None = None
    num_classes: int | None = Field(default=None, ge=2)
    head_rank: int | None = Field(default=None, ge=1)


class TrainingSection(Section):
    """How weights move, and for how long."""

    epochs: int = Field(default=15, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    head_learning_rate_factor: float = Field(default=1.0, gt=0)
    head_only_epochs: float = Field(default=0.0, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    batch_size: int = Field(default=64, ge=1)
    micro_batch_size: int | None = Field(default=None, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    final_learning_rate_fraction: float = Field(default=0.01, ge=0, le=1)
    gradient_clip: float | None = Field(default=1.0, gt=0)
    average_decay: float | None = Field(default=None, gt=0, lt=1)
    batch_norm_momentum: float | None = Field(default=None, gt=0, le=1)
    mixed_precision: Literal["auto", "off"] = "auto"
    compile: bool = False

    def optimization(self) -> Optimization:
        """As the training loop has it."""
        from aplantida.training.optimization import Optimization

        return Optimization(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            head_learning_rate_factor=self.head_learning_rate_factor,
            head_only_epochs=self.head_only_epochs,
            layer_decay=self.layer_decay,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            warmup_epochs=self.warmup_epochs,
            final_learning_rate_fraction=self.final_learning_rate_fraction,
            gradient_clip=self.gradient_clip,
            global_batch_size=self.batch_size,
            micro_batch_size=self.micro_batch_size,
        )


class PhotosSection(Section):
    """Which photos, and how they are changed while training."""

    train_split: Literal["train", "val"] = "train"
    augmentation: Literal["none", "light", "standard", "aggressive"] = "standard"
    sampling: Literal["natural", "square_root", "balanced"] = "natural"
    shuffle_shards: int = Field(default=4, ge=1)


class InputSection(PhotosSection):
    """And how a photo becomes the model's input: born here, carried by the checkpoint."""

    image_size: int = Field(default=224, ge=16, le=1024)
    crop_fraction: float = Field(default=0.875, ge=0.5, le=1)
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD

    def preprocessing(self) -> Preprocessing:
        """As the domain has it."""
        return Preprocessing(self.image_size, self.mean, self.std, self.crop_fraction)


class RegularizationSection(Section):
    """Against learning by heart."""

    dropout: float = Field(default=0.2, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    logit_adjustment: float = Field(default=0.0, ge=0, le=4)
    mixup_alpha: float = Field(default=0.0, ge=0)
    cutmix_alpha: float = Field(default=0.0, ge=0)


class CallbacksSection(Section):
    """Checkpoints and the end of training."""

    early_stopping: bool = True
    early_stopping_patience: int = Field(default=3, ge=1)
    save_checkpoint_every: int = Field(default=1, ge=1)
    save_checkpoint_every_steps: int | None = Field(default=None, ge=1)
    save_best: bool = True
    max_bad_steps: int = Field(default=20, ge=0)


class TrainResources(Resources):
    """Where a training runs."""

    num_workers: int = Field(default=0, ge=0)
    num_loader_workers: int = Field(default=1, ge=0)
    cache_images: bool = False
    max_failures: int = Field(default=2, ge=0)


class TrainConfig(PhaseConfig):
    """The part all trainings have."""

    training: TrainingSection = TrainingSection()
    regularization: RegularizationSection = RegularizationSection()
    callbacks: CallbacksSection = CallbacksSection()
    resources: TrainResources = TrainResources()


ConfigT = TypeVar("ConfigT", bound=TrainConfig)


def pretrained_path(text: str) -> Path:
    """Where a weights file lies; ``${VARIABLE}`` is expanded, relative paths start at ``APLANTIDA_ROOT``."""
    return root() / expand(text)


def digest_pretrained(pretrained: bool | str) -> str:
    """The source digest of initial weights: of the file's bytes; the hub's are named by their architecture.

    Raises:
        BadRequest: when the file is not there.
    """
    if isinstance(pretrained, bool):
        return "hub" if pretrained else "none"
    path = pretrained_path(pretrained)
    if not path.is_file():
        raise BadRequest(f"model.pretrained: {pretrained!r} is {path}, where no file is; want true, false or a file")
    return hash_file(path)


def _initial_weights(pretrained: bool | str) -> tuple[str | Path | None, str | None]:
    """What the task starts from, and what the model card says of it (a name and a hash, never a path)."""
    if pretrained is False:
        return None, None
    if pretrained is True:
        return "hub", "timm hub"
    path = pretrained_path(pretrained)
    return path, f"{path.name} sha256:{hash_file(path)}"


def new_model(
    model: ModelSection, data: InputSection, classes: ClassIndex, *, dropout: float, width: float = 1.0
) -> tuple[ModelCard, str | Path | None]:
    """The card of a model that is yet to be trained on ``classes``, and its initial weights."""
    from aplantida.models.checkpoint import ModelCard

    initial, origin = _initial_weights(model.pretrained)
    card = ModelCard(
        architecture=model.name,
        num_classes=len(classes),
        head_rank=model.head_rank,
        dropout=dropout,
        width=width,
        preprocessing=data.preprocessing(),
        class_ids=classes.class_ids,
        pretrained=origin,
        pretrained_license=model.pretrained_license,
    )
    return card, initial


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
    ctx: PhaseContext[Any], photos: PhotosSection, card: ModelCard, index: ClassIndex, **more: Any
) -> BatchPlan:
    """Batches of the phase's inputs for the classes of ``card``; ``more`` goes to the plan as it is."""
    from aplantida.data.batches import BatchPlan

    unknown = [class_id for class_id in card.class_ids if class_id not in index]
    if unknown:
        raise BadRequest(
            f"the checkpoint knows {len(unknown)} classes that {ctx.input('split').path} does not, e.g. {unknown[0]!r}"
        )
    return BatchPlan(
        images=ctx.input("images").path / "shards",
        split_file=ctx.input("split").file("split.parquet"),
        class_indices=tuple(index.indices_of(card.class_ids)),
        preprocessing=card.preprocessing,
        augmentation=photos.augmentation,
        seed=ctx.seed,
        train_split=photos.train_split,
        sampling=photos.sampling,
        shuffle_shards=photos.shuffle_shards,
        num_loader_workers=ctx.config.resources.num_loader_workers,
        cache_images=ctx.config.resources.cache_images,
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
) -> dict[str, Any]:
    """Train (or go on training), and publish the checkpoint. Returns the phase's metrics."""
    from aplantida.distributed.launch import launch
    from aplantida.training.task import TrainTask

    config = ctx.config
    training, callbacks = config.training, config.callbacks
    task = TrainTask(
        card=card,
        initial=initial,
        batches=batches,
        objective=objective,
        optimization=training.optimization(),
        epochs=training.epochs,
        seed=ctx.seed,
        patience=callbacks.early_stopping_patience if callbacks.early_stopping else None,
        keep_best=callbacks.save_best,
        average_decay=training.average_decay,
        logit_adjustment=config.regularization.logit_adjustment,
        mixup_alpha=config.regularization.mixup_alpha,
        cutmix_alpha=config.regularization.cutmix_alpha,
        mixed_precision=training.mixed_precision == "auto",
        compile=training.compile,
        batch_norm_momentum=training.batch_norm_momentum,
        max_bad_steps=callbacks.max_bad_steps,
        save_every_epochs=callbacks.save_checkpoint_every,
        save_every_steps=callbacks.save_checkpoint_every_steps,
    )
    started = time.monotonic()
    total = training.epochs * training.batch_size * _count_batches(batches, training.batch_size)
    with ctx.progress(total=total, unit="images", description=f"training {card.architecture}") as bar:
        trained = launch(
            task,
            folder=ctx.output.scratch,
            log_path=ctx.output.log_path,
            device=ctx.device,
            num_workers=config.resources.num_workers,
            num_threads=config.resources.num_threads,
            max_failures=config.resources.max_failures,
            on_progress=bar.update,
        )
    _publish(ctx, trained.folder, index.subset(card.class_ids))
    ctx.log.info("val top-1 %.3f in epoch %d", trained.summary["val_top1"], trained.summary["best_epoch"])
    return {**trained.summary, "seconds": round(time.monotonic() - started, 1)}


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
