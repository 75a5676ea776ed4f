"""When to name a species and when to say "unsure": the confidence threshold that reaches a target precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.bounds import design_effects, share_at_least
from aplantida.evaluation.metrics import BoolArray, FloatArray, wilson_interval

_DIGITS = 1_000_000  # thresholds are whole millionths
_HIGHEST = _DIGITS - 1  # of 1 it would be chance, and the floats' precision, whether a sum of probabilities reaches it


@dataclass(frozen=True)
class Threshold:
    """A confidence threshold and what it did on the photos it was chosen on.

    Attributes:
        value: a photo is named when its confidence is at least this, 0..1.
        precision: share of named photos that are right, 0..1.
        coverage: share of photos that are named, 0..1.
        num_accepted: how many photos are named.
        target_reached: whether ``precision`` (or what it is at least, where a bound was asked for) reaches the target.
        design_effect: how many of these photos count as one, by their groups.
        num_groups: how many groups they are of.
    """

    value: float
    precision: float
    coverage: float
    num_accepted: int
    target_reached: bool
    design_effect: float = 1.0
    num_groups: int = 0


def find_threshold(
    confidence: FloatArray,
    correct: BoolArray,
    target_precision: float,
    min_accepted: int = 1,
    bound: float | None = None,
    groups: npt.NDArray[Any] | None = None,
) -> Threshold:
    """The threshold of widest coverage whose precision reaches the target.

    It is a whole number of millionths below 1: a sum of probabilities that is 1 but for rounding reaches it, whoever
    adds it up, in whatever order.

    When none does, the one of highest precision (then widest coverage) is returned with ``target_reached`` false.

    Args:
        confidence: (N,) in 0..1.
        correct: (N,).
        target_precision: in 0..1.
        min_accepted: thresholds that name fewer photos are not considered (a precision of 3 photos means nothing); when
            there are fewer photos than that, all must be named.
        bound: what must reach the target is what the precision is at least, at this one-sided level; None for the
            precision itself.
        groups: (N,) photos of one group are not independent: the bound counts those that a threshold names for as many
            as they are worth, :func:`~aplantida.evaluation.bounds.share_at_least`.

    Raises:
        ValueError: when there is no photo.
    """
    if len(confidence) == 0:
        raise ValueError("choosing a threshold needs at least one photo")
    confidences = np.asarray(confidence, np.float64)
    candidates, (right, accepted, effects, num_groups) = _named(confidences, correct, groups, min_accepted)
    precision = right / accepted
    judged = precision if bound is None else share_at_least(right, accepted, effects, num_groups, bound)
    reaching = np.flatnonzero(judged >= target_precision)
    best = int(reaching[0]) if len(reaching) else int(np.argmax(judged))
    return Threshold(
        value=int(candidates[best]) / _DIGITS,
        precision=float(precision[best]),
        coverage=float(accepted[best] / len(confidence)),
        num_accepted=int(accepted[best]),
        target_reached=bool(len(reaching)),
        design_effect=float(effects[best]),
        num_groups=int(num_groups[best]),
    )


def _named(
    confidence: npt.NDArray[np.float64], correct: BoolArray, groups: npt.NDArray[Any] | None, min_accepted: int
) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[Any], ...]]:
    """Thresholds in millionths, rising, and of what each names: photos that are right, all, their effect, groups."""
    count = len(confidence)
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence, hits = confidence[order], np.cumsum(correct[order])
    candidates = np.unique(_floors(confidence))
    accepted = np.searchsorted(-sorted_confidence, -(candidates / _DIGITS), side="right")
    kept = accepted >= min(min_accepted, count)
    candidates, accepted = candidates[kept], accepted[kept]
    effects, num_groups = np.ones(count), np.arange(1, count + 1)
    if groups is not None:
        effects, num_groups = design_effects(correct[order], groups[order])
    last = accepted - 1
    return candidates, (hits[last], accepted, effects[last], num_groups[last])


def _floors(confidence: FloatArray) -> npt.NDArray[np.int64]:
    """(N,) the highest threshold, in millionths, that each photo reaches: the lowest of them names all."""
    floors = np.minimum(np.floor(confidence * _DIGITS), _HIGHEST).astype(np.int64)
    return floors - (floors / _DIGITS > confidence)  # the product was rounded up


def at_threshold(confidence: FloatArray, correct: BoolArray, threshold: float) -> dict[str, Any]:
    """What a threshold does to (N,) photos: precision and its 95 % interval (None when no photo is named), coverage."""
    named = confidence >= threshold
    accepted = int(named.sum())
    right = int(correct[named].sum())
    return {
        "threshold": threshold,
        "precision": right / accepted if accepted else None,
        "precision_interval": list(wilson_interval(right, accepted)) if accepted else None,
        "coverage": accepted / len(confidence) if len(confidence) else None,
        "num_accepted": accepted,
    }


def precision_table(confidence: FloatArray, correct: BoolArray, thresholds: Sequence[float]) -> list[dict[str, Any]]:
    """:func:`at_threshold` for each of ``thresholds``."""
    return [at_threshold(confidence, correct, threshold) for threshold in thresholds]
