"""From an evaluation to a decision: temperatures, thresholds, roll-up and sets, chosen on val and measured on test."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from aplantida.evaluation.answers import TOP, Answers
from aplantida.evaluation.bounds import LEVEL
from aplantida.evaluation.conformal import fit_sets, level_problem
from aplantida.evaluation.decide import Decision, read_decision
from aplantida.evaluation.decision_file import always_unsure, decision_json, with_outcomes
from aplantida.evaluation.decisions import Threshold, at_threshold, find_threshold, precision_table
from aplantida.evaluation.stranger_choice import GateChoice, GateTarget
from aplantida.evaluation.temperatures import choose_temperatures
from aplantida.phases._calibration_gates import CalibrationGates, judge, shortfalls
from aplantida.phases._calibration_parts import Seen, look, read_classes, read_part
from aplantida.phases._calibration_strangers import Strangers, answered, choose_gates, gates_json, read_strangers
from aplantida.pipeline.config import PhaseConfig, Section
from aplantida.pipeline.phase import Phase, PhaseContext

FORMAT = "aplantida.calibration/2"
PARTS = ("val", "test")


class SetsSection(Section):
    """Sets of species that hold the true one with a given probability."""

    levels: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = (0.9, 0.95)
    method: Literal["lac", "aps", "raps"] = "lac"
    max_size: int = Field(default=5, ge=1, lt=TOP)  # of TOP classes nobody knows whether there are more

    @field_validator("levels")
    @classmethod
    def _are_told_apart(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        """Answers name the level of their set: no two levels may be written alike."""
        problems = [said for level in levels if (said := level_problem(level))]
        problems += [f"{level} is there twice" for level in sorted(set(levels)) if levels.count(level) > 1]
        if problems:
            raise ValueError("; ".join(problems))
        return levels


class StrangersSection(Section):
    """What a photo of no plant, or of no known species, may do; read where the evaluation scored such photos."""

    max_non_plants_passed: float = Field(default=0.05, gt=0.0, lt=1.0)
    max_strangers_passed: float = Field(default=0.15, gt=0.0, lt=1.0)
    max_known_refused: float = Field(default=0.05, gt=0.0, lt=0.5)
    min_plants_refused: float = Field(default=0.02, ge=0.0, lt=0.5)


class CalibrateModelConfig(PhaseConfig):
    """How sure the model must be before it names a species."""

    target_precision: float = Field(default=0.9, gt=0.0, le=1.0)
    bound_level: float = Field(default=LEVEL, ge=0.5, lt=1.0)
    min_accepted: int = Field(default=20, ge=1)
    num_bins: int = Field(default=15, ge=2)
    min_region_photos: int = Field(default=500, ge=1)
    region_floor: float = Field(default=0.05, gt=0.0, le=1.0)
    table_thresholds: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
    sets: SetsSection = SetsSection()
    strangers: StrangersSection = StrangersSection()
    gates: CalibrationGates = CalibrationGates()


def run(ctx: PhaseContext[CalibrateModelConfig]) -> dict[str, Any]:
    """Fit on val, measure on test, write the decision."""
    config, evaluation = ctx.config, ctx.input("evaluation")
    classes = read_classes(evaluation)
    val, test = (read_part(evaluation, name, classes) for name in PARTS)
    chosen = choose_temperatures(val, test, config.num_bins, config.min_region_photos)
    for warning in chosen.warnings:
        ctx.log.warning(warning)
    seen = look(evaluation, classes, val, test, chosen.fit.temperature)
    threshold = _threshold(ctx, seen)
    limits = {"target_precision": config.target_precision, "min_accepted": config.min_accepted}
    roll_up = seen.roll_up(threshold.value, bound=config.bound_level, **limits)
    rules, sets = fit_sets(seen.on_val, seen.on_test, config.sets.levels, classes.prevalence, seen.set_sizes)
    decision = decision_json(
        seen.temperature,
        threshold,
        config.target_precision,
        temperatures=chosen.regional,
        roll_up=roll_up,
        sets=rules[config.sets.method],
        max_set_size=config.sets.max_size,
        strangers=gates_json({}),
        region_floor=config.region_floor,
    )
    strangers = read_strangers(seen)
    gates = _gates(ctx, strangers, read_decision(decision))
    decision["strangers"] = gates_json(gates)
    told = seen.rules(read_decision(decision))
    decision = with_outcomes(decision, told["outcomes"])
    decision = _settle(ctx, decision, facts := _facts(threshold, seen.on_val, chosen.fit.at_bound))
    calibration = {
        "format": FORMAT,
        **chosen.report,
        "threshold": _threshold_report(config, threshold, seen, told["outcomes"]["species"]),
        "precision_table": _precision_tables(config, seen),
        "roll_up": roll_up,
        "sets": {"method": config.sets.method, "methods": sets},
        "strangers": {name: choice.report for name, choice in gates.items()},
        "region_prior": {"floor": config.region_floor, "regions": seen.region_prior(read_decision(decision))},
        "rules": seen.rules(read_decision(decision)) if "unsure_because" in decision else told,
        "strangers_answered": answered(strangers, read_decision(decision)),
        **{name: decision[name] for name in ("unsure_because",) if name in decision},
    }
    for name, content in (("calibration.json", calibration), ("decision.json", decision)):
        ctx.output.write_json(name, content)
    ctx.log.info("T %.3f, test ECE %.3f -> %.3f", seen.temperature, *calibration["ece"].values())
    kept = ("format", "temperature", "threshold", "target_precision", "target_reached", "precision", "coverage")
    errors = {f"ece_{name}": calibration["ece"][name] for name in ("before", "after")}
    said = {name: decision[name] for name in kept}
    return {**said, **errors, **facts, "always_unsure": "unsure_because" in decision}


def _precision_tables(config: CalibrateModelConfig, seen: Seen) -> dict[str, Any]:
    return {
        name: precision_table(part.confidences, part.correct, config.table_thresholds)
        for name, part in zip(PARTS, (seen.on_val, seen.on_test), strict=True)
    }


def _settle(ctx: PhaseContext[CalibrateModelConfig], decision: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """The decision that ships: always unsure where a bound is not kept and somebody said yes to that."""
    because = shortfalls(ctx.config, {**decision, **facts}) if ctx.config.gates.ship_unsure else []
    if not because:
        return decision
    ctx.log.warning("the decision is always unsure: %s", "; ".join(because))
    return always_unsure(decision, because)


def _facts(threshold: Threshold, val: Answers, at_bound: bool) -> dict[str, Any]:
    """What the gates are asked about: all of val."""
    named = val.confidences >= threshold.value
    return {
        "temperature_at_bound": at_bound,
        "num_val_photos": len(val),
        "num_named": int(named.sum()),
        "num_right": int(val.correct[named].sum()),
        "design_effect": threshold.design_effect,
        "num_groups": threshold.num_groups,
    }


def _gates(
    ctx: PhaseContext[CalibrateModelConfig], strangers: Strangers | None, ungated: Decision
) -> dict[str, GateChoice]:
    """For no plants and for plants of other species; none where the evaluation scored none."""
    limits, level = ctx.config.strangers, ctx.config.bound_level
    if strangers is None:
        return {}
    least = min(limits.min_plants_refused, limits.max_known_refused)
    gates = choose_gates(
        strangers,
        ungated,
        plant=GateTarget(limits.max_non_plants_passed, limits.max_known_refused, level, least),
        known=GateTarget(limits.max_strangers_passed, limits.max_known_refused, level),
    )
    for name, choice in gates.items():
        if choice.gate is None:
            ctx.log.info("strangers (%s): no gate, for %s", name, choice.report["reason"])
        elif not choice.report["target_reached"]:
            ctx.log.warning(
                "strangers (%s): %.1f %% pass on val where %.1f %% of the known are refused; of others %.1f %% may",
                name,
                *(100 * choice.report["val"][key] for key in ("passed", "known_refused", "passed_at_most")),
            )
    return gates


def _threshold(ctx: PhaseContext[CalibrateModelConfig], seen: Seen) -> Threshold:
    """Of the species, chosen on val; photos of one group count for as many independent ones as they are worth."""
    config, val = ctx.config, seen.on_val
    threshold = find_threshold(
        val.confidences, val.correct, config.target_precision, config.min_accepted, config.bound_level, seen.val_groups
    )
    if not threshold.target_reached:
        ctx.log.warning(
            "no threshold speaks for a precision of %s on val; taking %.3f",
            config.target_precision,
            threshold.precision,
        )
    return threshold


def _threshold_report(
    config: CalibrateModelConfig, threshold: Threshold, seen: Seen, named: dict[str, Any]
) -> dict[str, Any]:
    """What the threshold does without the gates for strangers; ``named``: the test photos named with them."""
    on = {
        name: at_threshold(part.confidences, part.correct, threshold.value)
        for name, part in (("val", seen.on_val), ("test", seen.on_test))
    }
    return {
        "target_precision": config.target_precision,
        "bound_level": config.bound_level,
        "target_reached": threshold.target_reached,
        "target_reached_on_test": named.get("precision", 0.0) >= config.target_precision,
        "precision_at_least": seen.precision_at_least(threshold.value, config.bound_level),
        **on,
    }


PHASE = Phase(
    name="calibrate_model",
    config=CalibrateModelConfig,
    inputs={"evaluation": "evaluation"},
    output="calibration",
    version=5,
    run=run,
    judge=judge,
)
