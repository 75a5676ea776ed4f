"""When a calibration is good enough to name species by, and what is made of one that is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from aplantida.evaluation.bounds import LEVEL, share_at_least
from aplantida.pipeline.config import Section


class CalibrationGates(Section):
    """What val must show before a page may name species."""

    min_photos: int = Field(default=100, ge=1)
    level: float = Field(default=LEVEL, ge=0.5, lt=1.0)
    ship_unsure: bool = False


def shortfalls(config: Any, metrics: Mapping[str, Any]) -> list[str]:
    """The bounds that val does not keep, a sentence each.

    Args:
        config: of calibrate_model.
        metrics: its ``temperature``, ``temperature_at_bound``, ``num_val_photos``, ``num_named``, ``num_right``,
            ``design_effect`` and ``num_groups``.
    """
    gates: CalibrationGates = config.gates
    found: list[str] = []
    photos, named, right = (metrics[name] for name in ("num_val_photos", "num_named", "num_right"))
    if metrics["temperature_at_bound"]:
        found.append(
            f"the temperature ran to its bound, {metrics['temperature']:g}: val does not tell how sure the model is"
        )
    effect, num_groups = metrics.get("design_effect", 1.0), metrics.get("num_groups", named)
    least = float(share_at_least(right, named, effect, num_groups, gates.level))
    if least < config.target_precision:
        found.append(
            f"{right} of the {named} val photos that are named are right: at the one-sided level {gates.level}, "
            f"{effect:.2f} of them counted as one, that speaks for a precision of {least:.3f}; "
            f"target_precision is {config.target_precision:g}"
        )
    if photos < gates.min_photos:
        found.append(f"val has {photos} photos; gates.min_photos is {gates.min_photos}")
    return found


def judge(config: Any, metrics: Mapping[str, Any]) -> list[str]:
    """Whether the decision may ship: it keeps every bound, or names nothing and somebody said yes to that."""
    found = shortfalls(config, metrics)
    if not metrics["always_unsure"]:
        hint = "this decision names species: for one that is always unsure make it anew under another output"
        return [*found, hint] if found and config.gates.ship_unsure else found
    if not found:
        return ["every bound is kept, and this decision is always unsure: make it anew under another output"]
    return [] if config.gates.ship_unsure else found
