"""The ensemble over every cell, (rows x classes): for dense results, and for rows whose tail reaches the top k.

Its cost grows with the number of classes; see :mod:`aplantida.distillation.sparse_ensemble` for the other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplantida.distillation.opinions import Floats, Ints, Largest, Opinion, shares
from aplantida.domain.scores import TAIL_TEMPERATURES


@dataclass(frozen=True)
class _Spread:
    """Probabilities over all C classes of some rows.

    Attributes:
        probability: (N, C) at T=1; a class of the tail has the tail's mean.
        known: (N, C) whether that is the class's own value; None when all are.
        fill: per T of ``TAIL_TEMPERATURES`` (N, C): mean of p^(1/T) over the tail; None when all are known.
    """

    probability: Floats
    known: npt.NDArray[np.bool_] | None
    fill: tuple[Floats, ...] | None


def probabilities(opinions: Sequence[Opinion], num_classes: int) -> Floats:
    """(N, C): what the teachers say together; a class in everybody's tail has the tails' mean."""
    return _combined(opinions, num_classes).probability


def largest(opinions: Sequence[Opinion], num_classes: int, k: int) -> Largest:
    """The k largest probabilities together."""
    spread = _combined(opinions, num_classes)
    order = np.argsort(-spread.probability, axis=1, kind="stable")
    top, rest = order[:, :k], order[:, k:]
    tail = np.take_along_axis(spread.probability, rest, axis=1)
    known = None if spread.known is None else np.take_along_axis(spread.known, rest, axis=1)
    sums: list[Floats] = []
    for column, temperature in enumerate(TAIL_TEMPERATURES):
        parts = tail ** (1.0 / temperature)
        if spread.fill is not None and known is not None:
            parts = np.where(known, parts, np.take_along_axis(spread.fill[column], rest, axis=1))
        sums.append(parts.sum(axis=1))
    return Largest(top, np.take_along_axis(spread.probability, top, axis=1), np.stack(sums, axis=1))


def _combined(opinions: Sequence[Opinion], num_classes: int) -> _Spread:
    spread = [_spread(opinion, num_classes) for opinion in opinions]
    everywhere = [position for position, opinion in enumerate(opinions) if len(opinion.columns) == num_classes]
    glob = _mean([spread[at] for at in everywhere], shares([opinions[at] for at in everywhere]))
    whole = [
        own if len(opinion.columns) == num_classes else _on_global(own, opinion.columns, glob)
        for own, opinion in zip(spread, opinions, strict=True)
    ]
    return _mean(whole, shares(opinions))


def _spread(opinion: Opinion, num_classes: int) -> _Spread:
    """A teacher's own softmax, put at its classes' columns; 0 (and "known") elsewhere."""
    probability = np.zeros((len(opinion.where), num_classes))
    if opinion.tail is None:
        probability[:, opinion.columns] = opinion.probability
        return _Spread(probability, None, None)
    known = np.ones_like(probability, dtype=bool)
    known[:, opinion.columns] = False
    np.put_along_axis(known, opinion.where, True, axis=1)
    fill = tuple(np.where(known, 0.0, mean[:, None]) for mean in opinion.tail.T)
    probability += fill[0]
    np.put_along_axis(probability, opinion.where, opinion.probability, axis=1)
    return _Spread(probability, known, fill)


def _on_global(regional: _Spread, at: Ints, glob: _Spread) -> _Spread:
    """A regional teacher's opinion over all classes: its own, scaled, on its classes; the global one elsewhere."""
    mass = glob.probability[:, at].sum(axis=1, keepdims=True)
    probability = glob.probability.copy()
    probability[:, at] = regional.probability[:, at] * mass
    if glob.fill is None and regional.fill is None:
        return _Spread(probability, None, None)
    known = _known(glob).copy()
    known[:, at] = _known(regional)[:, at]
    fill: list[Floats] = []
    for column, temperature in enumerate(TAIL_TEMPERATURES):
        outside = _fill(glob, column).copy()
        outside[:, at] = _fill(regional, column)[:, at] * mass ** (1.0 / temperature)
        fill.append(outside)
    return _Spread(probability, known, tuple(fill))


def _mean(spreads: Sequence[_Spread], parts: Sequence[Floats]) -> _Spread:
    """The weighted mean; a class is unknown only where every opinion lacks it."""
    probability = np.zeros_like(spreads[0].probability)
    for part, spread in zip(parts, spreads, strict=True):
        probability += part[:, None] * spread.probability
    if any(spread.fill is None for spread in spreads):
        return _Spread(probability, None, None)
    known = np.logical_or.reduce([_known(spread) for spread in spreads])
    fill = tuple(
        np.sum([part[:, None] * _fill(spread, column) for part, spread in zip(parts, spreads, strict=True)], axis=0)
        for column in range(len(TAIL_TEMPERATURES))
    )
    return _Spread(probability, known, fill)


def _known(spread: _Spread) -> npt.NDArray[np.bool_]:
    return np.ones_like(spread.probability, dtype=bool) if spread.known is None else spread.known


def _fill(spread: _Spread, column: int) -> Floats:
    """The opinion's p^(1/T) where it does not know the class, 0 (never used) where it does."""
    return np.zeros_like(spread.probability) if spread.fill is None else spread.fill[column]
