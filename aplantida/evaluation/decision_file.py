"""``decision.json``, version 2: what Python and the page decide by; ``decision-2.schema.json`` describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aplantida.evaluation.conformal import PENALTY, SetRule
from aplantida.evaluation.decisions import Threshold

DECISION_FORMAT = "aplantida.decision/2"
NEVER = 2.0  # a threshold that no probability reaches, whatever it is rounded to
SCHEMA_FILE = Path(__file__).with_name("decision-2.schema.json")


def decision_schema() -> dict[str, Any]:
    """The JSON Schema."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def decision_json(
    temperature: float,
    threshold: Threshold,
    target_precision: float,
    test: Mapping[str, Any],
    *,
    temperatures: Mapping[str, float] | None = None,
    roll_up: Mapping[str, Mapping[str, Any]] | None = None,
    sets: list[SetRule] | None = None,
    max_set_size: int = 5,
    strangers: Mapping[str, Any] | None = None,
    region_floor: float = 1.0,
) -> dict[str, Any]:
    """The decision.

    ``coverage`` and ``precision`` of the species are those measured on the test photos, which chose nothing. A set rule
    without a finite threshold is left out.

    Args:
        temperature: of the probabilities.
        threshold: of the species.
        target_precision: that it was chosen for.
        test: what it did on test.
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
        "precision": test["precision"],
        "coverage": test["coverage"],
        "temperatures": dict(temperatures or {}),
        "roll_up": {rank: _rank_json((roll_up or {}).get(rank, {})) for rank in ("genus", "family")},
        "sets": _sets_json(sets or [], max_set_size),
        "strangers": dict(strangers or {"plant": None, "known": None}),
        "region_prior": {"floor": region_floor},
        "fusion": "mean_log_probability",
    }


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
    return {"threshold": row.get("threshold"), "precision": (row.get("test") or {}).get("precision")}


def _sets_json(sets: list[SetRule], max_size: int) -> dict[str, Any]:
    rules = sorted((rule for rule in sets if math.isfinite(rule.threshold)), key=lambda rule: rule.level)
    return {
        "method": rules[0].method if rules else "lac",
        "penalty": PENALTY,
        "max_size": max_size,
        "levels": [{"level": rule.level, "threshold": rule.threshold} for rule in rules],
    }
