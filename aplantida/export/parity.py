"""Do two runtimes say the same? Differences in logits and calibrated probabilities, agreement of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from aplantida.domain.escaping import csv_text, for_markdown

FloatArray = npt.NDArray[np.floating]
TOP = 5
_DIGITS = 4  # significant digits of a difference in a report: the rest is rounding noise


@dataclass(frozen=True)
class Bounds:
    """How far a runtime may lie from torch.

    Attributes:
        max_probability_difference: of any class on any photo.
        min_top1_agreement: share of photos whose likeliest class is the same.
        min_top5_agreement: share of photos whose five likeliest classes are the same set.
    """

    max_probability_difference: float
    min_top1_agreement: float
    min_top5_agreement: float


@dataclass(frozen=True)
class ParityRow:
    """One runtime against torch on the same photos; differences are absolute, over all classes and photos."""

    runtime: str
    num_photos: int
    max_logit_difference: float
    mean_logit_difference: float
    max_probability_difference: float
    mean_probability_difference: float
    top1_agreement: float
    top5_agreement: float

    def violations(self, bounds: Bounds) -> list[str]:
        """What lies beyond ``bounds``, in words; empty when all is well."""
        found = []
        if not self.max_probability_difference <= bounds.max_probability_difference:
            found.append(
                f"{self.runtime}: probabilities differ by up to {self.max_probability_difference:g}, "
                f"at most {bounds.max_probability_difference:g} is allowed"
            )
        for name in ("top1_agreement", "top5_agreement"):
            value, wanted = getattr(self, name), getattr(bounds, f"min_{name}")
            if not value >= wanted:
                found.append(f"{self.runtime}: {name} {value:.4f}, at least {wanted:g} is wanted")
        return found


def softmax(logits: FloatArray, temperature: float) -> npt.NDArray[np.float64]:
    """(N, C) logits → probabilities softmax(logits / temperature), float64."""
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def compare(runtime: str, reference: FloatArray, found: FloatArray, temperature: float) -> ParityRow:
    """Measure ``found`` against ``reference``, both (N, C) logits of the same photos.

    Raises:
        ValueError: when the shapes differ, there is no photo, or a value is not finite.
    """
    if reference.shape != found.shape or reference.ndim != 2 or len(reference) == 0:
        raise ValueError(f"{runtime}: logits {found.shape}, the reference has {reference.shape}")
    if not (np.isfinite(reference).all() and np.isfinite(found).all()):
        raise ValueError(f"{runtime}: a logit is not finite")
    logit = np.abs(reference.astype(np.float64) - found)
    first, second = softmax(reference, temperature), softmax(found, temperature)
    probability = np.abs(first - second)
    k = min(TOP, reference.shape[1])
    best, best_found = np.argsort(-first, axis=1, kind="stable"), np.argsort(-second, axis=1, kind="stable")
    same_five = (np.sort(best[:, :k], axis=1) == np.sort(best_found[:, :k], axis=1)).all(axis=1)
    return ParityRow(
        runtime=runtime,
        num_photos=len(reference),
        max_logit_difference=_rounded(logit.max()),
        mean_logit_difference=_rounded(logit.mean()),
        max_probability_difference=_rounded(probability.max()),
        mean_probability_difference=_rounded(probability.mean()),
        top1_agreement=float((best[:, 0] == best_found[:, 0]).mean()),
        top5_agreement=float(same_five.mean()),
    )


def to_csv(rows: Sequence[ParityRow]) -> str:
    """One line per runtime under a header."""
    return csv_text([field.name for field in fields(ParityRow)], [asdict(row) for row in rows])


def to_markdown(rows: Sequence[ParityRow]) -> str:
    """The table for people."""
    lines = [
        "| runtime | photos | max Δlogit | mean Δlogit | max Δp | mean Δp | top-1 | top-5 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {for_markdown(row.runtime)} | {row.num_photos} | {row.max_logit_difference:.1e} "
        f"| {row.mean_logit_difference:.1e} "
        f"| {row.max_probability_difference:.1e} | {row.mean_probability_difference:.1e} "
        f"| {row.top1_agreement:.1%} | {row.top5_agreement:.1%} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _rounded(value: float) -> float:
    return float(f"{float(value):.{_DIGITS}g}")
