"""Several photos of one plant as one: the mean of their calibrated log-probabilities.

That is softmax(mean logits / T): what normalizes each photo cancels. The page's twin is ``fuse`` in ``decide.ts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores, ScoreTable
from aplantida.evaluation.metrics import check_labels
from aplantida.evaluation.scanning import CHUNK_ROWS
from aplantida.evaluation.stranger_scores import unit


def fuse(
    logits: Sequence[npt.NDArray[np.floating]], features: Sequence[npt.NDArray[np.floating]] | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Of n photos of one plant: (C,) logits and (F,) features, each photo's of length 1 before; one photo is itself."""
    if len(logits) == 1:
        return np.asarray(logits[0], np.float32), None if features is None else np.asarray(features[0], np.float32)
    mean = np.mean(np.asarray(logits, np.float64), axis=0).astype(np.float32)
    return mean, None if features is None else unit(np.asarray(features)).mean(axis=0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Plants:
    """Which of N photos show one plant.

    Attributes:
        of_photo: (N,) the plant of each photo, 0 … ``num_plants`` - 1, or -1 where it stands alone.
        num_plants: plants with several photos.
    """

    of_photo: npt.NDArray[np.int64]
    num_plants: int


def plants_of(observations: Sequence[str | None], labels: npt.NDArray[np.integer]) -> Plants:
    """Photos of one species with one observation are of one plant; what has no observation stands alone.

    Args:
        observations: N, None where nobody knows; an id that two species share is two plants.
        labels: (N,) species.
    """
    numbers: dict[str, int] = {}  # not an array of texts, in which each would be as long as the longest
    observed = np.array([numbers.setdefault(name, len(numbers)) if name else -1 for name in observations], np.int64)
    _, plant, photos = np.unique(np.stack([observed, labels]), axis=1, return_inverse=True, return_counts=True)
    return _numbered(np.where((photos[plant] > 1) & (observed >= 0), plant, -1))


def pairs_of(labels: npt.NDArray[np.integer]) -> Plants:
    """Two photos of one species after the other, as if they showed one plant; the last of an odd number is alone."""
    order = np.argsort(labels, kind="stable")
    ordered = np.asarray(labels, np.int64)[order]
    place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)  # among those of its species
    paired = place < np.bincount(ordered)[ordered] // 2 * 2 if len(ordered) else np.zeros(0, np.bool_)
    pair = np.empty(len(ordered), np.int64)
    pair[order] = np.where(paired, np.cumsum(place % 2 == 0) - 1, -1)
    return _numbered(pair)


def _numbered(plant: npt.NDArray[np.int64]) -> Plants:
    """Without gaps."""
    names, number = np.unique(plant, return_inverse=True)
    alone = int(len(names) > 0 and names[0] < 0)
    return Plants(number.astype(np.int64) - alone, len(names) - alone)


def by_plant(
    table: DenseScores, labels: npt.NDArray[np.integer], plants: Plants, most_plants: int
) -> tuple[ScoreTable, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """One row for each plant, its mean logits; its species; and (N,) which photos were fused.

    Args:
        table: dense, N rows.
        labels: (N,) true class positions, the same for photos of a plant.
        plants: which photos show one plant.
        most_plants: fused at most, drawn by a fixed seed where there are more: each takes (C,) float32 in memory.
    """
    labels = check_labels(table, labels)
    kept = np.arange(plants.num_plants)
    if len(kept) > most_plants:
        kept = np.sort(np.random.default_rng(0).choice(len(kept), most_plants, replace=False))
    row_of = np.full(plants.num_plants + 1, -1, np.int64)  # the last is of what stands alone
    row_of[kept] = np.arange(len(kept))
    row = row_of[plants.of_photo]
    inside = row >= 0
    species = np.zeros(len(kept), np.int64)
    species[row[inside]] = labels[inside]
    sums = np.zeros((len(kept), len(table.class_ids)), np.float32)
    for at, block in table.blocks(CHUNK_ROWS):
        for photo in np.flatnonzero(inside[at]).tolist():
            sums[row[at.start + photo]] += block.logits[photo]
    sums /= np.bincount(row[inside], minlength=len(kept)).astype(np.float32)[:, None]
    ids = np.array([f"plant {number}" for number in kept.tolist()], dtype=str)
    fused = ScoreTable(ids, np.zeros(len(kept), np.int16), table.class_ids, sums.astype(np.float16))
    return fused, species, inside
