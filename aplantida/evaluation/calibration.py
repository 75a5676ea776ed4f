"""Temperature scaling after Guo et al. 2017, "On Calibration of Modern Neural Networks", of all photos and of some.

A photo's loss at inverse temperature b is log sum over classes k of exp(b (z_k - z_true)): convex in b, and smooth. One
look over the scores takes it and its first two derivatives at a few b between the bounds; what is between them is a
polynomial of degree five that meets all three at both ends. So many sets of photos are fitted without another look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BPoly
from scipy.optimize import brentq

from aplantida.domain.scores import DenseScores
from aplantida.evaluation.metrics import BoolArray, FloatArray, IntArray, check_labels
from aplantida.evaluation.scanning import CHUNK_ROWS, scan, scan_with

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
_NOTHING = np.float32(-80.0)  # exp of it is 2e-35
_NODES = 15  # each 1.53 times the one before


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


@dataclass(frozen=True, eq=False)
class LossCurves:
    """The loss of each of N photos over the temperature.

    Attributes:
        inverses: (G,) inverse temperatures b, rising.
        losses: (G, N) nats at each.
        slopes: (G, N) derivatives of the loss with respect to b.
        curvatures: (G, N) second derivatives.
    """

    inverses: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float32]
    slopes: npt.NDArray[np.float32]
    curvatures: npt.NDArray[np.float32]

    def fit(self, which: BoolArray | slice = slice(None)) -> TemperatureFit:
        """The temperature of least mean loss of the photos ``which`` (N,), to six digits.

        Raises:
            ValueError: when there is no photo among them.
        """
        parts = (self.losses, self.slopes, self.curvatures)
        if not self.losses[0, which].size:
            raise ValueError("temperature scaling needs at least one validation photo")
        loss, slope, curvature = (part[:, which].mean(axis=1, dtype=np.float64) for part in parts)
        b = self.inverses  # in log b the curve is rounder
        nodes = np.stack([loss, slope * b, curvature * b**2 + slope * b], axis=1)
        curve = BPoly.from_derivatives(np.log(b), nodes)
        if slope[0] >= 0:
            inverse, at_bound = b[0], True
        elif slope[-1] <= 0:
            inverse, at_bound = b[-1], True
        else:
            right = int(np.argmax(slope >= 0))
            root = brentq(curve.derivative(), np.log(b[right - 1]), np.log(b[right]), xtol=1e-10)
            inverse = np.exp(float(root))  # pyright: ignore[reportArgumentType]
            at_bound = False
        temperature = float(f"{1.0 / inverse:.6g}")
        before, after = float(curve(0.0)), float(curve(-np.log(temperature)))
        return TemperatureFit(temperature, before, min(after, before), at_bound)


def loss_curves(table: DenseScores, labels: IntArray) -> LossCurves:
    """Of dense scores of N photos and their (N,) true class positions.

    Raises:
        ValueError: when labels and table do not fit.
    """
    labels = check_labels(table, labels)
    inverses = np.geomspace(1.0 / MAX_TEMPERATURE, 1.0 / MIN_TEMPERATURE, _NODES)
    found = np.empty((3, len(inverses), len(table)), np.float32)

    def look(at: slice, logits: npt.NDArray[np.float32]) -> None:
        highest = logits.max(axis=1, keepdims=True)
        true = (np.take_along_axis(logits, labels[at, None], axis=1) - highest)[:, 0].astype(np.float64)
        below = np.subtract(logits, highest, out=logits)
        squares, weights = below * below, np.empty_like(below)
        for node, inverse in enumerate(inverses):
            np.multiply(below, np.float32(inverse), out=weights)
            np.maximum(weights, _NOTHING, out=weights)  # numbers that small take exp ten times as long, and add nothing
            np.exp(weights, out=weights)
            total = weights.sum(axis=1).astype(np.float64)
            mean = np.einsum("nc,nc->n", weights, below) / total
            square = np.einsum("nc,nc->n", weights, squares) / total
            found[:, node, at] = np.log(total) - inverse * true, mean - true, square - mean**2

    for _ in scan_with(look, table, CHUNK_ROWS):
        pass
    return LossCurves(inverses, *found)


def at_temperatures(
    table: DenseScores, labels: IntArray, temperatures: list[float]
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Losses and confidences at several temperatures, in one look over the scores.

    Returns:
        (R, N) losses in nats, (R, N) highest probabilities, (N,) whether the most likely class is the true one.
    """
    labels = check_labels(table, labels)
    losses, values = np.empty((2, len(temperatures), len(table)), np.float64)
    correct = np.empty(len(table), np.bool_)
    for at, logits in scan(table, CHUNK_ROWS):
        highest = logits.max(axis=1, keepdims=True)
        true = (np.take_along_axis(logits, labels[at, None], axis=1) - highest)[:, 0].astype(np.float64)
        correct[at] = logits.argmax(axis=1) == labels[at]
        below = np.subtract(logits, highest, out=logits)
        weights = np.empty_like(below)
        for row, temperature in enumerate(temperatures):
            np.exp(np.multiply(below, np.float32(1.0 / temperature), out=weights), out=weights)
            total = weights.sum(axis=1, dtype=np.float64)
            losses[row, at] = np.log(total) - true / temperature
            values[row, at] = 1.0 / total
    return losses, values, correct
