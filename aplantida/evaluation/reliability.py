"""How far confidences are from accuracies: expected calibration error, after Guo et al. 2017."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Scheme = Literal["equal_width", "equal_mass"]
FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
_DRAWS = 1000


def calibration_error(
    confidence: FloatArray, correct: BoolArray, num_bins: int = 15, scheme: Scheme = "equal_width"
) -> tuple[float, list[dict[str, Any]]]:
    """Expected calibration error and the reliability bins it is made of.

    ``equal_width`` cuts 0..1 in equal intervals, right-closed, as Guo et al. do; ``equal_mass`` puts equally many
    photos in each bin (Nguyen & O'Connor 2015), which says more when most confidences crowd near 1; photos of equal
    confidence are in one bin, that of the first of them, whatever the order they come in.

    Args:
        confidence: (N,) in 0..1.
        correct: (N,).
        num_bins: how many.
        scheme: how the bins are cut.

    Returns:
        (sum over bins of share x |accuracy - confidence|, bins with photos, in order of confidence).

    Raises:
        ValueError: when there is no photo.
    """
    count = len(confidence)
    if count == 0:
        raise ValueError("a calibration error needs at least one photo")
    bins = _bins(confidence, num_bins, scheme)
    rows = []
    for at in range(num_bins):
        inside = bins == at
        if not inside.any():
            continue
        low, high = (at / num_bins, (at + 1) / num_bins) if scheme == "equal_width" else _range(confidence[inside])
        rows.append(
            {
                "low": low,
                "high": high,
                "num_photos": int(inside.sum()),
                "confidence": float(confidence[inside].mean()),
                "accuracy": float(correct[inside].mean()),
            }
        )
    error = sum(row["num_photos"] / count * abs(row["accuracy"] - row["confidence"]) for row in rows)
    return float(error), rows


def perfect_error(
    confidence: FloatArray, num_bins: int = 15, scheme: Scheme = "equal_width", quantile: float = 0.95
) -> float:
    """What the calibration error of a perfectly calibrated model with these confidences would seldom exceed.

    Even then so many photos show some error, by chance (Widmann et al. 2019): outcomes are drawn from the confidences.

    Args:
        confidence: (N,) in 0..1, N >= 1.
        num_bins: how many.
        scheme: how the bins are cut.
        quantile: of 1,000 draws.
    """
    bins, random, found = _bins(confidence, num_bins, scheme), np.random.default_rng(0), list[float]()
    for _ in range(_DRAWS):
        missed = (random.random(len(confidence)) < confidence) - confidence
        found.append(float(np.abs(np.bincount(bins, missed)).sum() / len(confidence)))
    return float(np.quantile(found, quantile))


def _bins(confidence: FloatArray, num_bins: int, scheme: Scheme) -> npt.NDArray[np.int64]:
    """(N,) the bin of each photo."""
    if scheme == "equal_width":
        return np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    _, inverse, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - counts) * num_bins // len(confidence))[inverse]


def _range(values: FloatArray) -> tuple[float, float]:
    return float(values.min()), float(values.max())
