"""What a search tries: recipes of the distillation, and the trials that try them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import Any, Literal

from aplantida.training.objectives import Distance, Distillation
from aplantida.training.task import TrainTask

Row = dict[str, float]
Metric = Literal["val_top1", "val_loss"]
CHOICES = ("distance", "head_rank")  # searched out of a list; the others between the least and the largest
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a trial tries.

    Attributes:
        temperature: of the distillation, 1..8.
        alpha: weight of the distance, 0..1.
        distance: ``kd``, ``dkd``, ``dist`` or ``js``; None = the task's.
        learning_rate: at its peak; None = the task's.
        head_rank: of a low-rank head; 0 = a dense one, None = the task's.
    """

    temperature: float
    alpha: float
    distance: Distance | None = None
    learning_rate: float | None = None
    head_rank: int | None = None

    @classmethod
    def of(cls, drawn: Mapping[str, Any]) -> Recipe:
        """From what the searcher drew, rounded: equal recipes are written alike."""
        rate = drawn.get("learning_rate")
        return cls(
            temperature=round(drawn["temperature"], _DIGITS),
            alpha=round(drawn["alpha"], _DIGITS),
            distance=drawn.get("distance"),
            learning_rate=None if rate is None else float(f"{rate:.3g}"),
            head_rank=drawn.get("head_rank"),
        )

    def drawn(self) -> dict[str, Any]:
        """By name, what is not the task's."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def apply(self, task: TrainTask) -> TrainTask:
        """The task with this recipe."""
        objective = task.objective
        assert isinstance(objective, Distillation)
        objective = replace(objective, temperature=self.temperature, alpha=self.alpha)
        if self.distance is not None:
            objective = replace(objective, distance=self.distance)
        task = replace(task, objective=objective, batches=replace(task.batches, temperature=self.temperature))
        if self.learning_rate is not None:
            task = replace(task, optimization=replace(task.optimization, learning_rate=self.learning_rate))
        if self.head_rank is not None:
            task = replace(task, card=replace(task.card, head_rank=self.head_rank or None))
        return task


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What is tried, and how it is decided.

    Attributes:
        algorithm: ``grid``: every combination of the values; ``optuna``: the TPE sampler, numbers between the least and
            the largest (rates on a logarithmic scale), kinds and ranks out of the list.
        temperatures: of the distillation, 1..8.
        alphas: weights of the distance, 0..1.
        distances: kinds of it; empty = the task's.
        learning_rates: at their peak; empty = the task's.
        head_ranks: of low-rank heads, 0 = a dense one; empty = the task's.
        num_trials: of ``optuna``.
        scheduler: ``asha`` stops trials that fall behind (Li et al., 2020, arXiv 1810.05934); ``none`` lets all finish.
        grace_epochs: no trial is stopped before.
        reduction_factor: of the trials that reach a rung, one in so many goes on.
        metric: what is compared.
        seed: of the sampler.
        max_concurrent: trials at a time.
        first: the recipe that ``optuna`` tries before it draws any; None = it draws all.
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
    distances: tuple[Distance, ...] = ()
    learning_rates: tuple[float, ...] = ()
    head_ranks: tuple[int, ...] = ()
    first: Recipe | None = None

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether more of the metric is better."""
        return "max" if self.metric == "val_top1" else "min"

    @property
    def total(self) -> int:
        """Number of trials."""
        return self.num_trials if self.algorithm == "optuna" else prod(len(values) for values in self.values.values())

    @property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """What is varied: the values by name."""
        some = {
            "temperature": self.temperatures,
            "alpha": self.alphas,
            "distance": self.distances,
            "learning_rate": self.learning_rates,
            "head_rank": self.head_ranks,
        }
        return {name: values for name, values in some.items() if values}

    @property
    def start(self) -> dict[str, Any] | None:
        """The first recipe as far as it is varied: numbers the nearest in their range, choices out of their list."""
        if self.first is None:
            return None
        wanted = self.first.drawn()
        return {name: _nearest(name, wanted.get(name), values) for name, values in self.values.items()}


def _nearest(name: str, wanted: Any, values: tuple[Any, ...]) -> Any:
    if name in CHOICES or wanted is None:
        return wanted if wanted in values else values[0]
    return min(max(wanted, min(values)), max(values))


@dataclass(frozen=True)
class Trial:
    """A finished trial: its recipe, and one row per epoch as the training loop reports them."""

    recipe: Recipe
    rows: list[Row] = field(default_factory=list)

    def best(self, metric: Metric) -> Row:
        """The row of its best epoch, the earliest of equals."""
        return (max if metric == "val_top1" else min)(self.rows, key=lambda row: row[metric])
