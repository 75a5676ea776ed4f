"""What temperature scaling does, of all photos and region by region: fitted on val, reported on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores
from aplantida.evaluation.calibration import TemperatureFit, at_temperatures, loss_curves
from aplantida.evaluation.metrics import BoolArray, FloatArray, IntArray
from aplantida.evaluation.reliability import Scheme, calibration_error, perfect_error

Pairs = tuple[FloatArray, BoolArray]
_SCHEMES: tuple[Scheme, ...] = ("equal_width", "equal_mass")


@dataclass(frozen=True, eq=False)
class CalibrationPart:
    """The photos of one split.

    Attributes:
        scores: dense, N >= 1 rows.
        labels: (N,) true class positions.
        regions: N lists of region names.
        bands: (N,) names of the frequency bands of their species.
        regions_by_country: N lists, the part of the regions that the photo's own country decides.
        groups: (N,) photos of one group show one plant; None where nobody knows.
    """

    scores: DenseScores
    labels: IntArray
    regions: Sequence[Sequence[str]]
    bands: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_] | None = None
    regions_by_country: Sequence[Sequence[str]] = ()

    def in_region(self, name: str) -> BoolArray:
        """(N,) whether a photo is of that region."""
        return np.array([name in row for row in self.regions], dtype=bool)


@dataclass(frozen=True, eq=False)
class Temperatures:
    """The temperatures that are to be used, and what there is to say of them.

    Attributes:
        fit: of all photos.
        regional: temperature by region, of those with enough val photos.
        report: for ``calibration.json``.
        test: (N,) confidence and correctness of the test photos at the temperature of all.
        warnings: sentences for a person.
    """

    fit: TemperatureFit
    regional: dict[str, float]
    report: dict[str, Any]
    test: Pairs
    warnings: list[str]


def choose_temperatures(
    val: CalibrationPart, test: CalibrationPart, num_bins: int, min_region_photos: int
) -> Temperatures:
    """Fit on val by negative log-likelihood, say what it does to test.

    Args:
        val: the photos to fit on.
        test: the photos to report on.
        num_bins: of the calibration errors.
        min_region_photos: val photos a region needs for a temperature of its own.
    """
    curves = loss_curves(val.scores, val.labels)
    fit = curves.fit()
    names = sorted({name for part in (val, test) for row in part.regions for name in row})
    fits: dict[str, TemperatureFit] = {}
    counts: dict[str, int] = {}
    for name in names:
        inside = val.in_region(name)
        counts[name] = int(inside.sum())
        if counts[name] >= min_region_photos:
            fits[name] = curves.fit(inside)
    tried = [1.0, fit.temperature, *(item.temperature for item in fits.values())]
    losses, values, correct = at_temperatures(test.scores, test.labels, tried)
    whole = _Scaling(losses[:2], values[:2], correct, num_bins)
    report = {
        "temperature": fit.temperature,
        "temperature_at_bound": fit.at_bound,
        "nll": {"val": {"before": fit.nll_before, "after": fit.nll_after}, "test": whole.nll()},
        **_errors(whole.pairs(0), whole.pairs(1), num_bins),
        "worse_on_test": whole.worse(),
    }
    report["regions"] = {}
    for name in names:
        inside = test.in_region(name)
        rows = [0, 1, *([2 + list(fits).index(name)] if name in fits else [])]
        part = _Scaling(losses[rows][:, inside], values[rows][:, inside], correct[inside], num_bins)
        report["regions"][name] = {"num_val_photos": counts[name], **_fit_report(fits.get(name)), "test": part.report()}
    report["frequency_bands"] = {
        str(name): _Scaling(losses[:2, inside], values[:2, inside], correct[inside], num_bins).report()
        for name in np.unique(test.bands)
        for inside in [test.bands == name]
    }
    return Temperatures(
        fit=fit,
        regional={name: item.temperature for name, item in fits.items() if not item.at_bound},
        report=report,
        test=whole.pairs(1),
        warnings=_warnings(fit, report, len(val.labels)),
    )


@dataclass(frozen=True, eq=False)
class _Scaling:
    """Losses (R, n) and confidences (R, n) of some test photos: unscaled, scaled, scaled by their region's own."""

    losses: FloatArray
    values: FloatArray
    correct: BoolArray
    num_bins: int

    def pairs(self, row: int) -> Pairs:
        return self.values[row], self.correct

    def nll(self) -> dict[str, float]:
        names = ("before", "after", "regional")
        return {name: float(row.mean()) for name, row in zip(names, self.losses, strict=False)}

    def ece(self, scheme: Scheme) -> dict[str, float]:
        names = ("before", "after", "regional")
        return {
            name: calibration_error(row, self.correct, self.num_bins, scheme)[0]
            for name, row in zip(names, self.values, strict=False)
        }

    def worse(self) -> dict[str, bool]:
        """Whether scaling (by the region's own temperature, where there is one) did harm."""
        found = {"nll": self.nll(), "ece": self.ece("equal_width"), "ece_equal_mass": self.ece("equal_mass")}
        return {name: row.get("regional", row["after"]) > row["before"] for name, row in found.items()}

    def report(self) -> dict[str, Any]:
        if not len(self.correct):
            return {"num_photos": 0}
        return {
            "num_photos": len(self.correct),
            "nll": self.nll(),
            "ece": self.ece("equal_width"),
            "ece_equal_mass": self.ece("equal_mass"),
            "worse_on_test": self.worse(),
        }


def _fit_report(fit: TemperatureFit | None) -> dict[str, Any]:
    return {
        "temperature": None if fit is None else fit.temperature,
        "temperature_at_bound": None if fit is None else fit.at_bound,
    }


def _errors(before: Pairs, after: Pairs, num_bins: int) -> dict[str, Any]:
    """Calibration errors and reliability bins before and after scaling."""
    reliability: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for name, pairs in (("before", before), ("after", after)):
        for scheme in _SCHEMES:
            error, bins = calibration_error(*pairs, num_bins, scheme)
            reliability[name][scheme] = {"ece": error, "bins": bins}
    return {
        "ece": {name: part["equal_width"]["ece"] for name, part in reliability.items()},
        "ece_equal_mass": {name: part["equal_mass"]["ece"] for name, part in reliability.items()},
        "ece_if_perfect": {scheme: perfect_error(after[0], num_bins, scheme) for scheme in _SCHEMES},
        "reliability": reliability,
    }


def _warnings(fit: TemperatureFit, report: dict[str, Any], num_val: int) -> list[str]:
    said: list[str] = []
    if fit.at_bound:
        said.append(
            f"the temperature ran to its bound, {fit.temperature}: the {num_val} val photos do not determine it"
        )
    parts = {"": report["worse_on_test"]}
    parts |= {f" of {name}": row["test"].get("worse_on_test", {}) for name, row in report["regions"].items()}
    for name, worse in parts.items():
        figures = ", ".join(figure for figure, is_worse in worse.items() if is_worse)
        if figures:
            said.append(f"temperature scaling made the test photos{name} worse ({figures})")
    return said
