"""Several photos of one plant as one: the mean of their calibrated log-probabilities.

That is softmax(mean logits / T): what normalizes each photo cancels. The page's twin is ``fuse`` in ``decide.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores, ScoreTable
from aplantida.evaluation.metrics import check_labels
from aplantida.evaluation.stranger_scores import unit

READ_ROWS = 1024


def fuse(
    logits: Sequence[npt.NDArray[np.floating]], features: Sequence[npt.NDArray[np.floating]] | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Of n photos of one plant: (C,) logits and (F,) features, each photo's of length 1 before; one photo is itself."""
    if len(logits) == 1:
        return np.asarray(logits[0], np.float32), None if features is None else np.asarray(features[0], np.float32)
    mean = np.mean(np.asarray(logits, np.float64), axis=0).astype(np.float32)
    return mean, None if features is None else unit(np.asarray(features)).mean(axis=0).astype(np.float32)


def by_plant(
    table: DenseScores, labels: npt.NDArray[np.integer], groups: npt.NDArray[np.str_], most_rows: int
) -> tuple[ScoreTable, npt.NDArray[np.int64]]:
    """One row for each group with several photos, its mean logits, and its species.

    Args:
        table: dense, N rows.
        labels: (N,) true class positions, the same within a group.
        groups: (N,) which photos show one plant.
        most_rows: groups fused at most, those that come first: each takes (C,) float32 in memory.

    Raises:
        ValueError: when the photos of a group are of two species.
    """
    labels = check_labels(table, labels)
    names, of_row, counts = np.unique(groups, return_inverse=True, return_counts=True)
    species = np.zeros(len(names), np.int64)
    species[of_row] = labels
    if (species[of_row] != labels).any():
        raise ValueError("photos of one group are of two species")
    place = np.cumsum(counts > 1) - 1
    kept = np.flatnonzero((counts > 1) & (place < most_rows))
    row_of = np.full(len(names), -1, np.int64)
    row_of[kept] = np.arange(len(kept))
    sums = np.zeros((len(kept), len(table.class_ids)), np.float32)
    for at, block in table.blocks(READ_ROWS):
        rows = row_of[of_row[at]]
        inside = np.flatnonzero(rows >= 0)
        np.add.at(sums, rows[inside], block.logits[inside].astype(np.float32))
    means = (sums / counts[kept][:, None]).astype(np.float16)
    return ScoreTable(names[kept], np.zeros(len(kept), np.int16), table.class_ids, means), species[kept]
