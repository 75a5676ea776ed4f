"""A visitor says where a photo was taken: species not known to live there become less likely, never impossible.

Every class' probability is multiplied by 1 where the place is one of its regions or in its distribution (or nothing is
known of where it lives), else by a floor, and all are divided by their sum. A class' regions hold those where its
photos were taken, so counts speak where a distribution is silent. The floor is iNaturalist's idea: a plant may be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.scores import DenseScores
from aplantida.evaluation.metrics import check_labels
from aplantida.evaluation.scanning import scan

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
    labels: npt.NDArray[np.integer],
    regions_by_country: Sequence[Sequence[str]],
    classes: ClassIndex,
    floor: float,
    temperature: float,
) -> dict[str, Any]:
    """By region: accuracy of the photos whose own country lies in it, without and with the prior, and how many changed.

    A photo's country is also what put the region among its class', so of photos that made the index this says too much.
    """
    labels = check_labels(table, labels)
    names = sorted({name for row in regions_by_country for name in row})
    inside = {name: np.array([name in row for row in regions_by_country], dtype=bool) for name in names}
    logs = {name: temperature * np.log(place_weights(classes, name, floor)).astype(np.float32) for name in names}
    plain, moved = np.empty(len(table), np.int64), {name: np.full(len(table), -1, np.int64) for name in names}
    for at, logits in scan(table):
        plain[at] = logits.argmax(axis=1)
        for name in names:
            rows = np.flatnonzero(inside[name][at])
            moved[name][at.start + rows] = (logits[rows] + logs[name]).argmax(axis=1)
    return {
        name: {
            "num_photos": int(mask.sum()),
            "num_classes": int((logs[name] == 0).sum()),
            "top1": float((plain[mask] == labels[mask]).mean()),
            "top1_with_prior": float((moved[name][mask] == labels[mask]).mean()),
            "changed": int((plain[mask] != moved[name][mask]).sum()),
        }
        for name, mask in inside.items()
    }
