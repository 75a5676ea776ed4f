"""Everything an evaluation says of one model, composed from metrics and confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.escaping import csv_text as csv_text  # with which the rows of a report are written
from aplantida.domain.scores import DenseScores
from aplantida.evaluation.confusions import confused_pairs, taxonomic_accuracy
from aplantida.evaluation.metrics import by_frequency, by_region, outcomes_of, per_species, summarize

FORMAT = "aplantida.metrics/1"
SPECIES_COLUMNS = (
    *("class_id", "genus", "family", "train_photos", "frequency_band", "test_photos"),
    *("top1", "top5", "times_predicted", "precision", "f1"),
)
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
    """

    scores: DenseScores
    labels: npt.NDArray[np.integer]
    regions: Sequence[Sequence[str]]
    regions_by_country: Sequence[Sequence[str]]
    num_photos: int

    def coverage(self) -> dict[str, Any]:
        """How many of the split's photos show a class the model knows; ``share`` is None for an empty split."""
        scored = len(self.scores)
        share = scored / self.num_photos if self.num_photos else None
        return {"num_photos": self.num_photos, "num_scored": scored, "share": share}


@dataclass(frozen=True)
class EvaluationReport:
    """The metrics, a row per species, and the most frequent confusions of the test photos."""

    metrics: dict[str, Any]
    species: list[dict[str, Any]]
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
) -> EvaluationReport:
    """Judge a model on its test photos; of the validation photos only the totals are reported.

    Args:
        val: what decisions are taken on.
        test: what is reported.
        classes: the model's classes, in the order of its scores.
        train_counts: (C,) training photos per class.
        region_names: regions to report.
        frequency_bands: rising lower bounds, in training photos, of the second band and on.
        max_confusions: how many pairs to list.

    Raises:
        ValueError: when scores, labels and classes do not fit each other, or the bands do not rise.
    """
    for part in (val, test):
        if part.scores.class_ids != classes.class_ids:
            raise ValueError(f"scores of {len(part.scores.class_ids)} classes, class index of {len(classes)} others")
    outcomes = outcomes_of(test.scores, test.labels)
    metrics = {
        "format": FORMAT,
        "num_classes": len(classes),
        "coverage": {"val": val.coverage(), "test": test.coverage()},
        "val": summarize(outcomes_of(val.scores, val.labels)),
        "test": {
            **summarize(outcomes),
            **taxonomic_accuracy(outcomes, classes),
            "regions": by_region(outcomes, test.regions, test.regions_by_country, region_names),
            "frequency_bands": by_frequency(outcomes, train_counts, frequency_bands),
        },
    }
    return EvaluationReport(
        metrics=metrics,
        species=per_species(outcomes, classes, train_counts, frequency_bands),
        confusions=confused_pairs(outcomes, classes, max_confusions),
    )
