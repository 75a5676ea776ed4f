"""What the rules of a decision do to photos whose species is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.answers import Answers
from aplantida.evaluation.decide import Decision, Facts, rule_of
from aplantida.evaluation.metrics import wilson_interval
from aplantida.evaluation.roll_up import right_taxon
from aplantida.evaluation.taxa import Taxonomy

OUTCOMES = ("species", "genus", "family", "set", "unsure", "unknown", "not_a_plant")


def apply_rules(facts: list[Facts], decision: Decision) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """(N,) outcomes and (N,) rules that decided."""
    found = [rule_of(item, decision) for item in facts]
    outcomes, rules = zip(*found, strict=True) if found else ((), ())
    return np.asarray(outcomes, dtype="<U16"), np.asarray(rules, dtype="<U32")


def rule_report(answers: Answers, facts: list[Facts], decision: Decision, taxonomy: Taxonomy) -> dict[str, Any]:
    """By outcome: how many photos, their share, and how many of them are right, with a 95 % interval.

    A species, genus or family is right when it is the true one, a set when it holds the true species; "unknown" and
    "not a plant" are never right here, and of "unsure" nothing is claimed.
    """
    outcomes, rules = apply_rules(facts, decision)
    sizes = np.array([_shown(item, decision) for item in facts], np.int64)
    right = {
        "species": answers.correct,
        "genus": right_taxon(answers, taxonomy, "genus"),
        "family": right_taxon(answers, taxonomy, "family"),
        "set": answers.ranks < sizes,
        "unknown": np.zeros(len(answers), np.bool_),
        "not_a_plant": np.zeros(len(answers), np.bool_),
    }
    report: dict[str, Any] = {}
    for name in OUTCOMES:
        inside = outcomes == name
        count = int(inside.sum())
        row: dict[str, Any] = {"num_photos": count, "share": count / len(answers) if len(answers) else None}
        if name in right and count:
            hits = int(right[name][inside].sum())
            row |= {"precision": hits / count, "precision_interval": list(wilson_interval(hits, count))}
        report[name] = row
    counts = dict(zip(*(values.tolist() for values in np.unique(rules, return_counts=True)), strict=True))
    return {"num_photos": len(answers), "outcomes": report, "rules": counts}


def _shown(facts: Facts, decision: Decision) -> int:
    """Size of the set that would be shown."""
    fitting = [size for size in facts.set_sizes if 1 <= size <= decision.max_set_size]
    return fitting[-1] if fitting else 0
