"""Temperature scaling and calibration error, after Guo et al. 2017, "On Calibration of Modern Neural Networks"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores, log_sum_exp
from aplantida.evaluation.metrics import BoolArray, FloatArray, IntArray, check_labels
from aplantida.evaluation.scanning import CHUNK_ROWS

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
_STEPS = 60
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class TemperatureFit:
    """A fitted temperature.

    Attributes:
        temperature: T; probabilities are softmax(logits / T). In ``MIN_TEMPERATURE..MAX_TEMPERATURE``.
        nll_before: mean negative log-likelihood at T = 1, nats.
        nll_after: the same at ``temperature``; never larger.
        at_bound: the optimum lies outside the range (separable or worse than chance): do not trust T.
    """

    temperature: float
    nll_before: float
    nll_after: float
    at_bound: bool


def fit_temperature(table: DenseScores, labels: IntArray) -> TemperatureFit:
    """The temperature of least negative log-likelihood.

    The loss is convex in 1/T, so Newton's method, kept inside a bracket, finds the one minimum.

    Args:
        table: dense scores of N >= 1 validation photos.
        labels: (N,) true class positions.

    Raises:
        ValueError: when there is no photo, or labels and table do not fit.
    """
    labels = check_labels(table, labels)
    if len(labels) == 0:
        raise ValueError("temperature scaling needs at least one validation photo")
    low, high = 1.0 / MAX_TEMPERATURE, 1.0 / MIN_TEMPERATURE
    before = _nll(table, labels, 1.0)[0]
    for bound, sign in ((low, 1.0), (high, -1.0)):
        loss, slope, _ = _nll(table, labels, bound)
        if slope * sign >= 0:
            return TemperatureFit(1.0 / bound, before, loss, at_bound=True)
    inverse = 1.0
    for _ in range(_STEPS):
        _, slope, curvature = _nll(table, labels, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / curvature if curvature > 0 else low
        following = step if low < step < high else (low * high) ** 0.5
        if abs(following - inverse) <= _TOLERANCE * inverse:
            break
        inverse = following
    temperature = float(f"{1.0 / inverse:.6g}")
    return TemperatureFit(temperature, before, _nll(table, labels, 1.0 / temperature)[0], at_bound=False)


def nll(table: DenseScores, labels: IntArray, temperature: float) -> float:
    """Mean negative log-likelihood at ``temperature``, nats."""
    return _nll(table, check_labels(table, labels), 1.0 / temperature)[0]


def _nll(table: DenseScores, labels: npt.NDArray[np.integer], inverse: float) -> tuple[float, float, float]:
    """Mean NLL, its first and its second derivative with respect to 1/T."""
    loss = slope = curvature = 0.0
    for at, block in table.blocks(CHUNK_ROWS):
        logits = block.logits.astype(np.float64)
        true = np.take_along_axis(logits, labels[at, None], axis=1)[:, 0]
        scaled = logits * inverse
        normalizer = log_sum_exp(scaled)
        weights = np.exp(scaled - normalizer[:, None])
        mean = (weights * logits).sum(axis=1)
        loss += float((normalizer - true * inverse).sum())
        slope += float((mean - true).sum())
        curvature += float((weights * (logits - mean[:, None]) ** 2).sum())
    return loss / len(table), slope / len(table), curvature / len(table)


def confidences(table: DenseScores, labels: IntArray, temperature: float) -> tuple[FloatArray, BoolArray]:
    """Highest probability at ``temperature`` and whether it is the true class, (N,) each."""
    labels = check_labels(table, labels)
    values = np.empty(len(table), np.float64)
    correct = np.empty(len(table), np.bool_)
    for at, block in table.blocks(CHUNK_ROWS):
        scaled = block.logits.astype(np.float64) / temperature
        values[at] = np.exp(scaled.max(axis=1) - log_sum_exp(scaled))
        correct[at] = scaled.argmax(axis=1) == labels[at]
    return values, correct
