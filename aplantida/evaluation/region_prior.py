"""A visitor says where a photo was taken: species not known to live there become less likely, never impossible.

Every class' probability is multiplied by 1 where the place is one of its regions or in its distribution (or nothing is
known of where it lives), else by a floor, and all are divided by their sum. A class' regions hold those where its
photos were taken, so counts speak where a distribution is silent. The floor is iNaturalist's idea: a plant may be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.scores import DenseScores
from aplantida.evaluation.answers import Answers, highest_probability
from aplantida.evaluation.decisions import at_threshold
from aplantida.evaluation.scanning import scan

_REFUSED = -1.0  # below every threshold

FloatArray = npt.NDArray[np.float64]


def place_weights(classes: ClassIndex, place: str, floor: float) -> FloatArray:
    """(C,) weights of a place: the name of a region, or an ISO 3166-1 alpha-2 code.

    Args:
        classes: with their regions and distributions.
        place: where the photo was taken; one that no class lives in changes nothing.
        floor: weight of a class that lives elsewhere, above 0 and up to 1.
    """
    lives = np.array([place in item.regions or place in item.distribution for item in classes.classes], dtype=bool)
    unknown = np.array([not item.regions and not item.distribution for item in classes.classes], dtype=bool)
    return np.where(lives | unknown, 1.0, floor) if lives.any() else np.ones(len(classes))


def with_prior(logits: npt.NDArray[np.floating], weights: FloatArray, temperature: float) -> npt.NDArray[np.floating]:
    """(…, C) logits whose softmax at ``temperature`` is that of ``logits`` times ``weights``."""
    return logits + (temperature * np.log(weights)).astype(logits.dtype)


def prior_report(
    table: DenseScores,
    answers: Answers,
    regions_by_country: Sequence[Sequence[str]],
    classes: ClassIndex,
    floor: float,
    *,
    temperatures: Mapping[str, float],
    threshold: float,
    passed: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    """By region, of the photos whose own country lies in it: accuracy and named species without and with the prior.

    A photo's country is also what put the region among its class', so of photos that made the index this says too much.

    Args:
        table: dense, N rows.
        answers: to its photos where no place is given.
        regions_by_country: N lists of the regions of a photo's country.
        classes: of the table.
        floor: weight of a class that lives elsewhere.
        temperatures: of every region: that of its own, or that of all; see :func:`~aplantida.evaluation.decide.decide`.
        threshold: least probability of a species that is named.
        passed: (N,) whether the gates for strangers let a photo pass; they do not look at a place.
    """
    names = sorted({name for row in regions_by_country for name in row})
    inside = {name: np.array([name in row for row in regions_by_country], dtype=bool) for name in names}
    weights = {name: place_weights(classes, name, floor) for name in names}
    best, sure = _at_places(table, inside, weights, temperatures)
    plain, right = np.where(passed, answers.confidences, _REFUSED), answers.correct
    report: dict[str, Any] = {}
    for name, mask in inside.items():
        hits = best[name][mask] == answers.labels[mask]
        report[name] = {
            "num_photos": int(mask.sum()),
            "num_classes": int((weights[name] == 1.0).sum()),
            "temperature": temperatures[name],
            "top1": float(right[mask].mean()),
            "top1_with_prior": float(hits.mean()),
            "changed": int((answers.top[mask, 0] != best[name][mask]).sum()),
            "named": at_threshold(plain[mask], right[mask], threshold),
            "named_with_prior": at_threshold(np.where(passed, sure[name], _REFUSED)[mask], hits, threshold),
        }
    return report


def _at_places(
    table: DenseScores,
    inside: Mapping[str, npt.NDArray[np.bool_]],
    weights: Mapping[str, FloatArray],
    temperatures: Mapping[str, float],
) -> tuple[dict[str, npt.NDArray[np.int64]], dict[str, FloatArray]]:
    """By place (N,) likeliest classes, and their probabilities, of the photos that are ``inside``."""
    best = {name: np.full(len(table), -1, np.int64) for name in inside}
    sure = {name: np.full(len(table), _REFUSED) for name in inside}
    for at, logits in scan(table):
        for name, mask in inside.items():
            rows = np.flatnonzero(mask[at])
            if not len(rows):
                continue
            moved = with_prior(logits[rows], weights[name], temperatures[name])
            best[name][at.start + rows] = moved.argmax(axis=1)
            sure[name][at.start + rows] = highest_probability(moved, temperatures[name])
    return best, sure
