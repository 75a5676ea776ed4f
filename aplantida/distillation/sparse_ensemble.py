"""The ensemble over the classes that some teacher gives a value of its own; the rest follows from a few numbers a row.

A class that lies in every teacher's tail has the tails' means, so all such classes with the same teachers (global ones,
and these or those regional ones) have the same probability. Their number and that probability are enough; the cost of a
row does not depend on the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplantida.distillation.opinions import Floats, Ints, Largest, Opinion, shares
from aplantida.domain.scores import TAIL_TEMPERATURES, largest_positions

_INVERSE = 1.0 / np.asarray(TAIL_TEMPERATURES)
_ROUNDING = 1e-9  # the same sum in another order differs by less

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Kinds:
    """The C classes by which of M teachers know them; G kinds, and one more for "no class".

    Attributes:
        of_class: (C + 1,) each class's kind; the last entry is G.
        counts: (G,) classes of each kind.
        known_to: (M, G + 1) whether the teacher knows the kind; never the last.
    """

    of_class: npt.NDArray[np.unsignedinteger]
    counts: Ints
    known_to: Bools


def kinds_of(columns: Sequence[Ints], num_classes: int) -> Kinds:
    """Sort the classes into kinds by the (S,) columns of each teacher."""
    known = np.zeros((len(columns), num_classes), dtype=bool)
    for teacher, at in enumerate(columns):
        known[teacher, at] = True
    patterns, of_class, counts = np.unique(known, axis=1, return_inverse=True, return_counts=True)
    known_to = np.pad(patterns, ((0, 0), (0, 1)))
    kinds = np.append(of_class.reshape(-1), len(counts))
    return Kinds(kinds.astype(np.min_scalar_type(len(counts))), counts, known_to)


@dataclass(frozen=True)
class _Union:
    """The classes that some teacher gives a value, K places a row; what is left of them holds "no class".

    Attributes:
        classes: (N, K) rising columns; C for "no class".
        places: per teacher (N, k) where its classes stand among the K.
        kind: (N, K) the classes' kinds.
        others: (N, G) classes of each kind outside the union.
    """

    classes: Ints
    places: list[Ints]
    kind: npt.NDArray[np.unsignedinteger]
    others: Floats


def largest(opinions: Sequence[Opinion], kinds: Kinds, k: int) -> tuple[Largest, Bools]:
    """The k largest probabilities together, and (N,) whether a row is right.

    A row is not where a class outside the union is as probable as the k-th inside: then the dense form must decide.
    """
    union = _union(opinions, kinds)
    probability, fill = _combined(opinions, kinds, union)
    probability[union.kind == len(kinds.counts)] = -1.0
    place = largest_positions(probability, k)
    top = np.take_along_axis(probability, place, axis=1)
    unnamed = np.where(union.others > 0, fill[:, :, 0], -1.0).max(axis=1)
    is_right = top[:, -1] > np.maximum(unnamed * (1.0 + _ROUNDING), -0.5)
    np.put_along_axis(probability, place, 0.0, axis=1)
    rest = np.log(np.maximum(probability, np.finfo(np.float64).tiny))
    sums = np.stack([np.exp(rest * inverse).sum(axis=1) for inverse in _INVERSE], axis=1)
    sums += np.einsum("ng,ngt->nt", union.others, fill)
    return Largest(np.take_along_axis(union.classes, place, axis=1), top, sums), is_right


def _union(opinions: Sequence[Opinion], kinds: Kinds) -> _Union:
    where = np.concatenate([opinion.where for opinion in opinions], axis=1)
    order = np.argsort(where, axis=1)
    ordered = np.take_along_axis(where, order, axis=1)
    is_new = np.ones(where.shape, dtype=bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    run = np.cumsum(is_new, axis=1) - 1
    classes = np.full(where.shape, len(kinds.of_class) - 1, dtype=np.int64)
    np.put_along_axis(classes, run, ordered, axis=1)
    place = np.empty_like(where)
    np.put_along_axis(place, order, run, axis=1)
    kind = kinds.of_class[classes]
    inside = np.stack([np.count_nonzero(kind == number, axis=1) for number in range(len(kinds.counts))], axis=1)
    ends = np.cumsum([opinion.where.shape[1] for opinion in opinions])[:-1]
    return _Union(classes, np.split(place, ends, axis=1), kind, (kinds.counts - inside).astype(np.float64))


def _combined(opinions: Sequence[Opinion], kinds: Kinds, union: _Union) -> tuple[Floats, Floats]:
    """(N, K) probabilities of the union, and (N, G, 7) the mean of p^(1/T) of a class outside it, by kind."""
    own = [_spread(opinion, place, union) for opinion, place in zip(opinions, union.places, strict=True)]
    everywhere = [teacher for teacher, knows in enumerate(kinds.known_to[:, :-1]) if knows.all()]
    parts = shares([opinions[at] for at in everywhere])
    glob, outside = np.zeros(union.kind.shape), np.zeros((len(union.kind), len(_INVERSE)))
    for part, at in zip(parts, everywhere, strict=True):
        glob += part[:, None] * own[at]
        outside += part[:, None] * _tail(opinions[at])
    probability = np.zeros_like(glob)
    fill = np.zeros((*union.others.shape, len(_INVERSE)))
    for teacher, (part, opinion) in enumerate(zip(shares(opinions), opinions, strict=True)):
        if teacher in everywhere:
            probability += part[:, None] * own[teacher]
            fill += (part[:, None] * _tail(opinion))[:, None, :]
            continue
        inside = kinds.known_to[teacher]
        is_inside = inside[union.kind]
        mass = (glob * is_inside).sum(axis=1) + (union.others @ inside[:-1]) * outside[:, 0]
        probability += part[:, None] * np.where(is_inside, own[teacher] * mass[:, None], glob)
        scaled = _tail(opinion) * mass[:, None] ** _INVERSE
        for number in range(len(kinds.counts)):
            fill[:, number] += part[:, None] * (scaled if inside[number] else outside)
    return probability, fill


def _spread(opinion: Opinion, place: Ints, union: _Union) -> Floats:
    """(N, K): the teacher's values at the union's places, its tail's mean elsewhere."""
    values = np.zeros(union.kind.shape)
    values += _tail(opinion)[:, :1]
    np.put_along_axis(values, place, opinion.probability, axis=1)
    return values


def _tail(opinion: Opinion) -> Floats:
    """(N, 7): the tail's means; 0, never used, where there is no tail."""
    return np.zeros((len(opinion.where), len(_INVERSE))) if opinion.tail is None else opinion.tail
