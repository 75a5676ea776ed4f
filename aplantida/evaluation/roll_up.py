"""When the species is unsure: the genus or the family, where the probabilities of its species together are enough.

The idea of a common ancestor whose sum passes is iNaturalist's and SpeciesNet's; here each rank has a threshold of its
own, chosen on the photos that get as far as it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.answers import Answers
from aplantida.evaluation.decisions import at_threshold, find_threshold
from aplantida.evaluation.taxa import Taxonomy

RANKS = ("genus", "family")


def fit_roll_up(
    val: Answers,
    test: Answers,
    taxonomy: Taxonomy,
    threshold: float,
    *,
    target_precision: float,
    min_accepted: int,
    bound: float,
    groups: npt.NDArray[Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """By rank: ``threshold`` (None where no sum reaches the target), and what it does on val and test.

    Args:
        val: photos that the thresholds are chosen on.
        test: photos that are reported on.
        taxonomy: of the classes.
        threshold: of the species: photos that reach it get no further.
        target_precision: what the right share of named taxa must be at least, at the level ``bound``.
        min_accepted: thresholds that name fewer val photos are not considered.
        bound: level of the one-sided bound.
        groups: (N,) of val: photos of one group are not independent.
    """
    left = [part.where(part.confidences < threshold) for part in (val, test)]
    groups = None if groups is None else groups[val.confidences < threshold]
    report: dict[str, dict[str, Any]] = {}
    for rank in RANKS:
        pairs = [_pairs(part, taxonomy, rank) for part in left]
        row: dict[str, Any] = {"threshold": None, "val": None, "test": None}
        if len(pairs[0][0]) >= min_accepted:
            found = find_threshold(*pairs[0], target_precision, min_accepted, bound, groups)
            if found.target_reached and found.value > 0.0:
                row = {
                    "threshold": found.value,
                    "val": at_threshold(*pairs[0], found.value),
                    "test": at_threshold(*pairs[1], found.value),
                }
                groups = None if groups is None else groups[pairs[0][0] < found.value]
                left = [part.where(pair[0] < found.value) for part, pair in zip(left, pairs, strict=True)]
        report[rank] = row
    return report


def _pairs(answers: Answers, taxonomy: Taxonomy, rank: str) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.bool_]]:
    """Sum of the best taxon, and whether it is the true one."""
    if rank == "genus":
        return answers.genus_probabilities, right_taxon(answers, taxonomy, rank)
    return answers.family_probabilities, right_taxon(answers, taxonomy, rank)


def right_taxon(answers: Answers, taxonomy: Taxonomy, rank: str) -> npt.NDArray[np.bool_]:
    """(N,) whether the best genus or family is the true one; a family that is not known is never right."""
    best, of_class = (
        (answers.genera, taxonomy.genus.of_class) if rank == "genus" else (answers.families, taxonomy.family.of_class)
    )
    return (best == of_class[answers.labels]) & (best >= 0)
