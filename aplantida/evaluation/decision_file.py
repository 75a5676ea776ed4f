"""``decision.json``: what Python and the page decide by; ``decision-1.schema.json`` and ``-2`` describe it.

Whoever writes or reads one holds it against its schema, the page too (``export/web/src/schema.ts``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from aplantida.evaluation.conformal import PENALTY, SetRule, level_problem
from aplantida.evaluation.decisions import Threshold

VERSION_1, DECISION_FORMAT = "aplantida.decision/1", "aplantida.decision/2"
NEVER = 2.0  # a threshold that no probability reaches, whatever it is rounded to
_LONGEST_SHOWN = 80


def decision_schema(version: str = DECISION_FORMAT) -> dict[str, Any]:
    """The JSON Schema of a version."""
    file = Path(__file__).with_name(f"decision-{version.rpartition('/')[2]}.schema.json")
    return json.loads(file.read_text(encoding="utf-8"))


def check_decision(value: Any, name: str = "decision.json") -> None:
    """Hold a decision against the schema of its format, and its levels against their names.

    Raises:
        ValueError: in one line, with the key, what it holds and what would be right.
    """
    if not isinstance(value, dict) or value.get("format") not in (VERSION_1, DECISION_FORMAT):
        found = repr(value.get("format") if isinstance(value, dict) else value)[:_LONGEST_SHOWN]
        raise ValueError(f"{name}: format {found}, want {VERSION_1} or {DECISION_FORMAT}")
    problems = list(_validator(value["format"]).iter_errors(value))
    if problems:
        wrong = min(problems, key=lambda error: (error.validator == "required", error.json_path))
        raise ValueError(f"{name}: {_said(wrong)}")
    levels = [row["level"] for row in value.get("sets", {}).get("levels", [])]
    for at, level in enumerate(levels):
        said = level_problem(level)
        if said is None and at and level <= levels[at - 1]:
            said = f"{level} comes after {levels[at - 1]}: want rising levels"
        if said:
            raise ValueError(f"{name}: sets.levels[{at}].level {said}")


@cache
def _validator(version: str) -> Any:
    """Of JSON Schema 2020-12, whose numbers are finite: Python's parser lets NaN and 1e999 through."""
    from jsonschema import Draft202012Validator, validators

    draft: Any = Draft202012Validator

    def is_number(checker: Any, value: Any) -> bool:
        try:
            return draft.TYPE_CHECKER.is_type(value, "number") and math.isfinite(value)
        except OverflowError:  # an integer beyond all floats
            return False

    finite = validators.extend(draft, type_checker=draft.TYPE_CHECKER.redefine("number", is_number))
    return finite(decision_schema(version))


def _said(error: Any) -> str:
    """The key, what it holds and what is wanted, as the page's ``schema.ts`` says it."""
    key = ""
    for step in error.absolute_path:
        if isinstance(step, int):
            key += f"[{step}]"
        else:
            name = step if step.isprintable() else repr(step)
            key += f".{name}" if key else name
    below = f"{key}." if key else ""
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{below}{missing} is missing"
    if error.validator == "additionalProperties":
        extra = next(name for name in error.instance if name not in error.schema["properties"])
        return f"{below}{extra} is no key that is known"
    return f"{key} {repr(error.instance)[:_LONGEST_SHOWN]}, want {error.validator} {json.dumps(error.validator_value)}"


def decision_json(
    temperature: float,
    threshold: Threshold,
    target_precision: float,
    *,
    temperatures: Mapping[str, float] | None = None,
    roll_up: Mapping[str, Mapping[str, Any]] | None = None,
    sets: list[SetRule] | None = None,
    max_set_size: int = 5,
    strangers: Mapping[str, Any] | None = None,
    region_floor: float = 1.0,
) -> dict[str, Any]:
    """The decision, before it is measured: :func:`with_outcomes`.

    A set rule without a finite threshold is left out.

    Args:
        temperature: of the probabilities.
        threshold: of the species.
        target_precision: that it was chosen for.
        temperatures: by region.
        roll_up: by rank; see :func:`~aplantida.evaluation.roll_up.fit_roll_up`.
        sets: of one method, a rule a level.
        max_set_size: of a set that is shown.
        strangers: the gates ``plant`` and ``known`` as JSON, each with its threshold; None for none.
        region_floor: weight of species that live elsewhere than a visitor says; 1 for no prior.

    Raises:
        ValueError: when temperature or threshold cannot be meant.
    """
    if not (math.isfinite(temperature) and temperature > 0 and 0.0 <= threshold.value <= 1.0):
        raise ValueError(f"decision: temperature {temperature}, threshold {threshold.value}")
    return {
        "format": DECISION_FORMAT,
        "temperature": temperature,
        "threshold": threshold.value,
        "target_precision": target_precision,
        "target_reached": threshold.target_reached,
        "precision": None,
        "coverage": None,
        "temperatures": dict(temperatures or {}),
        "roll_up": {rank: _rank_json((roll_up or {}).get(rank, {})) for rank in ("genus", "family")},
        "sets": _sets_json(sets or [], max_set_size),
        "strangers": dict(strangers or {"plant": None, "known": None}),
        "region_prior": {"floor": region_floor},
        "fusion": "mean_log_probability",
    }


def with_outcomes(decision: Mapping[str, Any], outcomes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The decision that says what all its rules together, gates for strangers included, did to the test photos.

    Test photos chose nothing. A rule that is asked later sees only what the earlier ones left.

    Args:
        decision: of :func:`decision_json`, whole: with the gates that ship.
        outcomes: of :func:`~aplantida.evaluation.rule_report.rule_report` by this decision.
    """
    roll_up = {rank: {**row, "precision": outcomes[rank].get("precision")} for rank, row in decision["roll_up"].items()}
    species = outcomes["species"]
    return {**decision, "precision": species.get("precision"), "coverage": species["share"], "roll_up": roll_up}


def always_unsure(decision: Mapping[str, Any], because: Sequence[str]) -> dict[str, Any]:
    """The decision that names nothing and says nothing else of any photo: for a model that cannot keep its promise.

    Args:
        decision: of :func:`decision_json`; what is known of the model stays.
        because: a sentence for each bound that is not kept; one at least.

    Raises:
        ValueError: without a reason.
    """
    if not because:
        raise ValueError("decision: nothing says why it should be always unsure")
    return {
        **decision,
        "threshold": NEVER,
        "precision": None,
        "coverage": 0.0,
        "roll_up": {rank: _rank_json({}) for rank in ("genus", "family")},
        "sets": {**decision["sets"], "levels": []},
        "strangers": {"plant": None, "known": None},
        "unsure_because": list(because),
    }


def _rank_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"threshold": row.get("threshold"), "precision": None}


def _sets_json(sets: list[SetRule], max_size: int) -> dict[str, Any]:
    rules = sorted((rule for rule in sets if math.isfinite(rule.threshold)), key=lambda rule: rule.level)
    return {
        "method": rules[0].method if rules else "lac",
        "penalty": rules[0].penalty if rules else PENALTY,
        "max_size": max_size,
        "levels": [{"level": rule.level, "threshold": rule.threshold} for rule in rules],
    }
