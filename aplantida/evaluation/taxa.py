"""Which classes are of one genus, and of one family: sums of probabilities over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplantida.domain.class_index import ClassIndex
from aplantida.evaluation.confusions import taxa


@dataclass(frozen=True, eq=False)
class Rank:
    """The taxa of one rank.

    Attributes:
        names: M of them, sorted; there may be none.
        of_class: (C,) the taxon of each class, or -1 where it is unknown.
    """

    names: tuple[str, ...]
    of_class: npt.NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str | None]) -> Rank:
        """From the taxon of each class."""
        known = sorted({name for name in names if name})
        places = {name: at for at, name in enumerate(known)}
        return cls(tuple(known), np.array([places.get(name or "", -1) for name in names], np.int64))

    def best(self, weights: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The taxon of the largest sum of (n, C) weights, and that sum, (n,) each; -1 and 0 where there is none."""
        if not self.names:
            return np.full(len(weights), -1, np.int64), np.zeros(len(weights))
        order = np.argsort(self.of_class, kind="stable")
        order = order[np.searchsorted(self.of_class[order], 0) :]
        ordered = weights if np.array_equal(order, np.arange(weights.shape[1])) else weights[:, order]
        starts = np.searchsorted(self.of_class[order], np.arange(len(self.names)))
        sums = np.add.reduceat(ordered, starts, axis=1, dtype=np.float64)
        best = sums.argmax(axis=1)
        return best, np.take_along_axis(sums, best[:, None], axis=1)[:, 0]


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """Genus and family of the C classes of a model."""

    genus: Rank
    family: Rank

    @classmethod
    def of(cls, classes: ClassIndex) -> Taxonomy:
        """Of an index: the genus is read from a name where the collection gives none."""
        genera, families = taxa(classes)
        return cls(Rank.of(genera), Rank.of(families))
