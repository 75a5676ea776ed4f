"""From an evaluation to a decision: temperatures, thresholds, roll-up and sets, chosen on val and measured on test."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from aplantida.evaluation.answers import TOP, Answers, answers_of
from aplantida.evaluation.bounds import LEVEL
from aplantida.evaluation.conformal import fit_sets, set_sizes
from aplantida.evaluation.decide import facts_of, read_decision
from aplantida.evaluation.decision_file import decision_json
from aplantida.evaluation.decisions import Threshold, at_threshold, find_threshold, precision_table
from aplantida.evaluation.roll_up import fit_roll_up
from aplantida.evaluation.rule_report import rule_report
from aplantida.evaluation.taxa import Taxonomy
from aplantida.evaluation.temperatures import choose_temperatures
from aplantida.phases._calibration_parts import read_classes, read_part
from aplantida.pipeline.config import PhaseConfig, Section
from aplantida.pipeline.phase import Phase, PhaseContext

FORMAT = "aplantida.calibration/2"


class SetsSection(Section):
    """Sets of species that hold the true one with a given probability."""

    levels: tuple[float, ...] = (0.9, 0.95)
    method: Literal["lac", "aps", "raps"] = "lac"
    max_size: int = Field(default=5, ge=1, le=TOP)


class CalibrateModelConfig(PhaseConfig):
    """How sure the model must be before it names a species."""

    target_precision: float = Field(default=0.9, gt=0.0, le=1.0)
    bound_level: float = Field(default=LEVEL, ge=0.5, lt=1.0)
    min_accepted: int = Field(default=20, ge=1)
    num_bins: int = Field(default=15, ge=2)
    min_region_photos: int = Field(default=500, ge=1)
    table_thresholds: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
    sets: SetsSection = SetsSection()


def run(ctx: PhaseContext[CalibrateModelConfig]) -> dict[str, Any]:
    """Fit on val, measure on test, write the decision."""
    config, evaluation = ctx.config, ctx.input("evaluation")
    classes = read_classes(evaluation)
    val, test = (read_part(evaluation, name, classes) for name in ("val", "test"))
    taxonomy = Taxonomy.of(classes.index)
    chosen = choose_temperatures(val, test, config.num_bins, config.min_region_photos)
    for warning in chosen.warnings:
        ctx.log.warning(warning)
    temperature = chosen.fit.temperature
    on_val, on_test = (answers_of(part.scores, part.labels, temperature, taxonomy) for part in (val, test))
    threshold = _threshold(ctx, on_val)
    limits = {"target_precision": config.target_precision, "min_accepted": config.min_accepted}
    roll_up = fit_roll_up(on_val, on_test, taxonomy, threshold.value, bound=config.bound_level, **limits)
    rules, sets = fit_sets(
        on_val,
        on_test,
        config.sets.levels,
        classes.prevalence,
        lambda asked: set_sizes(test.scores, temperature, asked, classes.prevalence),
    )
    named = at_threshold(on_test.confidences, on_test.correct, threshold.value)
    decision = decision_json(
        temperature,
        threshold,
        config.target_precision,
        named,
        temperatures=chosen.regional,
        roll_up=roll_up,
        sets=rules[config.sets.method],
        max_set_size=config.sets.max_size,
    )
    calibration = {
        "format": FORMAT,
        **chosen.report,
        "threshold": _threshold_report(config, threshold, on_val, on_test),
        "precision_table": {
            name: precision_table(part.confidences, part.correct, config.table_thresholds)
            for name, part in (("val", on_val), ("test", on_test))
        },
        "roll_up": roll_up,
        "sets": {"method": config.sets.method, "methods": sets},
        "rules": _rules(on_test, decision, taxonomy),
    }
    ctx.output.write_json("calibration.json", calibration)
    ctx.output.write_json("decision.json", decision)
    ctx.log.info("T %.3f, test ECE %.3f -> %.3f", temperature, *calibration["ece"].values())
    kept = ("temperature", "threshold", "target_precision", "target_reached", "precision", "coverage")
    errors = {f"ece_{name}": calibration["ece"][name] for name in ("before", "after")}
    return {"format": decision["format"], **{name: decision[name] for name in kept}, **errors}


def _threshold(ctx: PhaseContext[CalibrateModelConfig], val: Answers) -> Threshold:
    """Of the species, chosen on val."""
    config = ctx.config
    threshold = find_threshold(
        val.confidences, val.correct, config.target_precision, config.min_accepted, config.bound_level
    )
    if not threshold.target_reached:
        ctx.log.warning(
            "no threshold speaks for a precision of %s on val; the best, %.3f, is taken and target_reached is false",
            config.target_precision,
            threshold.precision,
        )
    return threshold


def _rules(test: Answers, decision: dict[str, Any], taxonomy: Taxonomy) -> dict[str, Any]:
    rule = read_decision(decision)
    return rule_report(test, facts_of(test, rule), rule, taxonomy)


def _threshold_report(
    config: CalibrateModelConfig, threshold: Threshold, val: Answers, test: Answers
) -> dict[str, Any]:
    on_test = at_threshold(test.confidences, test.correct, threshold.value)
    return {
        "target_precision": config.target_precision,
        "bound_level": config.bound_level,
        "target_reached": threshold.target_reached,
        "target_reached_on_test": (on_test["precision"] or 0.0) >= config.target_precision,
        "val": at_threshold(val.confidences, val.correct, threshold.value),
        "test": on_test,
    }


PHASE = Phase(
    name="calibrate_model",
    config=CalibrateModelConfig,
    inputs={"evaluation": "evaluation"},
    output="calibration",
    version=2,
    run=run,
)
