"""The config of the sweep: what is tried, on which photos, and how a trial trains."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator

from aplantida.phases._admission import LineageGates
from aplantida.phases._collection_file import LearningConfig
from aplantida.phases._distillation import DistanceSection
from aplantida.phases._student import SizeGates, StudentModelSection
from aplantida.phases._training_config import InputSection, RegularizationSection, TrainingSection
from aplantida.pipeline.config import Resources, Section, SeededConfig

ChoiceT = TypeVar("ChoiceT", int, float)


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
    """The photos of a trial. ``val_fraction`` None is ``auto``: as many val photos as tell trials apart."""

    train_fraction: float = Field(default=0.2, gt=0, le=1)
    val_fraction: Annotated[float, Field(gt=0, le=1)] | None = 1.0

    @field_validator("val_fraction", mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return None if value == "auto" else value


class SweepGates(LineageGates, SizeGates):
    """What its trials may learn from, and how large the student may be."""


class SweepResources(Resources):
    """Where the trials run."""

    num_loader_workers: int | None = Field(default=None, ge=0)
    cache_images: bool = False
    max_failures: int = Field(default=2, ge=0)


class SweepDistillationConfig(SeededConfig, LearningConfig):
    """The search, and the training of a trial."""

    search: SearchSection = SearchSection()
    distance: DistanceSection = DistanceSection()
    model: StudentModelSection = StudentModelSection()
    training: TrainingSection = TrainingSection(epochs=4)
    data: SweepInputSection = SweepInputSection()
    regularization: RegularizationSection = RegularizationSection()
    gates: SweepGates = SweepGates()
    resources: SweepResources = SweepResources()
