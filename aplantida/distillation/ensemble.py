"""Several teachers, global and regional, become one soft label per view.

The combined label is ``log Σ w·p`` at T=1, the arithmetic mean of the teachers' distributions (an ensemble as teacher:
Hinton et al., 2015, arXiv 1503.02531). A regional teacher knows a subset S of the classes: its softmax is scaled by the
mass the global teachers put on S, and the classes outside S keep the global probabilities, so that every teacher's
opinion is a distribution over all classes.

Teachers stored as top-k lack their tails' single classes. Such a class counts with its tail's mean: at T=1 for the
combined probability, and at each T of ``TAIL_TEMPERATURES`` for the combined tail, so that one teacher alone comes out
exactly as it went in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import TAIL_TEMPERATURES, ScoreTable, concat, log_sum_exp

DEPTH_FACTOR = 4  # a teacher's table is at least this many times as deep as the combined one
_CHUNK_CELLS = 4_000_000  # rows x classes worked on at once

Floats = npt.NDArray[np.float64]


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

    def row_weights(self, rows: slice) -> Floats:
        """Its share on each of ``rows``."""
        count = len(range(*rows.indices(len(self.scores))))
        weights = np.full(count, self.weight)
        if self.weight_in_region is not None and self.in_region is not None:
            weights[self.in_region[rows]] = self.weight_in_region
        return weights


@dataclass(frozen=True)
class _Opinion:
    """Probabilities over all C classes of some rows.

    Attributes:
        probability: (N, C) at T=1; a class of the tail has the tail's mean.
        known: (N, C) whether that is the class's own value.
        fill: per T of ``TAIL_TEMPERATURES`` (N, C): mean of p^(1/T) over the tail, or None when nothing is unknown.
    """

    probability: Floats
    known: npt.NDArray[np.bool_]
    fill: tuple[Floats, ...] | None


def combine(teachers: Sequence[TeacherScores], class_ids: Sequence[str], top_k: int | None = None) -> ScoreTable:
    """One table over all classes; its logits are log-probabilities.

    Args:
        teachers: at least one of them global; all with the same rows in the same order.
        class_ids: the C classes of the result.
        top_k: k largest kept plus tail; None for a dense table (then every teacher must be dense).

    Raises:
        ValueError: when no teacher is global, rows or classes do not fit, or a teacher's table is too shallow.
    """
    _check(teachers, class_ids, top_k)
    first = teachers[0].scores
    columns = [_columns(teacher.scores, class_ids) for teacher in teachers]
    step = max(1, _CHUNK_CELLS // len(class_ids))
    parts: list[ScoreTable] = []
    for start in range(0, max(len(first), 1), step):
        rows = slice(start, start + step)
        opinion = _combined(teachers, columns, rows, len(class_ids))
        ids, views = first.image_ids[rows], first.views[rows]
        parts.append(_to_table(opinion, ids, views, tuple(class_ids), top_k))
    return parts[0] if len(parts) == 1 else concat(parts)


def _check(teachers: Sequence[TeacherScores], class_ids: Sequence[str], top_k: int | None) -> None:
    if not teachers:
        raise ValueError("combining wants at least one teacher")
    wanted = set(class_ids)
    if len(wanted) != len(class_ids) or not class_ids:
        raise ValueError("the classes of a combined table must be one or more, each named once")
    if top_k is not None and not 1 <= top_k < len(class_ids):
        raise ValueError(f"top_k must lie in 1..{len(class_ids) - 1} for {len(class_ids)} classes, not {top_k}")
    if not any(set(teacher.scores.class_ids) == wanted for teacher in teachers):
        raise ValueError(f"no teacher is global: none knows all {len(class_ids)} classes")
    for position, teacher in enumerate(teachers):
        _check_teacher(f"teacher {position}", teacher.scores, teachers[0].scores, wanted, top_k)


def _check_teacher(name: str, scores: ScoreTable, first: ScoreTable, wanted: set[str], top_k: int | None) -> None:
    strangers = sorted(set(scores.class_ids) - wanted)
    if strangers:
        raise ValueError(f"{name} knows {len(strangers)} classes the split does not, {strangers[0]!r} for one")
    if not (np.array_equal(scores.image_ids, first.image_ids) and np.array_equal(scores.views, first.views)):
        raise ValueError(f"{name} has other rows than teacher 0 ({len(scores)} and {len(first)}), or another order")
    if scores.is_dense:
        return
    if top_k is None:
        raise ValueError(f"{name} is stored as top-{scores.logits.shape[1]}: a dense result wants dense teachers")
    depth, enough = scores.logits.shape[1], min(DEPTH_FACTOR * top_k, len(scores.class_ids) - 1)
    if depth < enough:
        raise ValueError(f"{name} is stored as top-{depth}: a combined top-{top_k} wants at least top-{enough}")


def _columns(scores: ScoreTable, class_ids: Sequence[str]) -> npt.NDArray[np.int64]:
    positions = {class_id: position for position, class_id in enumerate(class_ids)}
    return np.asarray([positions[class_id] for class_id in scores.class_ids], dtype=np.int64)


def _combined(
    teachers: Sequence[TeacherScores], columns: Sequence[npt.NDArray[np.int64]], rows: slice, num_classes: int
) -> _Opinion:
    spread = [_spread(teacher.scores, at, rows, num_classes) for teacher, at in zip(teachers, columns, strict=True)]
    weights = [teacher.row_weights(rows) for teacher in teachers]
    is_global = [len(at) == num_classes for at in columns]
    glob = _mean(
        [opinion for opinion, yes in zip(spread, is_global, strict=True) if yes],
        [weight for weight, yes in zip(weights, is_global, strict=True) if yes],
    )
    whole = [
        opinion if yes else _on_global(opinion, at, glob)
        for opinion, at, yes in zip(spread, columns, is_global, strict=True)
    ]
    return _mean(whole, weights)


def _spread(scores: ScoreTable, at: npt.NDArray[np.int64], rows: slice, num_classes: int) -> _Opinion:
    """A teacher's own softmax, put at its classes' columns; 0 (and "known") elsewhere."""
    logits = scores.logits[rows].astype(np.float64)
    count = len(logits)
    probability = np.zeros((count, num_classes))
    if scores.indices is None or scores.tail_logsumexp is None:
        probability[:, at] = np.exp(logits - log_sum_exp(logits)[:, None])
        return _Opinion(probability, np.ones_like(probability, dtype=bool), None)
    tails = scores.tail_logsumexp[rows].astype(np.float64)
    total = log_sum_exp(np.concatenate([logits, tails[:, :1]], axis=1))
    known = np.ones_like(probability, dtype=bool)
    known[:, at] = False
    where = at[scores.indices[rows]]
    np.put_along_axis(known, where, True, axis=1)
    fill: list[Floats] = []
    for column, temperature in enumerate(TAIL_TEMPERATURES):
        mean = np.exp(tails[:, column] - total / temperature) / max(scores.tail_count, 1)
        fill.append(np.where(known, 0.0, mean[:, None]))
    probability += fill[0]
    np.put_along_axis(probability, where, np.exp(logits - total[:, None]), axis=1)
    return _Opinion(probability, known, tuple(fill))


def _on_global(regional: _Opinion, at: npt.NDArray[np.int64], glob: _Opinion) -> _Opinion:
    """A regional teacher's opinion over all classes: its own, scaled, on its classes; the global one elsewhere."""
    mass = glob.probability[:, at].sum(axis=1, keepdims=True)
    probability, known = glob.probability.copy(), glob.known.copy()
    probability[:, at] = regional.probability[:, at] * mass
    known[:, at] = regional.known[:, at]
    if glob.fill is None and regional.fill is None:
        return _Opinion(probability, known, None)
    fill: list[Floats] = []
    for column, temperature in enumerate(TAIL_TEMPERATURES):
        outside = _fill(glob, column).copy()
        outside[:, at] = _fill(regional, column)[:, at] * mass ** (1.0 / temperature)
        fill.append(outside)
    return _Opinion(probability, known, tuple(fill))


