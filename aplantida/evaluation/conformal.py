"""Sets of species that hold the true one with a given probability: split conformal prediction.

A score says how badly a class fits a photo; the set of a photo are the classes whose score is at most the threshold,
and the threshold is such a quantile of the true classes' scores on validation photos that, whatever the model, the set
of a new photo holds its species with at least the level's probability (Vovk et al. 2005; Angelopoulos & Bates 2023).

- ``lac``: 1 - p (Sadinle et al. 2019): the smallest sets on average.
- ``aps``: p of the class and of all before it (Romano et al. 2020), without its random term.
- ``raps``: that, and a penalty for each rank after the first few (Angelopoulos et al. 2021).
- ``prevalence``: -p / share of the class among the training photos (Ding et al. 2025, "Conformal prediction for
  long-tailed classification"): rare species are held as often as common ones, at the price of larger sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores
from aplantida.evaluation.answers import Answers, FloatArray
from aplantida.evaluation.scanning import scan_with

Method = Literal["lac", "aps", "raps", "prevalence"]
METHODS: tuple[Method, ...] = ("lac", "aps", "raps", "prevalence")
PENALTY, FREE_RANKS = 0.01, 5
LEVEL_DECIMALS = 6  # in which a level is told from others, in Python and in a page
_MOST_POOLED = 20_000  # photos that resamplings are drawn of
SizesOf = Callable[[list["SetRule"]], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class SetRule:
    """What a set holds.

    Attributes:
        method: how badly a class fits.
        level: the nominal probability, 0..1.
        threshold: a class is held when its score is at most this; infinite when too few photos were there to choose it.
        penalty: of ``raps``, for each rank after the first ``FREE_RANKS``.
    """

    method: Method
    level: float
    threshold: float
    penalty: float = PENALTY

    @property
    def name(self) -> str:
        """The level as results write it: ``0.95``; see :func:`level_problem`."""
        return np.format_float_positional(round(self.level, LEVEL_DECIMALS), trim="-")


def level_problem(level: float) -> str | None:
    """What speaks against a level: a longer one would be written like another, and Python and a page differently."""
    if level == round(level, LEVEL_DECIMALS):
        return None
    return f"{level!r} has more than {LEVEL_DECIMALS} decimals, in which the answers of a set name their level"


def true_scores(answers: Answers, method: Method, prevalence: FloatArray) -> FloatArray:
    """(N,) how badly the true class fits each photo.

    Args:
        answers: of photos of known classes.
        method: what is asked.
        prevalence: (C,) share of each class among the training photos, above 0.
    """
    likely = answers.true_probabilities
    if method == "lac":
        return 1.0 - likely
    if method == "prevalence":
        return -likely / prevalence[answers.labels]
    penalty = PENALTY * np.maximum(answers.ranks + 1 - FREE_RANKS, 0) if method == "raps" else 0.0
    return np.minimum(answers.mass_before + likely, 1.0) + penalty


def fit_threshold(scores: FloatArray, level: float) -> float:
    """The conformal quantile of (N,) scores: the ceil((N + 1) level)-th smallest, infinite when there is none."""
    place = math.ceil((len(scores) + 1) * level)
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else math.inf


def set_size(probabilities: FloatArray, rule: SetRule) -> int:
    """How many of the likeliest classes a photo's set holds, of (K,) probabilities, best first.

    Not for ``prevalence``, whose sets are no likeliest classes. A set of more than K classes is said to have K; one may
    be empty.
    """
    mass, held = 0.0, 0
    for place, share in enumerate(probabilities.tolist()):
        mass = min(1.0, mass + share)  # rounded, a sum may be above
        penalty = rule.penalty * max(place + 1 - FREE_RANKS, 0) if rule.method == "raps" else 0.0
        if (1.0 - share if rule.method == "lac" else mass + penalty) > rule.threshold:
            break
        held += 1
    return held


def set_sizes(
    table: DenseScores, temperature: float, rules: list[SetRule], prevalence: FloatArray
) -> npt.NDArray[np.int64]:
    """(R, N) how many classes the set of each photo holds under each rule, in one look over the scores."""
    sizes = np.empty((len(rules), len(table)), np.int64)
    rare = prevalence.astype(np.float32)[None, :]
    ranks = np.arange(1, len(table.class_ids) + 1, dtype=np.float32)
    beyond = np.maximum(ranks - FREE_RANKS, 0)

    def look(at: slice, logits: npt.NDArray[np.float32]) -> None:
        below = np.subtract(logits, logits.max(axis=1, keepdims=True), out=logits)
        shares = np.exp(np.multiply(below, np.float32(1.0 / temperature), out=below), out=below)
        shares /= shares.sum(axis=1, keepdims=True)
        ordered = np.minimum(np.cumsum(-np.sort(-shares, axis=1), axis=1), np.float32(1.0))
        for row, rule in enumerate(rules):
            if rule.method == "lac":
                held = shares >= 1.0 - rule.threshold
            elif rule.method == "prevalence":
                held = shares >= -rule.threshold * rare
            else:
                penalized = ordered if rule.method == "aps" else ordered + np.float32(rule.penalty) * beyond
                held = penalized <= rule.threshold
            sizes[row, at] = held.sum(axis=1)

    for _ in scan_with(look, table):
        pass
    return sizes


def coverage(scores: FloatArray, labels: npt.NDArray[np.integer], threshold: float) -> dict[str, Any]:
    """Share of the photos whose set holds their species, and the mean of these shares over species."""
    held = scores <= threshold
    _, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return {
        "coverage": float(held.mean()),
        "macro_coverage": float((np.bincount(inverse, held) / sizes).mean()),
    }


def resampled_coverage(
    scores: FloatArray, labels: npt.NDArray[np.integer], levels: tuple[float, ...], resamples: int = 1000
) -> list[dict[str, Any]]:
    """Mean coverage at each level where photos are dealt at random, half to choose the threshold and half to count.

    ``off_nominal`` is the coverage less the level: what a level promises is kept where it is within 0.02.

    Args:
        scores: (N,) of the true classes, N >= 2; of more than 20,000 photos so many are drawn.
        labels: (N,) species.
        levels: nominal probabilities.
        resamples: how often the photos are dealt.
    """
    random = np.random.default_rng(0)
    if len(scores) > _MOST_POOLED:
        chosen = random.choice(len(scores), _MOST_POOLED, replace=False)
        scores, labels = scores[chosen], labels[chosen]
    species = np.unique(labels, return_inverse=True)[1]
    half, found = len(scores) // 2, np.zeros((len(levels), 2))
    for _ in range(resamples):
        order = random.permutation(len(scores))
        counted = scores[order[half:]]
        sizes = np.bincount(species[order[half:]])
        for row, level in enumerate(levels):
            held = counted <= fit_threshold(scores[order[:half]], level)
            shares = np.bincount(species[order[half:]], held)[sizes > 0] / sizes[sizes > 0]
            found[row] += held.mean(), shares.mean()
    return [
        {
            "resamplings": resamples,
            "num_photos": len(scores),
            "coverage": float(held),
            "macro_coverage": float(macro),
            "off_nominal": float(held - level),
        }
        for level, (held, macro) in zip(levels, found / resamples, strict=True)
    ]


def fit_sets(
    val: Answers, test: Answers, levels: tuple[float, ...], prevalence: FloatArray, sizes_of: SizesOf
) -> tuple[dict[Method, list[SetRule]], dict[str, Any]]:
    """Rules of every method and level, chosen on val, and what they do to test.

    Args:
        val: photos that thresholds are chosen on.
        test: photos that are reported on.
        levels: nominal probabilities, 0..1.
        prevalence: (C,) share of each class among the training photos, above 0.
        sizes_of: sizes (R, N) of the test photos' sets under R rules; see :func:`set_sizes`.
    """
    scores = {method: [true_scores(part, method, prevalence) for part in (val, test)] for method in METHODS}
    rules: dict[Method, list[SetRule]] = {
        method: [SetRule(method, level, fit_threshold(scores[method][0], level)) for level in levels]
        for method in METHODS
    }
    sizes = iter(sizes_of([rule for found in rules.values() for rule in found]))
    labels = np.concatenate([val.labels, test.labels])
    report: dict[str, Any] = {}
    for method, found in rules.items():
        pooled = resampled_coverage(np.concatenate(scores[method]), labels, levels)
        report[method] = [
            {
                "level": rule.level,
                "threshold": rule.threshold if math.isfinite(rule.threshold) else None,
                **coverage(scores[method][1], test.labels, rule.threshold),
                **_sizes_report(next(sizes)),
                "resampled": again,
            }
            for rule, again in zip(found, pooled, strict=True)
        ]
    return rules, report


def _sizes_report(sizes: npt.NDArray[np.int64]) -> dict[str, float]:
    return {
        "mean_size": float(sizes.mean()),
        "median_size": float(np.median(sizes)),
        "empty": float((sizes == 0).mean()),
        "one": float((sizes == 1).mean()),
        "up_to_five": float(((sizes > 0) & (sizes <= 5)).mean()),
    }
