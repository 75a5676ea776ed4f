"""Intervals by resampling whole groups of photos: those of one observation succeed and fail together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_LEVEL = 95.0
_AT_ONCE = 64  # resamplings whose counts lie in memory together


@dataclass(frozen=True, eq=False)
class Groups:
    """What is drawn anew, and how often.

    Attributes:
        keys: (N,) the group of each photo, any values that can be compared.
        resamples: how many times as many groups are drawn as there are; >= 1.
    """

    keys: npt.NDArray[Any]
    resamples: int = 1000

    def where(self, mask: npt.NDArray[np.bool_]) -> Groups:
        """Only the photos under ``mask`` (N,)."""
        return Groups(self.keys[mask], self.resamples)


def bootstrap_intervals(
    values: Mapping[str, npt.NDArray[Any]], macro: Sequence[str], labels: npt.NDArray[np.integer], groups: Groups
) -> dict[str, list[float]] | None:
    """95 % percentile intervals of means (Efron & Tibshirani 1993, ch. 13), groups drawn with replacement.

    The draw is fixed: equal photos give equal intervals. A mean over species is a mean of photos that weigh one over
    the number of their species' photos, the same in every resampling. (With the number that was drawn instead, a
    species of one group would show what it always shows, or be left out: an interval too narrow.)

    Returns:
        By name the two ends; None where all photos are of one group, of which every resampling is the same.

    Args:
        values: by name (N,) numbers, N >= 1, whose means are asked for.
        macro: which of them are averaged over species too, as ``macro_NAME``.
        labels: (N,) species.
        groups: of the N photos.
    """
    names, group = np.unique(groups.keys, return_inverse=True)
    if len(names) < 2:
        return None
    pairs, cell = np.unique(np.stack([group, labels]), axis=1, return_inverse=True)  # a group may show several species
    of_group, of_species = pairs
    _, of_species = np.unique(of_species, return_inverse=True)
    sizes = np.bincount(cell)
    sums = {name: np.bincount(cell, value) for name, value in values.items()}
    weights = 1.0 / np.bincount(of_species, sizes)[of_species]
    weighted, weight = {name: weights * sums[name] for name in macro}, weights * sizes
    num_groups, random = len(names), np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in (*values, *(f"macro_{name}" for name in macro))}
    for start in range(0, groups.resamples, _AT_ONCE):
        count = min(_AT_ONCE, groups.resamples - start)
        picks = random.integers(num_groups, size=(count, num_groups), dtype=np.int32)
        for row in picks:
            times = np.bincount(row, minlength=num_groups)[of_group]
            for name, total in sums.items():
                drawn[name].append(float(times @ total / (times @ sizes)))
            for name, total in weighted.items():
                drawn[f"macro_{name}"].append(float(times @ total / (times @ weight)))
    edges = ((100.0 - _LEVEL) / 2, (100.0 + _LEVEL) / 2)
    return {name: [float(edge) for edge in np.percentile(found, edges)] for name, found in drawn.items()}