def _mean(opinions: Sequence[_Opinion], weights: Sequence[Floats]) -> _Opinion:
    """The weighted mean; a class is unknown only where every opinion lacks it."""
    shares = [(weight / sum(weights))[:, None] for weight in weights]
    probability = sum(share * opinion.probability for share, opinion in zip(shares, opinions, strict=True))
    known = np.logical_or.reduce([opinion.known for opinion in opinions])
    if all(opinion.fill is None for opinion in opinions):
        return _Opinion(np.asarray(probability), known, None)
    fill = tuple(
        np.asarray(sum(share * _fill(opinion, column) for share, opinion in zip(shares, opinions, strict=True)))
        for column in range(len(TAIL_TEMPERATURES))
    )
    return _Opinion(np.asarray(probability), known, fill)


def _fill(opinion: _Opinion, column: int) -> Floats:
    """The opinion's p^(1/T) where it does not know the class, 0 (never used) where it does."""
    return np.zeros_like(opinion.probability) if opinion.fill is None else opinion.fill[column]


def _to_table(
    opinion: _Opinion,
    image_ids: npt.NDArray[np.str_],
    views: npt.NDArray[np.int16],
    class_ids: tuple[str, ...],
    top_k: int | None,
) -> ScoreTable:
    logits = _logits(opinion.probability)
    if top_k is None:
        return ScoreTable(image_ids, views, class_ids, logits)
    order = np.argsort(-opinion.probability, axis=1, kind="stable")
    top, rest = order[:, :top_k], order[:, top_k:]
    tail = np.take_along_axis(opinion.probability, rest, axis=1)
    tail_known = np.take_along_axis(opinion.known, rest, axis=1)
    sums: list[Floats] = []
    for column, temperature in enumerate(TAIL_TEMPERATURES):
        parts = tail ** (1.0 / temperature)
        if opinion.fill is not None:
            parts = np.where(tail_known, parts, np.take_along_axis(opinion.fill[column], rest, axis=1))
        sums.append(np.log(np.maximum(parts.sum(axis=1), np.finfo(np.float32).tiny)))
    tails = np.stack(sums, axis=1).astype(np.float32)
    kept = np.take_along_axis(logits, top, axis=1)
    return ScoreTable(image_ids, views, class_ids, kept, top.astype(np.int32), tails)


def _logits(probability: Floats) -> npt.NDArray[np.float16]:
    """log p as float16; p below the smallest normal float32 counts as that (about -87)."""
    return np.log(np.maximum(probability, np.finfo(np.float32).tiny)).astype(np.float16)
