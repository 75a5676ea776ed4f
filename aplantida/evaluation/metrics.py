"""Accuracy of a score table: top-k, macro, per species, per region and per frequency band.

A photo's *rank* is how many classes score above its true one; every accuracy here is a question about ranks. Equal
logits are ordered by class position, so that a rank never depends on a sorting algorithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores
from aplantida.evaluation.bootstrap import Groups, bootstrap_intervals
from aplantida.evaluation.reliability import calibration_error
from aplantida.evaluation.scanning import scan

TOPS = (1, 3, 5)
_Z95 = 1.959963984540054

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of N scored photos at T=1.

    Attributes:
        labels: (N,) true class positions.
        predictions: (N,) highest scoring class positions.
        ranks: (N,) how many classes scored above the true one; 0 is a hit.
        losses: (N,) negative log-likelihood of the true class, nats.
        confidences: (N,) highest probability, 0..1.
        briers: (N,) sum over the classes of (probability - truth)^2, 0..2 (Brier 1950).
    """

    labels: IntArray
    predictions: IntArray
    ranks: IntArray
    losses: FloatArray
    confidences: FloatArray
    briers: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: BoolArray) -> Outcomes:
        """Only the photos under ``mask`` (N,)."""
        return Outcomes(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})


def outcomes_of(table: DenseScores, labels: IntArray) -> Outcomes:
    """What became of each row of a dense table, in one look over it.

    Args:
        table: dense, N rows, C classes.
        labels: (N,) positions of the true classes among ``table.class_ids``.

    Raises:
        ValueError: when the table is top-k, holds a logit that is not finite, or a label is outside its classes.
    """
    labels = check_labels(table, labels)
    counts = np.empty((2, len(table)), np.int64)
    values = np.empty((3, len(table)), np.float64)
    positions = np.arange(len(table.class_ids), dtype=np.int32)[None, :]
    for at, logits in scan(table):
        label = labels[at, None]
        highest = logits.max(axis=1, keepdims=True)
        true = np.take_along_axis(logits, label, axis=1)
        counts[0, at] = logits.argmax(axis=1)
        counts[1, at] = (logits > true).sum(axis=1) + ((logits == true) & (positions < label)).sum(axis=1)
        shifted = np.subtract(logits, highest, out=logits)
        weights = np.exp(shifted, out=shifted)
        total = weights.sum(axis=1, dtype=np.float64)
        likely = np.exp((true - highest)[:, 0].astype(np.float64)) / total
        values[0, at] = np.log(total) - (true - highest)[:, 0]
        values[1, at] = 1.0 / total
        values[2, at] = np.einsum("nc,nc->n", weights, weights) / total**2 - 2.0 * likely + 1.0
    return Outcomes(labels, *counts, *values)


def check_labels(table: DenseScores, labels: IntArray) -> IntArray:
    """``labels`` as int64, after making sure that they fit ``table``.

    Raises:
        ValueError: when the table is not dense, or the labels are not one valid position per row.
    """
    labels = np.asarray(labels, dtype=np.int64)
    if not table.is_dense:
        raise ValueError("evaluation wants a dense score table, this one is top-k")
    if labels.shape != (len(table),):
        raise ValueError(f"{len(table)} scored photos but labels of shape {labels.shape}")
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(table.class_ids)):
        raise ValueError(f"labels span {labels.min()}..{labels.max()}, the table has {len(table.class_ids)} classes")
    return labels


def summarize(outcomes: Outcomes, groups: Groups | None = None) -> dict[str, Any]:
    """Top-1, 3 and 5, their macro means over species that have photos, mean NLL (nats) and Brier score, calibration.

    Every figure is None when there is no photo. ``top1_interval`` is Wilson's (1927): it takes photos for independent
    and stays honest near 100 %; ``intervals`` resamples whole groups of photos and is given where they are known;
    it is None where there is one group only.

    Args:
        outcomes: of N photos.
        groups: what is resampled, and how often; None for no intervals.
    """
    count = len(outcomes)
    hits = {f"top{k}": outcomes.ranks < k for k in TOPS}
    present, inverse, sizes = np.unique(outcomes.labels, return_inverse=True, return_counts=True)
    if count == 0:
        names = (*hits, "top1_interval", *(f"macro_{name}" for name in hits), "nll", "brier", "ece", "ece_equal_mass")
        return {"num_photos": 0, "num_species": 0, **dict.fromkeys(names)} | ({"intervals": None} if groups else {})
    right = outcomes.predictions == outcomes.labels
    values = {**hits, "nll": outcomes.losses, "brier": outcomes.briers}
    return {
        "num_photos": count,
        "num_species": len(present),
        **{name: float(hit.mean()) for name, hit in hits.items()},
        "top1_interval": list(wilson_interval(int(hits["top1"].sum()), count)),
        **{f"macro_{name}": float((np.bincount(inverse, hit) / sizes).mean()) for name, hit in hits.items()},
        "nll": float(outcomes.losses.mean()),
        "brier": float(outcomes.briers.mean()),
        "ece": calibration_error(outcomes.confidences, right)[0],
        "ece_equal_mass": calibration_error(outcomes.confidences, right, scheme="equal_mass")[0],
    } | ({"intervals": bootstrap_intervals(values, tuple(hits), inverse, groups)} if groups else {})


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion of ``hits`` in ``count`` >= 1 (Wilson 1927)."""
    share, square = hits / count, _Z95**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z95 / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)
