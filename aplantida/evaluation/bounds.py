"""One-sided bounds of a share that was counted: what it is at least, or at most, however few photos there were.

They take photos for independent. Photos of one plant, of one species of strangers, or of one kind of picture are not:
what is claimed is bounded by as many independent ones as they are worth, :func:`independent`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

LEVEL = 0.9  # of all bounds that thresholds are chosen by
Numbers = npt.NDArray[np.float64]


def lower_bound(hits: npt.ArrayLike, count: npt.ArrayLike, level: float = LEVEL) -> Numbers:
    """The share that ``hits`` of ``count`` >= 1 speak for at least, at ``level`` (Clopper & Pearson 1934)."""
    hits, count = np.asarray(hits, np.float64), np.asarray(count, np.float64)
    bound = betaincinv(np.maximum(hits, 1e-9), count - hits + 1.0, 1.0 - level)
    return np.where(hits > 0, bound, 0.0)


def upper_bound(hits: npt.ArrayLike, count: npt.ArrayLike, level: float = LEVEL) -> Numbers:
    """The share that ``hits`` of ``count`` speak for at most, at ``level``; 1 where nothing was counted."""
    hits, count = np.asarray(hits, np.float64), np.asarray(count, np.float64)
    return 1.0 - lower_bound(count - hits, np.maximum(count, 1.0), level) * (count > 0)


def design_effect(hits: npt.NDArray[np.bool_], groups: npt.NDArray[Any]) -> float:
    """How many photos are worth one that is independent of the others (Kish 1965, *Survey sampling*, ch. 8).

    The variance of the share among whole groups over that among independent photos, at least 1. Where all photos are
    hits, or none, they say nothing of how alike those of a group are: a group then is worth one photo.

    Args:
        hits: (N,), N >= 1.
        groups: (N,) any values that can be compared.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count, num_groups, share = len(hits), len(sizes), float(hits.mean())
    if not 0.0 < share < 1.0 or num_groups < 2:
        return count / num_groups
    spread = float((np.bincount(group, hits - share) ** 2).sum()) * num_groups / (num_groups - 1)
    return min(max(1.0, spread / (count * share * (1.0 - share))), float(count))


def independent(hits: npt.NDArray[np.bool_], groups: npt.NDArray[Any]) -> tuple[float, float]:
    """Hits and count, fractions, of as many independent photos as these (N,) are worth; 0 and 0 of none."""
    if not len(hits):
        return 0.0, 0.0
    effect = design_effect(hits, groups)
    return float(hits.sum()) / effect, len(hits) / effect
