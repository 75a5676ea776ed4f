"""One-sided bounds of a share that was counted: what it is at least, or at most, however few photos there were.

They take photos for independent. Photos of one plant, of one species of strangers, or of one kind of picture are not:
what is claimed is bounded by as many independent ones as they are worth, :func:`at_least` and :func:`at_most`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

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


def design_effects(hits: npt.NDArray[np.bool_], groups: npt.NDArray[Any]) -> tuple[FloatArray, IntArray]:
    """Of the first photo, the first two, … all N: how many are worth one that is independent; and their groups.

    The design effect (Kish 1965, *Survey sampling*, ch. 8) is the variance of the share among whole groups over that
    among independent photos; here at least 1. Where all photos are hits, or none, they say nothing of how alike those
    of a group are: a group then is worth one photo.

    Args:
        hits: (N,).
        groups: (N,) any values that can be compared.

    Returns:
        (N,) design effects and (N,) numbers of groups.
    """
    count = np.arange(1, len(hits) + 1)
    _, group = np.unique(groups, return_inverse=True)
    order = np.argsort(group, kind="stable")
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    first = np.repeat(begins, np.diff(begins, append=len(hits)))  # place of its group's first photo, in group order
    hit = hits.astype(np.float64)
    of_group, hits_before = np.empty(len(hits)), np.empty(len(hits))
    of_group[order] = np.arange(len(hits)) - first  # photos of its group before each
    before = np.cumsum(hit[order]) - hit[order]
    hits_before[order] = before - before[first]
    # sums over groups of hits squared, sizes squared and their product: what one more photo adds to each
    hits_squared = np.cumsum(hit * (2 * hits_before + 1))
    sizes_squared = np.cumsum(2 * of_group + 1)
    product = np.cumsum(hits_before + hit * of_group + hit)
    num_groups, share = np.cumsum(of_group == 0), np.cumsum(hit) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (hits_squared - 2 * share * product + share**2 * sizes_squared) * num_groups / (num_groups - 1)
        effects = np.clip(spread / (count * share * (1 - share)), 1.0, count)
    says_nothing = (share <= 0) | (share >= 1) | (num_groups < 2)
    return np.where(says_nothing, count / num_groups, effects), num_groups


def share_at_least(
    hits: npt.ArrayLike, count: npt.ArrayLike, effect: npt.ArrayLike, num_groups: npt.ArrayLike, level: float = LEVEL
) -> FloatArray:
    """What ``hits`` of ``count`` photos in ``num_groups`` groups speak for at least, ``effect`` of them worth one.

    It is never more than groups without any error speak for: an effect that is told by a few errors is uncertain.
    """
    count = np.asarray(count, np.float64)
    worth = np.maximum(count / np.asarray(effect, np.float64), 1.0)
    found = lower_bound(np.asarray(hits) / np.maximum(count, 1.0) * worth, worth, level)
    return np.where(count > 0, np.minimum(found, lower_bound(num_groups, np.maximum(num_groups, 1), level)), 0.0)


def at_least(hits: npt.NDArray[np.bool_], groups: npt.NDArray[Any], level: float = LEVEL) -> float:
    """What the share of hits among (N,) photos is at least, those of a group alike; 0 of none."""
    if not len(hits):
        return 0.0
    effects, num_groups = design_effects(hits, groups)
    return float(share_at_least(hits.sum(), len(hits), effects[-1], num_groups[-1], level))


def at_most(hits: npt.NDArray[np.bool_], groups: npt.NDArray[Any], level: float = LEVEL) -> float:
    """What the share of hits among (N,) photos is at most, those of a group alike; 1 of none."""
    return 1.0 - at_least(~hits, groups, level)
