"""What each teacher says of some rows, as probabilities: the terms that both forms of the ensemble combine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import TAIL_TEMPERATURES, ScoreTable, log_sum_exp

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TeacherScores:
    """What one teacher says.

    Attributes:
        scores: N rows; ``scores.class_ids`` are all classes (a global teacher) or some (a regional one).
        weight: its share, > 0; shares are relative to the other teachers'.
        weight_in_region: its share on rows of ``in_region``; None for ``weight`` everywhere.
        in_region: (N,) whether a row's photo belongs to the teacher's region; None for nowhere.
    """

    scores: ScoreTable
    weight: float = 1.0
    weight_in_region: float | None = None
    in_region: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse weights that cannot be meant."""
        for name, value in (("weight", self.weight), ("weight_in_region", self.weight_in_region)):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"a teacher's {name} must be positive, not {value}")
        if self.in_region is not None and len(self.in_region) != len(self.scores):
            raise ValueError(f"in_region has {len(self.in_region)} entries for {len(self.scores)} rows")

    def row_weights(self, rows: Ints) -> Floats:
        """Its share on each of ``rows``."""
        weights = np.full(len(rows), self.weight)
        if self.weight_in_region is not None and self.in_region is not None:
            weights[self.in_region[rows]] = self.weight_in_region
        return weights


@dataclass(frozen=True)
class Opinion:
    """One teacher's softmax of N rows.

    Attributes:
        weight: (N,) its share.
        columns: (S,) where its classes stand among all C.
        where: (N, k) columns of the classes it gives a value each: the k largest, or all S.
        probability: (N, k) those values, at T=1.
        tail: (N, 7) mean of p^(1/T) over its other classes, per T of ``TAIL_TEMPERATURES``; None when there are none.
    """

    weight: Floats
    columns: Ints
    where: Ints
    probability: Floats
    tail: Floats | None


@dataclass(frozen=True)
class Largest:
    """The k largest probabilities of N rows, and what the rest sums to.

    Attributes:
        classes: (N, k) their columns, largest first, equal ones by column.
        probability: (N, k).
        rest: (N, 7) sum of p^(1/T) over the other classes, per T of ``TAIL_TEMPERATURES``.
    """

    classes: Ints
    probability: Floats
    rest: Floats


def opinion_of(teacher: TeacherScores, columns: Ints, rows: Ints) -> Opinion:
    """The teacher's opinion of ``rows``, its classes standing at ``columns`` among all."""
    scores, weight = teacher.scores, teacher.row_weights(rows)
    logits = scores.logits[rows].astype(np.float64)
    if scores.indices is None or scores.tail_logsumexp is None:
        where = np.broadcast_to(columns, logits.shape)
        return Opinion(weight, columns, where, np.exp(logits - log_sum_exp(logits)[:, None]), None)
    tails = scores.tail_logsumexp[rows].astype(np.float64)
    total = log_sum_exp(np.concatenate([logits, tails[:, :1]], axis=1))
    inverse = 1.0 / np.asarray(TAIL_TEMPERATURES)
    tail = np.exp(tails - total[:, None] * inverse) / max(scores.tail_count, 1)
    probability = np.exp(logits - total[:, None])
    return Opinion(weight, columns, columns[scores.indices[rows]], probability, tail)


def shares(opinions: Sequence[Opinion]) -> list[Floats]:
    """Each opinion's part of the sum of their weights, (N,) each."""
    total = np.sum([opinion.weight for opinion in opinions], axis=0)
    return [opinion.weight / total for opinion in opinions]
