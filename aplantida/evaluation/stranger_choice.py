"""Which score tells strangers from known photos, and from where on: chosen on val, reported on test.

Every candidate is judged on photos it did not learn from: val is dealt into folds in which no plant, no stranger's
species and no kind of picture is on both sides. Among those that fit a page and tell strangers from known photos, the
one wins that lets the fewest strangers pass where it refuses as many known photos as it may. A gate costs known photos,
so none ships where none is needed (few enough strangers are named without), and none that tells nothing: one that does
not refuse a larger share of strangers than of known photos, by a one-sided bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.bounds import at_least, at_most, lower_bound, upper_bound
from aplantida.evaluation.decide import Gate
from aplantida.evaluation.stranger_candidates import (
    CANDIDATES,
    Candidate,
    FloatArray,
    Sample,
    fit_centers,
    fit_head,
    scores_of,
    size_in_page,
)
from aplantida.evaluation.stranger_scores import KINDS, Kind, StrangerScore

MAX_BYTES = 130_000  # of one score in a page
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class GateTarget:
    """What a gate is to reach.

    Attributes:
        max_passed: share of strangers that may pass, 0..1: what it is at most, at the one-sided level.
        max_refused: share of known photos that may be refused for it.
        level: of the bound.
        min_refused: share of known photos that it refuses even where fewer would do: those strangers that come later
            may be of kinds that nothing was chosen by.
    """

    max_passed: float
    max_refused: float
    level: float
    min_refused: float = 0.0


@dataclass(frozen=True, eq=False)
class GateChoice:
    """A gate and what there is to say of it; ``gate`` is None where none ships, and the report has the ``reason``.

    A report always has ``num_val``, ``num_test``, ``named_without_gate`` (val and test) and ``scores``.
    """

    gate: Gate | None
    report: dict[str, Any]


def choose_gate(
    known: tuple[Sample, Sample],
    strangers: tuple[Sample, Sample],
    threshold: float,
    target: GateTarget,
    misled: npt.NDArray[np.bool_] | None = None,
) -> GateChoice:
    """Choose on val, report on test.

    Args:
        known: val and test photos of known species.
        strangers: val and test photos (pictures) of what is to be refused.
        threshold: least probability of a species that is named: what passes a gate may still not be named.
        target: what is to be reached.
        misled: (n,) which val strangers are told what is wrong where there is no gate; None for those that are named a
            species.
    """
    val, test = (known[0], strangers[0]), (known[1], strangers[1])
    named = {name: part[1].answers.confidences >= threshold for name, part in (("val", val), ("test", test))}
    report: dict[str, Any] = {
        "num_val": len(val[1]),
        "num_test": len(test[1]),
        "named_without_gate": {name: float(mask.mean()) for name, mask in named.items() if len(mask)},
        "scores": [],
    }
    if min(len(set(part.groups.tolist())) for part in val) < 2:
        return GateChoice(None, {"reason": "too few strangers", **report})
    learned = {name: _out_of_fold(name, *val) for name in CANDIDATES}
    cuts = {name: _threshold(*learned[name], target) for name in CANDIDATES}
    report["scores"] = [_row(name, learned[name], cuts[name], val, test, target) for name in CANDIDATES]
    without = named["val"] if misled is None else misled
    if upper_bound(without.sum(), len(val[1]), target.level) <= target.max_passed:
        return GateChoice(None, {"reason": "so few strangers are misled without a gate that none is needed", **report})
    fitting = [row for row in report["scores"] if row["fits"]]
    telling = [row for row in fitting if _tells(*learned[row["score"]], cuts[row["score"]], target, len(fitting))]
    if not telling:
        return GateChoice(None, {"reason": "no score refuses more strangers than known photos", **report})
    best = min(telling, key=lambda row: (row["val_passed_at_limit"], -row["val_auroc"], row["bytes"]))
    winner = best["score"]
    gate, chosen = _chosen(winner, learned[winner], cuts[winner], (val, test), threshold, target.level)
    chosen["target_reached"] = chosen["val"]["passed_at_most"] <= target.max_passed
    limits = {"max_passed": target.max_passed, "max_refused": target.max_refused, "level": target.level}
    return GateChoice(gate, {**report, **chosen, "target": limits})


def _chosen(
    winner: Kind,
    learned: tuple[FloatArray, FloatArray],
    cut: float,
    parts: tuple[tuple[Sample, Sample], tuple[Sample, Sample]],
    threshold: float,
    level: float,
) -> tuple[Gate, dict[str, Any]]:
    """The gate, learned from all of val, and what it does: on val by what learned from the other folds."""
    val, test = parts
    score = _learned(winner, *val)
    found = (score.of(test[0].answers, test[0].features), score.of(test[1].answers, test[1].features))
    return Gate(score, cut), {
        "score": winner,
        "threshold": cut,
        "val": _effect(learned, val, cut, threshold, level),
        "test": _effect(found, test, cut, threshold, level),
        "curve": _curve(*found),
    }


def _tells(known: FloatArray, strangers: FloatArray, cut: float, target: GateTarget, tried: int) -> bool:
    """Whether a gate refuses strangers rather than known photos: at least so large a share that known ones are fewer.

    The bound's level is raised by Bonferroni's rule for the ``tried`` scores: of many that tell nothing one looks good.
    """
    level = 1.0 - (1.0 - target.level) / tried
    return bool(lower_bound((strangers < cut).sum(), len(strangers), level) > (known < cut).mean())


def _learned(kind: Kind, known: Sample, strangers: Sample) -> StrangerScore:
    if kind == "head":
        return fit_head(known, strangers)
    return fit_centers(known) if kind == "nearest_center" else StrangerScore(kind)


def _out_of_fold(name: Candidate, known: Sample, strangers: Sample) -> tuple[FloatArray, FloatArray]:
    """Scores of both, each by what learned from the other folds."""
    folds = [_folds(part.groups) for part in (known, strangers)]
    found = (np.empty(len(known)), np.empty(len(strangers)))
    for fold in range(_FOLDS):
        outside = (known.where(folds[0] != fold), strangers.where(folds[1] != fold))
        for scores, part, places in zip(found, (known, strangers), folds, strict=True):
            inside = places == fold
            if inside.any():
                scores[inside] = scores_of(name, *outside, part.where(inside))
    return found


def _folds(groups: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """(N,) a fold for each photo, the same for a group, groups dealt in a fixed random order."""
    names, group = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    return (order % min(_FOLDS, len(names)))[group]


def _row(
    name: Candidate,
    learned: tuple[FloatArray, FloatArray],
    cut: float,
    val: tuple[Sample, Sample],
    test: tuple[Sample, Sample],
    target: GateTarget,
) -> dict[str, Any]:
    """One candidate in the table."""
    size = size_in_page(name, val[0].features.shape[1], len(val[0]))
    row = {
        "score": name,
        "bytes": size,
        "fits": name in KINDS and size <= MAX_BYTES,
        "val_auroc": auroc(*learned),
        "val_passed_at_limit": _passed_at(*learned, target.max_refused),
        "val_refused": float((learned[1] < cut).mean()),
        "val_known_refused": float((learned[0] < cut).mean()),
    }
    if min(len(part) for part in test):
        found = (scores_of(name, *val, test[0]), scores_of(name, *val, test[1]))
        row |= {"test_auroc": auroc(*found), "test_passed_at_limit": _passed_at(*found, target.max_refused)}
    return row


def auroc(known: FloatArray, strangers: FloatArray) -> float:
    """How probable it is that a known photo scores above a stranger, ties counting half (Mann & Whitney 1947)."""
    both = np.concatenate([known, strangers])
    values, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse] if len(values) else np.zeros(0)
    above = ranks[: len(known)].sum() - len(known) * (len(known) + 1) / 2
    return float(above / (len(known) * len(strangers)))


def _passed_at(known: FloatArray, strangers: FloatArray, max_refused: float) -> float:
    """Share of strangers that pass where so many known photos are refused."""
    return float((strangers >= np.quantile(known, max_refused, method="lower")).mean())


def _threshold(known: FloatArray, strangers: FloatArray, target: GateTarget) -> float:
    """The lowest threshold at which few enough strangers pass and enough known photos are refused, as far as
    ``max_refused`` and ties let it.

    Strangers are taken for independent: a handful of species or kinds, counted as such, would speak for nothing.
    """
    strictest = float(np.quantile(known, target.max_refused, method="lower"))
    least = min(float(np.quantile(known, target.min_refused, method="higher")), strictest)
    cuts = np.unique(np.concatenate([strangers[strangers < strictest], [strictest]]))
    cuts = np.nextafter(cuts, np.inf) if len(cuts) > 1 else cuts
    cuts[-1] = strictest
    passed = (strangers[None, :] >= cuts[:, None]).sum(axis=1)
    reaching = np.flatnonzero(upper_bound(passed, len(strangers), target.level) <= target.max_passed)
    return max(float(cuts[reaching[0]]), least) if len(reaching) else strictest


def _effect(
    scores: tuple[FloatArray, FloatArray], samples: tuple[Sample, Sample], cut: float, threshold: float, level: float
) -> dict[str, Any]:
    """Who passes, and who is then named as a species.

    Bounds are one-sided and of strangers of other species, or pictures of other kinds, as those of one are alike.
    """
    known, strangers = scores
    sure, sure_strangers = (sample.answers.confidences for sample in samples)
    passed, groups, count = strangers >= cut, samples[1].groups, len(strangers)
    named = passed & (sure_strangers >= threshold)
    return {
        "num_known": len(known),
        "known_refused": float((known < cut).mean()) if len(known) else None,
        "known_named": float(((known >= cut) & (sure >= threshold)).mean()) if len(known) else None,
        "num_strangers": count,
        "passed": float(passed.mean()) if count else None,
        "passed_at_most": at_most(passed, groups, level),
        "named_as_species": float(named.mean()) if count else None,
        "named_as_species_bounds": [at_least(named, groups, level), at_most(named, groups, level)],
        "named_without_gate": float((sure_strangers >= threshold).mean()) if count else None,
    }


def _curve(known: FloatArray, strangers: FloatArray) -> list[dict[str, float]]:
    """Share of strangers that pass against the share of known photos that are refused."""
    if not len(known) or not len(strangers):
        return []
    shares = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
    return [{"known_refused": share, "passed": _passed_at(known, strangers, share)} for share in shares]
