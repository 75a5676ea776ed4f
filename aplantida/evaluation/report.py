"""Everything an evaluation says of one model, composed from metrics and confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.scores import DenseScores
from aplantida.evaluation.bootstrap import Groups
from aplantida.evaluation.confusions import confused_pairs, taxonomic_accuracy
from aplantida.evaluation.fusion import by_plant, pairs_of, plants_of
from aplantida.evaluation.metrics import Outcomes, outcomes_of, summarize
from aplantida.evaluation.slices import by_frequency, by_region, by_value, per_species, per_taxon

LEAST_PLANTS = 20  # observed with several photos: fewer say nothing
MOST_PLANTS = 5_000  # fused at most, drawn: 9,000 classes each are 180 MB
FORMAT = "aplantida.metrics/1"
SPECIES_COLUMNS = (
    *("class_id", "genus", "family", "train_photos", "frequency_band", "test_photos"),
    *("top1", "top5", "times_predicted", "precision", "f1"),
)
TAXON_COLUMNS = ("num_species", "test_photos", "species_top1", "top1", "times_predicted", "precision")
CONFUSION_COLUMNS = (
    *("true", "predicted", "count", "share", "true_genus", "predicted_genus", "same_genus"),
    *("true_family", "predicted_family", "same_family"),
)


@dataclass(frozen=True, eq=False)
class ScoredSplit:
    """The scored photos of one split.

    Attributes:
        scores: dense, N rows.
        labels: (N,) class positions in ``scores.class_ids``.
        regions: N lists of region names, by either rule.
        regions_by_country: N lists, the part decided by the photo's country.
        num_photos: photos of the split, those of classes the model does not know included; >= N.
        groups: (N,) photos of one group stood on one side of the split: those of an observation, near duplicates, those
            of a photographer's day; None where nobody knows.
        licenses: N licences; None where nobody knows.
        sources: N places that published the photos; None where nobody knows.
        observations: N observations: photos of one show one plant; None (of all, or of a photo) where nobody knows.
    """

    scores: DenseScores
    labels: npt.NDArray[np.integer]
    regions: Sequence[Sequence[str]]
    regions_by_country: Sequence[Sequence[str]]
    num_photos: int
    groups: npt.NDArray[np.str_] | None = None
    licenses: Sequence[str | None] | None = None
    sources: Sequence[str | None] | None = None
    observations: Sequence[str | None] | None = None

    def drawn_anew(self, resamples: int) -> Groups | None:
        """What intervals are made of; None where nobody knows."""
        return None if self.groups is None else Groups(self.groups, resamples)

    def coverage(self) -> dict[str, Any]:
        """How many of the split's photos show a class the model knows; ``share`` is None for an empty split."""
        scored = len(self.scores)
        share = scored / self.num_photos if self.num_photos else None
        return {"num_photos": self.num_photos, "num_scored": scored, "share": share}


@dataclass(frozen=True)
class EvaluationReport:
    """The metrics, a row per species, genus and family, and the most frequent confusions of the test photos."""

    metrics: dict[str, Any]
    species: list[dict[str, Any]]
    genera: list[dict[str, Any]]
    families: list[dict[str, Any]]
    confusions: list[dict[str, Any]]


def evaluate(
    val: ScoredSplit,
    test: ScoredSplit,
    classes: ClassIndex,
    train_counts: npt.NDArray[np.integer],
    *,
    region_names: Sequence[str],
    frequency_bands: Sequence[int],
    max_confusions: int,
    resamples: int = 1000,
) -> EvaluationReport:
    """Judge a model on its test photos, from their scores alone; of the validation photos only the totals are reported.

    Args:
        val: what decisions are taken on.
        test: what is reported.
        classes: the model's classes, in the order of its scores.
        train_counts: (C,) training photos per class.
        region_names: regions to report.
        frequency_bands: rising lower bounds, in training photos, of the second band and on.
        max_confusions: how many pairs to list.
        resamples: of the photos' groups, for the intervals.

    Raises:
        ValueError: when scores, labels and classes do not fit, or the bands do not rise.
    """
    for part in (val, test):
        if part.scores.class_ids != classes.class_ids:
            raise ValueError(f"scores of {len(part.scores.class_ids)} classes, class index of {len(classes)} others")
    outcomes, groups = outcomes_of(test.scores, test.labels), test.drawn_anew(resamples)
    metrics = {
        "format": FORMAT,
        "num_classes": len(classes),
        "coverage": {"val": val.coverage(), "test": test.coverage()},
        "val": summarize(outcomes_of(val.scores, val.labels)),
        "test": {
            **summarize(outcomes, groups),
            **taxonomic_accuracy(outcomes, classes),
            "regions": by_region(outcomes, test.regions, test.regions_by_country, region_names, groups),
            "frequency_bands": by_frequency(outcomes, train_counts, frequency_bands, groups),
            **_by_origin(outcomes, test, groups),
        },
    }
    return EvaluationReport(
        metrics,
        species=per_species(outcomes, classes, train_counts, frequency_bands),
        genera=per_taxon(outcomes, classes, "genus"),
        families=per_taxon(outcomes, classes, "family"),
        confusions=confused_pairs(outcomes, classes, max_confusions),
    )


def _by_plant(test: ScoredSplit, outcomes: Outcomes) -> dict[str, Any]:
    """Plants of several photos: all of a plant's photos fused, against the same photos one by one.

    Where fewer than ``LEAST_PLANTS`` observations have several photos, two photos of one species stand for a plant.
    They are of two plants as a rule and tell more than two of one would: what they gain is an upper bound, and said to
    be one.
    """
    if test.observations is None:
        return {}
    plants = plants_of(test.observations, test.labels)
    observed = plants.num_plants >= LEAST_PLANTS
    if not observed:
        plants = pairs_of(test.labels)
    fused, species, inside = by_plant(test.scores, test.labels, plants, MOST_PLANTS)
    found = {"fused": summarize(outcomes_of(fused, species)), "photos": summarize(outcomes.where(inside))}
    by = "observation" if observed else "two photos of one species"
    return {"plants": {"by": by, "upper_bound": not observed, "num_plants": plants.num_plants, **found}}


def _by_origin(outcomes: Outcomes, test: ScoredSplit, groups: Groups | None) -> dict[str, Any]:
    columns = {"licenses": test.licenses, "sources": test.sources}
    parts = {name: by_value(outcomes, values, groups) for name, values in columns.items() if values is not None}
    return parts | _by_plant(test, outcomes)
