"""From a model's outputs to an answer: the rules of ``decision.json``. The page's twin is ``export/web/src/decide.ts``.

The rules are asked in this order, and the first that holds decides:

1. the score for "is it a plant" lies below its threshold: ``not_a_plant``;
2. the score for "is it one of ours" lies below its threshold: ``unknown``;
3. the likeliest species is likely enough: ``species``;
4. its genus (the one of the largest sum) is: ``genus``;
5. the family is: ``family``;
6. the set of some level has at least one and at most ``max_set_size`` species, the highest level first: ``set``;
7. else ``unsure``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.answers import Answers, answer
from aplantida.evaluation.conformal import SetRule, set_size
from aplantida.evaluation.decision_file import VERSION_1, check_decision
from aplantida.evaluation.region_prior import with_prior
from aplantida.evaluation.stranger_scores import StrangerScore
from aplantida.evaluation.taxa import Taxonomy

Outcome = Literal["not_a_plant", "unknown", "species", "genus", "family", "set", "unsure"]


@dataclass(frozen=True, slots=True)
class Gate:
    """A score below which something is a stranger."""

    score: StrangerScore
    threshold: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The rules.

    Attributes:
        temperature: of the probabilities.
        threshold: least probability of a species that is named.
        genus: least sum of a genus that is named; None where none is.
        family: likewise.
        sets: one rule a level, rising.
        max_set_size: of a set that is shown.
        plant: gate for what is no plant; None where there is none.
        known: gate for plants of other species.
        temperatures: by region, of those that have their own.
        floor: weight of species that live elsewhere, where a place is given; see
            :mod:`~aplantida.evaluation.region_prior`.
    """

    temperature: float
    threshold: float
    genus: float | None = None
    family: float | None = None
    sets: tuple[SetRule, ...] = ()
    max_set_size: int = 5
    plant: Gate | None = None
    known: Gate | None = None
    temperatures: tuple[tuple[str, float], ...] = ()
    floor: float = 1.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules are asked about: the best species', genus' and family's probability, sizes of sets, scores.

    A genus or family is None where that of no class is known, so that none is ever named.
    """

    species: float
    genus: float | None = None
    family: float | None = None
    set_sizes: tuple[int, ...] = ()
    plant: float | None = None
    known: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """An answer.

    Attributes:
        decision: what is said.
        rule: which rule said it: ``plant_score``, ``known_score``, ``species_threshold``, ``genus_threshold``,
            ``family_threshold``, ``set_LEVEL`` or ``none``.
        taxon: the name of the species, genus or family; None for the rest.
        probability: of it; None for the rest.
        set_size: how many of the likeliest species the set has; None where no set is shown.
    """

    decision: Outcome
    rule: str
    taxon: str | None = None
    probability: float | None = None
    set_size: int | None = None


def rule_of(facts: Facts, decision: Decision) -> tuple[Outcome, str]:
    """The answer and the rule that decided."""
    if _is_stranger(decision.plant, facts.plant):
        return "not_a_plant", "plant_score"
    if _is_stranger(decision.known, facts.known):
        return "unknown", "known_score"
    if facts.species >= decision.threshold:
        return "species", "species_threshold"
    if _reaches(facts.genus, decision.genus):
        return "genus", "genus_threshold"
    if _reaches(facts.family, decision.family):
        return "family", "family_threshold"
    for rule, size in reversed(list(zip(decision.sets, facts.set_sizes, strict=True))):
        if 1 <= size <= decision.max_set_size:
            return "set", f"set_{rule.name}"
    return "unsure", "none"


def _reaches(probability: float | None, threshold: float | None) -> bool:
    return probability is not None and threshold is not None and probability >= threshold


def _is_stranger(gate: Gate | None, score: float | None) -> bool:
    """Whether there is a gate and a score that does not reach it; one that is no number does not."""
    return gate is not None and score is not None and not score >= gate.threshold


def facts_of(
    answers: Answers,
    decision: Decision,
    features: npt.NDArray[np.floating] | None = None,
    without_place: Answers | None = None,
) -> list[Facts]:
    """The facts of N photos.

    Args:
        answers: of the photos, at the decision's temperature.
        decision: the rules.
        features: (N, F) pooled features; None: gates that look at them are not asked.
        without_place: the answers that gates look at; None for the same.
    """
    looked_at = without_place or answers
    scores = [_scores_of(gate, looked_at, features) for gate in (decision.plant, decision.known)]
    return [
        Facts(
            species=float(answers.probabilities[row, 0]),
            genus=float(answers.genus_probabilities[row]) if answers.genera[row] >= 0 else None,
            family=float(answers.family_probabilities[row]) if answers.families[row] >= 0 else None,
            set_sizes=tuple(set_size(answers.probabilities[row], rule) for rule in decision.sets),
            plant=scores[0][row],
            known=scores[1][row],
        )
        for row in range(len(answers))
    ]


def _scores_of(
    gate: Gate | None, answers: Answers, features: npt.NDArray[np.floating] | None
) -> list[float] | list[None]:
    if gate is None or (features is None and gate.score.needs_features):
        return [None] * len(answers)
    return [float(score) for score in gate.score.of(answers, features)]


def decide(
    logits: npt.NDArray[np.floating],
    class_ids: tuple[str, ...],
    taxonomy: Taxonomy,
    decision: Decision,
    features: npt.NDArray[np.floating] | None = None,
    place: tuple[str, npt.NDArray[np.float64]] | None = None,
) -> Result:
    """The answer to one photo.

    Args:
        logits: (C,).
        class_ids: the C classes.
        taxonomy: theirs.
        decision: the rules.
        features: (F,) pooled features, where there are any.
        place: where the photo was taken, and its (C,) weights; gates for strangers do not look at it.
    """
    row, nobody = logits.astype(np.float64)[None, :], np.zeros(1, np.int64)
    plain = answer(row.copy(), nobody, decision.temperature, taxonomy)
    answers = plain
    if place is not None:
        temperature = dict(decision.temperatures).get(place[0], decision.temperature)
        answers = answer(with_prior(row, place[1], temperature), nobody, temperature, taxonomy)
    facts = facts_of(answers, decision, None if features is None else features[None, :], plain)[0]
    outcome, rule = rule_of(facts, decision)
    if outcome == "species":
        return Result(outcome, rule, class_ids[answers.top[0, 0]], facts.species)
    if outcome == "genus":
        return Result(outcome, rule, taxonomy.genus.names[answers.genera[0]], facts.genus)
    if outcome == "family":
        return Result(outcome, rule, taxonomy.family.names[answers.families[0]], facts.family)
    if outcome == "set":
        levels = [f"set_{item.name}" for item in decision.sets]
        return Result(outcome, rule, set_size=facts.set_sizes[levels.index(rule)])
    return Result(outcome, rule)


def read_decision(value: dict[str, Any]) -> Decision:
    """What a ``decision.json`` of version 1 or 2 says.

    Raises:
        ValueError: naming the key, for what the format's schema refuses.
    """
    check_decision(value)
    temperature, threshold = value["temperature"], value["threshold"]
    if value["format"] == VERSION_1:
        return Decision(temperature, threshold)
    sets, roll_up, gates = value["sets"], value["roll_up"], value["strangers"]
    rules = [SetRule(sets["method"], row["level"], row["threshold"], sets["penalty"]) for row in sets["levels"]]
    return Decision(
        temperature=temperature,
        threshold=threshold,
        genus=roll_up["genus"]["threshold"],
        family=roll_up["family"]["threshold"],
        sets=tuple(rules),
        max_set_size=sets["max_size"],
        plant=_gate(gates, "plant"),
        known=_gate(gates, "known"),
        temperatures=tuple(sorted(value["temperatures"].items())),
        floor=value["region_prior"]["floor"],
    )


def load_decision(file: Path) -> dict[str, Any]:
    """The content of a ``decision.json`` that :func:`read_decision` understands.

    Raises:
        ValueError: naming the file and the key, for one that it does not.
    """
    try:
        value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        read_decision(value)
    except ValueError as error:
        raise ValueError(f"{file.parent}: {error}") from error
    return value


def _gate(gates: dict[str, Any], name: str) -> Gate | None:
    if gates[name] is None:
        return None
    try:
        return Gate(StrangerScore.from_json(gates[name]), gates[name]["threshold"])
    except ValueError as error:
        raise ValueError(f"decision.json: strangers.{name}.{error}") from error
