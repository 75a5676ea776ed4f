"""From an evaluation to a decision: a temperature and a threshold, chosen on val and measured on test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.domain.class_index import ClassIndex, class_index_digest
from aplantida.domain.stored_scores import StoredScores
from aplantida.evaluation.calibration import confidences, fit_temperature, nll
from aplantida.evaluation.decisions import at_threshold, decision_json, find_threshold, precision_table
from aplantida.evaluation.metrics import BoolArray, FloatArray, IntArray
from aplantida.evaluation.reliability import Scheme, calibration_error
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

FORMAT = "aplantida.calibration/1"
Pairs = tuple[FloatArray, BoolArray]


class CalibrateModelConfig(PhaseConfig):
    """How sure the model must be before it names a species."""

    target_precision: float = Field(default=0.9, gt=0.0, le=1.0)
    min_accepted: int = Field(default=20, ge=1)
    num_bins: int = Field(default=15, ge=2)
    table_thresholds: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def run(ctx: PhaseContext[CalibrateModelConfig]) -> dict[str, Any]:
    """Fit on val, measure on test, write the decision."""
    config, evaluation = ctx.config, ctx.input("evaluation")
    val, val_labels = _scores(evaluation, "val")
    test, test_labels = _scores(evaluation, "test")
    fit = fit_temperature(val, val_labels)
    if fit.at_bound:
        ctx.log.warning(
            "the temperature ran to its bound, %s: the %d val photos do not determine it", fit.temperature, len(val)
        )
    val_pairs = confidences(val, val_labels, fit.temperature)
    test_pairs = confidences(test, test_labels, fit.temperature)
    threshold = find_threshold(*val_pairs, config.target_precision, config.min_accepted)
    on_test = at_threshold(*test_pairs, threshold.value)
    if not threshold.target_reached:
        ctx.log.warning(
            "no threshold reaches a precision of %s on val; the best, %.3f, is taken and target_reached is false",
            config.target_precision,
            threshold.precision,
        )
    calibration = {
        "format": FORMAT,
        "temperature": fit.temperature,
        "temperature_at_bound": fit.at_bound,
        "nll": {
            "val": {"before": fit.nll_before, "after": fit.nll_after},
            "test": {"before": nll(test, test_labels, 1.0), "after": nll(test, test_labels, fit.temperature)},
        },
        **_errors(confidences(test, test_labels, 1.0), test_pairs, config.num_bins),
        "threshold": {
            "target_precision": config.target_precision,
            "target_reached": threshold.target_reached,
            "target_reached_on_test": (on_test["precision"] or 0.0) >= config.target_precision,
            "val": at_threshold(*val_pairs, threshold.value),
            "test": on_test,
        },
        "precision_table": {
            "val": precision_table(*val_pairs, config.table_thresholds),
            "test": precision_table(*test_pairs, config.table_thresholds),
        },
    }
    ctx.output.write_json("calibration.json", calibration)
    decision = decision_json(fit.temperature, threshold, config.target_precision, on_test)
    ctx.output.write_json("decision.json", decision)
    ctx.log.info("T %.3f, test ECE %.3f -> %.3f", fit.temperature, *calibration["ece"].values())
    return {**decision, "ece_before": calibration["ece"]["before"], "ece_after": calibration["ece"]["after"]}


def _scores(evaluation: Artifact, split: str) -> tuple[StoredScores, IntArray]:
    scores = StoredScores(evaluation.file(f"scores_{split}.parquet"))
    labels = pq.read_table(evaluation.file("labels.parquet"), columns=["image_id", "class_index", "split"])
    labels = labels.filter(pc.field("split") == split)
    if len(scores) == 0:
        raise BadRequest(f"{evaluation.path}: holds no scored {split} photo, so nothing can be calibrated on it")
    if labels["image_id"].to_pylist() != scores.image_ids.tolist():
        raise BadRequest(f"{evaluation.path}: labels and {split} scores are of different photos")
    index = ClassIndex.load(evaluation.file("class_index.json"))
    found = class_index_digest(scores.class_ids)
    if found != index.digest:
        raise BadRequest(
            f"{evaluation.path}: scores_{split}.parquet speaks of {len(scores.class_ids)} classes (class index "
            f"{found[:12]}), class_index.json of {len(index)} ({index.digest[:12]})"
        )
    return scores, labels["class_index"].to_numpy().astype(np.int64)


def _errors(before: Pairs, after: Pairs, num_bins: int) -> dict[str, Any]:
    """Calibration errors and reliability bins before and after scaling."""
    schemes: tuple[Scheme, ...] = ("equal_width", "equal_mass")
    reliability: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for name, pairs in (("before", before), ("after", after)):
        for scheme in schemes:
            error, bins = calibration_error(*pairs, num_bins, scheme)
            reliability[name][scheme] = {"ece": error, "bins": bins}
    return {
        "ece": {name: part["equal_width"]["ece"] for name, part in reliability.items()},
        "ece_equal_mass": {name: part["equal_mass"]["ece"] for name, part in reliability.items()},
        "reliability": reliability,
    }


PHASE = Phase(
    name="calibrate_model",
    config=CalibrateModelConfig,
    inputs={"evaluation": "evaluation"},
    output="calibration",
    version=1,
    run=run,
)
