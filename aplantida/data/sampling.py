"""How often a training sees each class: sampling against the long tail."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Sampling = Literal["natural", "square_root", "balanced"]
_POWERS: dict[Sampling, float] = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}


def expected_copies(labels: npt.NDArray[np.int64], sampling: Sampling) -> npt.NDArray[np.float64]:
    """How often each photo is due in an epoch, 1 on average.

    A class of n photos gets a share in proportion to n (``natural``), to its root (``square_root``, as Mahajan et al.,
    2018) or to 1 (``balanced``).
    """
    counts = np.bincount(labels).astype(float)
    weights = counts[labels] ** (_POWERS[sampling] - 1.0)
    return weights * (len(labels) / weights.sum())


def occurrences(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each value how many equal ones come before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    found = np.empty_like(values)
    found[order] = np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    return found
