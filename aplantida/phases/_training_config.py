"""The sections that the configs of the training phases share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from aplantida.domain.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from aplantida.domain.weights import ALLOWED_LICENSES
from aplantida.phases._collection_file import LearningConfig, PhotoGates
from aplantida.phases._photos import DataSection
from aplantida.pipeline.config import Resources, Section, SeededConfig

if TYPE_CHECKING:
    from aplantida.training.optimization import Optimization

Triple = tuple[float, float, float]


class ModelSection(Section):
    """A timm network and its initial weights."""

    name: str
    pretrained: bool | str = True
    revision: str | None = None
    pretrained_license: str | None = None
    weights_list: str = "configs/weights.yaml"
    allowed_licenses: tuple[str, ...] = ALLOWED_LICENSES
    num_classes: int | None = Field(default=None, ge=2)


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


class PhotosSection(DataSection):
    """Which photos, and how they are changed while training."""

    train_split: Literal["train", "val"] = "train"
    augmentation: Literal["none", "light", "standard", "aggressive"] = "standard"
    sampling: Literal["natural", "square_root", "balanced"] = "natural"
    shuffle_shards: int = Field(default=4, ge=1)
    train_image_size: int | None = Field(default=None, ge=16, le=1024)


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


class TrainGates(PhotoGates):
    """What a training may learn from, and what it may go through."""

    max_bad_steps: int = Field(default=20, ge=0)


class TrainResources(Resources):
    """Where a training runs."""

    num_workers: int = Field(default=0, ge=0)
    num_loader_workers: int = Field(default=1, ge=0)
    cache_images: bool = False
    max_failures: int = Field(default=2, ge=0)


class TrainConfig(SeededConfig, LearningConfig):
    """The part all trainings have."""

    MOVED: ClassVar[Mapping[str, str]] = {"callbacks.max_bad_steps": "gates.max_bad_steps"}

    training: TrainingSection = TrainingSection()
    regularization: RegularizationSection = RegularizationSection()
    callbacks: CallbacksSection = CallbacksSection()
    gates: TrainGates = TrainGates()
    resources: TrainResources = TrainResources()


def judge_training(config: TrainConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Whether few enough steps were skipped; a training that skips more ends by itself."""
    found, most = metrics.get("skipped_steps", 0), config.gates.max_bad_steps
    return [f"{found} steps without a finite gradient, gates.max_bad_steps is {most}"] if found > most else []
