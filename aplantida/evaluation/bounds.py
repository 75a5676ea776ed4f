"""One-sided bounds of a share that was counted: what it is at least, or at most, however few photos there were."""

from __future__ import annotations

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
