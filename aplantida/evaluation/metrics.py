"""Accuracy of a score table: top-k, macro, per species, per region and per frequency band.

A photo's *rank* is how many classes score above its true one; every accuracy here is a question about ranks. Equal
logits are ordered by class position, so that a rank never depends on a sorting algorithm.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.scores import DenseScores, log_sum_exp

CHUNK_ROWS = 1024  # 9,000 classes in float64: 74 MB at a time
TOP = 5
_Z95 = 1.959963984540054

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of N scored photos.

    Attributes:
        labels: (N,) true class positions.
        predictions: (N,) highest scoring class positions.
        ranks: (N,) how many classes scored above the true one; 0 is a hit.
        losses: (N,) negative log-likelihood of the true class at T=1, nats.
    """

    labels: IntArray
    predictions: IntArray
    ranks: IntArray
    losses: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: BoolArray) -> Outcomes:
        """Only the photos under ``mask`` (N,)."""
        return Outcomes(self.labels[mask], self.predictions[mask], self.ranks[mask], self.losses[mask])


def outcomes_of(table: DenseScores, labels: IntArray) -> Outcomes:
    """Rank, prediction and loss of each row of a dense table.

    Args:
        table: dense, N rows, C classes.
        labels: (N,) positions of the true classes among ``table.class_ids``.

    Raises:
        ValueError: when the table is top-k, holds a logit that is not finite, or a label is outside its classes.
    """
    labels = check_labels(table, labels)
    ranks = np.empty(len(table), np.int64)
    predictions = np.empty(len(table), np.int64)
    losses = np.empty(len(table), np.float64)
    for at, block in table.blocks(CHUNK_ROWS):
        logits = block.logits.astype(np.float64)
        if not np.isfinite(logits).all():
            bad = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
            raise ValueError(f"photo {block.image_ids[bad]}: its scores hold a value that is not finite")
        label = labels[at]
        true = np.take_along_axis(logits, label[:, None], axis=1)
        before = np.arange(logits.shape[1])[None, :] < label[:, None]
        ranks[at] = ((logits > true) | ((logits == true) & before)).sum(axis=1)
        predictions[at] = logits.argmax(axis=1)
        losses[at] = log_sum_exp(logits) - true[:, 0]
    return Outcomes(labels, predictions, ranks, losses)


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


def summarize(outcomes: Outcomes) -> dict[str, Any]:
    """Top-1, top-5, their macro means over species that have photos, mean NLL (nats), and a 95 % interval of top-1.

    Every figure is None when there is no photo. The interval is Wilson's (1927): it stays honest near 100 %.
    """
    count = len(outcomes)
    if count == 0:
        names = ("top1", "top1_interval", "top5", "macro_top1", "macro_top5", "nll")
        return {"num_photos": 0, "num_species": 0, **dict.fromkeys(names)}
    hit1, hit5 = outcomes.ranks == 0, outcomes.ranks < TOP
    present, inverse, sizes = np.unique(outcomes.labels, return_inverse=True, return_counts=True)
    return {
        "num_photos": count,
        "num_species": len(present),
        "top1": float(hit1.mean()),
        "top1_interval": list(wilson_interval(int(hit1.sum()), count)),
        "top5": float(hit5.mean()),
        "macro_top1": float((np.bincount(inverse, hit1) / sizes).mean()),
        "macro_top5": float((np.bincount(inverse, hit5) / sizes).mean()),
        "nll": float(outcomes.losses.mean()),
    }


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion of ``hits`` in ``count`` >= 1 (Wilson 1927)."""
    share, square = hits / count, _Z95**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z95 / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def by_region(
    outcomes: Outcomes,
    regions: Sequence[Sequence[str]],
    regions_by_country: Sequence[Sequence[str]],
    names: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Per region: all its photos, those there by their own country, and those there by their species' distribution.

    Args:
        outcomes: of N photos.
        regions: N lists of the regions each photo belongs to, by either rule.
        regions_by_country: N lists, the part of them that its country decides.
        names: the regions to report, a row each even when no photo belongs.
    """
    report: dict[str, dict[str, Any]] = {}
    for name in names:
        either = np.array([name in row for row in regions], dtype=bool)
        country = np.array([name in row for row in regions_by_country], dtype=bool)
        report[name] = {
            **summarize(outcomes.where(either)),
            "by_country": summarize(outcomes.where(either & country)),
            "by_distribution": summarize(outcomes.where(either & ~country)),
        }
    return report


def band_names(bounds: Sequence[int]) -> list[str]:
    """Names of the frequency bands between ``bounds``: ``[10, 50]`` gives ``0-9``, ``10-49``, ``50+``.

    Raises:
        ValueError: when the bounds are not positive and rising.
    """
    if any(low >= high for low, high in zip((0, *bounds), bounds, strict=False)):
        raise ValueError(f"frequency band bounds must be positive and rising, not {list(bounds)}")
    edges = [0, *bounds]
    closed = [f"{low}-{high - 1}" for low, high in itertools.pairwise(edges)]
    return [*closed, f"{edges[-1]}+"]


def by_frequency(outcomes: Outcomes, train_counts: IntArray, bounds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Per band of training photos a species had.

    Args:
        outcomes: of N photos.
        train_counts: (C,) training photos per class.
        bounds: rising lower bounds of the second band and on.
    """
    band = np.searchsorted(np.asarray(bounds), train_counts, side="right")
    of_photo = band[outcomes.labels]
    return {name: summarize(outcomes.where(of_photo == at)) for at, name in enumerate(band_names(bounds))}


def per_species(
    outcomes: Outcomes, classes: ClassIndex, train_counts: IntArray, bounds: Sequence[int]
) -> list[dict[str, Any]]:
    """One row per class in the index's order: photos, recall at 1 and 5, precision, F1; empty text where undefined."""
    size = len(classes)
    hit1 = outcomes.ranks == 0
    photos = np.bincount(outcomes.labels, minlength=size)
    right = np.bincount(outcomes.labels, hit1, minlength=size)
    near = np.bincount(outcomes.labels, outcomes.ranks < TOP, minlength=size)
    named = np.bincount(outcomes.predictions, minlength=size)
    band = np.searchsorted(np.asarray(bounds), train_counts, side="right")
    names = band_names(bounds)
    return [
        {
            "class_id": item.class_id,
            "genus": item.genus or "",
            "family": item.family or "",
            "train_photos": int(train_counts[at]),
            "frequency_band": names[band[at]],
            "test_photos": int(photos[at]),
            "top1": _share(right[at], photos[at]),
            "top5": _share(near[at], photos[at]),
            "times_predicted": int(named[at]),
            "precision": _share(right[at], named[at]),
            "f1": _share(2 * right[at], photos[at] + named[at]),
        }
        for at, item in enumerate(classes.classes)
    ]


def _share(part: float, whole: float) -> float | str:
    return round(float(part) / float(whole), 6) if whole else ""
