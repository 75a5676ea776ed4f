"""From an evaluation to a decision: a temperature and a threshold, chosen on val and measured on test."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.domain.class_index import ClassIndex, class_index_digest
from aplantida.domain.stored_scores import StoredScores
from aplantida.evaluation.calibration import confidences
from aplantida.evaluation.decisions import at_threshold, decision_json, find_threshold, precision_table
from aplantida.evaluation.temperatures import CalibrationPart, choose_temperatures
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

FORMAT = "aplantida.calibration/1"


class CalibrateModelConfig(PhaseConfig):
    """How sure the model must be before it names a species."""

    target_precision: float = Field(default=0.9, gt=0.0, le=1.0)
    min_accepted: int = Field(default=20, ge=1)
    num_bins: int = Field(default=15, ge=2)
    min_region_photos: int = Field(default=500, ge=1)
    table_thresholds: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def run(ctx: PhaseContext[CalibrateModelConfig]) -> dict[str, Any]:
    """Fit on val, measure on test, write the decision."""
    config, evaluation = ctx.config, ctx.input("evaluation")
    val, test = _part(evaluation, "val"), _part(evaluation, "test")
    chosen = choose_temperatures(val, test, config.num_bins, config.min_region_photos)
    fit, test_pairs = chosen.fit, chosen.test
    for warning in chosen.warnings:
        ctx.log.warning(warning)
    val_pairs = confidences(val.scores, val.labels, fit.temperature)
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
        **chosen.report,
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


def _part(evaluation: Artifact, split: str) -> CalibrationPart:
    scores = StoredScores(evaluation.file(f"scores_{split}.parquet"))
    labels = pq.read_table(evaluation.file("labels.parquet"), columns=["image_id", "class_index", "split", "regions"])
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
    positions = labels["class_index"].to_numpy().astype(np.int64)
    regions = [row or [] for row in labels["regions"].to_pylist()]
    return CalibrationPart(scores, positions, regions, _bands(evaluation, index)[positions])


def _bands(evaluation: Artifact, index: ClassIndex) -> npt.NDArray[np.str_]:
    """The frequency band of each class."""
    with evaluation.file("per_species.csv").open(encoding="utf-8", newline="") as stream:
        bands = {row["class_id"]: row["frequency_band"] for row in csv.DictReader(stream)}
    return np.asarray([bands[class_id] for class_id in index.class_ids], dtype=str)


PHASE = Phase(
    name="calibrate_model",
    config=CalibrateModelConfig,
    inputs={"evaluation": "evaluation"},
    output="calibration",
    version=2,
    run=run,
)
