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
) -> dict[str, list[float]]:
    """95 % percentile intervals of means (Efron & Tibshirani 1993, ch. 13), groups drawn with replacement.

    The draw is fixed: equal photos give equal intervals.

    Args:
        values: by name (N,) numbers, N >= 1, whose means are asked for.
        macro: which of them are averaged over species too, as ``macro_NAME``; a resampling counts those it holds.
        labels: (N,) species.
        groups: of the N photos.
    """
    _, group = np.unique(groups.keys, return_inverse=True)
    pairs, cell = np.unique(np.stack([group, labels]), axis=1, return_inverse=True)  # a group may show several species
    of_group, of_species = pairs
    _, of_species = np.unique(of_species, return_inverse=True)
    sizes = np.bincount(cell)
    sums = {name: np.bincount(cell, value) for name, value in values.items()}
    num_groups, random = int(of_group.max()) + 1, np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in (*values, *(f"macro_{name}" for name in macro))}
    for start in range(0, groups.resamples, _AT_ONCE):
        count = min(_AT_ONCE, groups.resamples - start)
        picks = random.integers(num_groups, size=(count, num_groups), dtype=np.int32)
        for row in picks:
            times = np.bincount(row, minlength=num_groups)[of_group]
            photos = np.bincount(of_species, times * sizes)
            held = photos > 0
            for name, total in sums.items():
                drawn[name].append(float(times @ total / photos.sum()))
            for name in macro:
                hits = np.bincount(of_species, times * sums[name])
                drawn[f"macro_{name}"].append(float((hits[held] / photos[held]).mean()))
    edges = ((100.0 - _LEVEL) / 2, (100.0 + _LEVEL) / 2)
    return {name: [float(edge) for edge in np.percentile(found, edges)] for name, found in drawn.items()}
