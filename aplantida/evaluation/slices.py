"""Accuracy of parts of the photos: by region, frequency band, licence, source, species, genus and family."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from aplantida.domain.class_index import ClassIndex
from aplantida.evaluation.bootstrap import Groups
from aplantida.evaluation.confusions import taxa
from aplantida.evaluation.metrics import BoolArray, IntArray, Outcomes, summarize


def by_region(
    outcomes: Outcomes,
    regions: Sequence[Sequence[str]],
    regions_by_country: Sequence[Sequence[str]],
    names: Sequence[str],
    groups: Groups | None = None,
) -> dict[str, dict[str, Any]]:
    """Per region: all its photos, those there by their own country, and those there by their species' distribution.

    Args:
        outcomes: of N photos.
        regions: N lists of the regions each photo belongs to, by either rule.
        regions_by_country: N lists, the part of them that its country decides.
        names: the regions to report, a row each even when no photo belongs.
        groups: for the intervals; see :func:`summarize`.
    """
    report: dict[str, dict[str, Any]] = {}
    for name in names:
        either = np.array([name in row for row in regions], dtype=bool)
        country = np.array([name in row for row in regions_by_country], dtype=bool)
        report[name] = {
            **_summary(outcomes, either, groups),
            "by_country": _summary(outcomes, either & country, groups),
            "by_distribution": _summary(outcomes, either & ~country, groups),
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


def by_frequency(
    outcomes: Outcomes, train_counts: IntArray, bounds: Sequence[int], groups: Groups | None = None
) -> dict[str, dict[str, Any]]:
    """Per band of training photos a species had.

    Args:
        outcomes: of N photos.
        train_counts: (C,) training photos per class.
        bounds: rising lower bounds of the second band and on.
        groups: for the intervals; see :func:`summarize`.
    """
    band = np.searchsorted(np.asarray(bounds), train_counts, side="right")
    of_photo = band[outcomes.labels]
    return {name: _summary(outcomes, of_photo == at, groups) for at, name in enumerate(band_names(bounds))}


def by_value(outcomes: Outcomes, values: Sequence[str | None], groups: Groups | None = None) -> dict[str, Any]:
    """Per value that occurs (a licence, a source), by name; photos without one are under the empty name."""
    column = np.asarray([value or "" for value in values], dtype=str)
    return {str(name): _summary(outcomes, column == name, groups) for name in np.unique(column)}


def per_taxon(outcomes: Outcomes, classes: ClassIndex, rank: str) -> list[dict[str, Any]]:
    """One row per genus or family, by name: how often its photos get the right species, and the right taxon.

    Args:
        outcomes: of N photos.
        classes: the model's.
        rank: ``genus`` or ``family``; species of no known family are of none, and not in the table.
    """
    genera, families = taxa(classes)
    names = np.asarray([name or "" for name in (genera if rank == "genus" else families)], dtype=str)
    found, of_class = np.unique(names, return_inverse=True)
    size, true, predicted = len(found), of_class[outcomes.labels], of_class[outcomes.predictions]
    photos = np.bincount(true, minlength=size)
    species = np.bincount(true, outcomes.ranks == 0, minlength=size)
    right = np.bincount(true, true == predicted, minlength=size)
    named = np.bincount(predicted, minlength=size)
    counts = np.bincount(of_class, minlength=size)
    return [
        {
            rank: str(name),
            "num_species": int(counts[at]),
            "test_photos": int(photos[at]),
            "species_top1": _share(species[at], photos[at]),
            "top1": _share(right[at], photos[at]),
            "times_predicted": int(named[at]),
            "precision": _share(right[at], named[at]),
        }
        for at, name in enumerate(found)
        if name
    ]


def _summary(outcomes: Outcomes, mask: BoolArray, groups: Groups | None) -> dict[str, Any]:
    return summarize(outcomes.where(mask), groups.where(mask) if groups else None)


def per_species(
    outcomes: Outcomes, classes: ClassIndex, train_counts: IntArray, bounds: Sequence[int]
) -> list[dict[str, Any]]:
    """One row per class in the index's order: photos, recall at 1 and 5, precision, F1; empty text where undefined."""
    size = len(classes)
    hit1 = outcomes.ranks == 0
    photos = np.bincount(outcomes.labels, minlength=size)
    right = np.bincount(outcomes.labels, hit1, minlength=size)
    near = np.bincount(outcomes.labels, outcomes.ranks < 5, minlength=size)
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
