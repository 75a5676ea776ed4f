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

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from aplantida.distillation import dense_ensemble, sparse_ensemble
from aplantida.distillation.opinions import Floats, Largest, Opinion, TeacherScores, opinion_of
from aplantida.domain.scores import TAIL_TEMPERATURES, ScoreTable

DEPTH_FACTOR = 4  # a teacher's table is at least this many times as deep as the combined one
_CHUNK_CELLS = 250_000  # of a float64 array: rows x classes, or rows x what the teachers' tables hold of a row

Columns = Sequence[npt.NDArray[np.int64]]


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
    scores, columns = teachers[0].scores, [_columns(teacher.scores, class_ids) for teacher in teachers]
    if top_k is None:
        logits = np.empty((len(scores), len(class_ids)), np.float16)
        for rows in _pieces(np.arange(len(scores)), len(class_ids)):
            logits[rows] = _logits(dense_ensemble.probabilities(_opinions(teachers, columns, rows), len(class_ids)))
        return ScoreTable(scores.image_ids, scores.views, tuple(class_ids), logits)
    classes = np.empty((len(scores), top_k), np.int32)
    kept = np.empty((len(scores), top_k), np.float16)
    tails = np.empty((len(scores), len(TAIL_TEMPERATURES)), np.float32)
    for rows, found in _largest(teachers, columns, len(class_ids), top_k):
        classes[rows], kept[rows], tails[rows] = found.classes, _logits(found.probability), _log(found.rest)
    return ScoreTable(scores.image_ids, scores.views, tuple(class_ids), kept, classes, tails)


def _largest(
    teachers: Sequence[TeacherScores], columns: Columns, num_classes: int, k: int
) -> Iterator[tuple[npt.NDArray[np.int64], Largest]]:
    """Rows and what they hold; of some rows twice, and then the second time counts."""
    whole = [teacher.scores for teacher, at in zip(teachers, columns, strict=True) if len(at) == num_classes]
    open_rows = np.arange(len(teachers[0].scores))
    if not any(scores.is_dense for scores in whole):
        kinds = sparse_ensemble.kinds_of(columns, num_classes)
        wrong = [np.zeros(0, np.int64)]
        for rows in _pieces(open_rows, sum(teacher.scores.logits.shape[1] for teacher in teachers)):
            found, is_right = sparse_ensemble.largest(_opinions(teachers, columns, rows), kinds, k)
            wrong.append(rows[~is_right])
            yield rows, found
        open_rows = np.concatenate(wrong)
    for rows in _pieces(open_rows, num_classes):
        yield rows, dense_ensemble.largest(_opinions(teachers, columns, rows), num_classes, k)


def _pieces(rows: npt.NDArray[np.int64], cells: int) -> list[npt.NDArray[np.int64]]:
    """``rows`` in parts of at most ``_CHUNK_CELLS`` cells, so many a row."""
    step = max(1, _CHUNK_CELLS // cells)
    return [rows[start : start + step] for start in range(0, len(rows), step)]


def _opinions(teachers: Sequence[TeacherScores], columns: Columns, rows: npt.NDArray[np.int64]) -> list[Opinion]:
    return [opinion_of(teacher, at, rows) for teacher, at in zip(teachers, columns, strict=True)]


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


def _logits(probability: Floats) -> npt.NDArray[np.float16]:
    return _log(probability).astype(np.float16)


def _log(values: Floats) -> Floats:
    """log of values, those below the smallest normal float32 counted as that (about -87)."""
    return np.log(np.maximum(values, np.finfo(np.float32).tiny))
