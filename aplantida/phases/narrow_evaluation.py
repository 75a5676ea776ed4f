"""What a model would be if it knew a region's species only: an evaluation cut down to them, and to the region's photos.

"Train wide, expose narrow": the head's other outputs are left out, and the softmax over the rest sums to 1 again. Which
confidences that gives, and how often they are right, is measured on the photos of the region; photos of the species
that were left out become strangers. All of it comes out of stored scores: no model is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.domain.class_index import ClassIndex
from aplantida.evaluation.report import evaluate
from aplantida.phases._calibration_parts import ClassFacts, read_classes, read_part
from aplantida.phases._judged_scores import Judged, class_means
from aplantida.phases._narrowed_scores import PARTS, NarrowedFiles, narrow_strangers, of_elsewhere
from aplantida.phases._pairing import check_pairing, classes_in, region_of, require_made_from
from aplantida.phases.evaluate_model import LABELS_SCHEMA, EvaluateModelConfig, scored_part, write_report
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext


class NarrowEvaluationConfig(PhaseConfig):
    """Which region's species are kept, and how many photos of the others are looked at as strangers."""

    region: str = ""
    max_elsewhere: int = Field(default=6000, ge=0)


@dataclass(frozen=True, eq=False)
class Narrowed:
    """What is kept of an evaluation.

    Attributes:
        classes: that live in the region.
        columns: their positions in the evaluation's classes.
        positions: (C,) for each of the evaluation's classes its new position, or -1.
        labels: of all photos of the evaluation.
        splits: (N,) of them.
        of_region: (N,) whether they belong to the region, by either rule.
    """

    classes: ClassIndex
    columns: list[int]
    positions: npt.NDArray[np.int64]
    labels: pa.Table
    splits: npt.NDArray[np.str_]
    of_region: npt.NDArray[np.bool_]

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """(N,) photos of the region, of a species that is known to live there."""
        return self.of_region & (self.positions[self.labels["class_index"].to_numpy()] >= 0)

    def rows(self) -> pa.Table:
        """The labels of what is kept."""
        rows = self.labels.filter(pa.array(self.kept))
        places = pa.array(self.positions[rows["class_index"].to_numpy()], pa.int32())
        rows = rows.set_column(rows.schema.get_field_index("class_index"), "class_index", places)
        return rows.select(LABELS_SCHEMA.names).cast(LABELS_SCHEMA)


def run(ctx: PhaseContext[NarrowEvaluationConfig]) -> dict[str, Any]:
    """Cut, then judge as evaluate_model does."""
    evaluation, region = ctx.input("evaluation"), ctx.config.region
    _check_lineage(ctx)
    wide = read_classes(evaluation)
    narrowed = _narrowed(evaluation, wide.index, region)
    judged = _cut(ctx, wide, narrowed)
    elsewhere = of_elsewhere(narrowed.labels, wide.index, narrowed.positions < 0, ctx.config.max_elsewhere)
    strangers = narrow_strangers(ctx, narrowed.classes, narrowed.columns, elsewhere)
    rows, splits = narrowed.rows(), narrowed.splits[narrowed.kept]
    # photos of classes that the checkpoint does not know are in no labels, so not counted
    counts = {name: int((narrowed.of_region & (narrowed.splits == name)).sum()) for name in PARTS}
    parts = {name: scored_part(rows, judged[name].scores, splits == name, counts[name]) for name in PARTS}
    earlier = EvaluateModelConfig.model_validate(evaluation.config)
    regions = json.loads(evaluation.file("metrics.json").read_text(encoding="utf-8"))["test"]["regions"]
    report = evaluate(
        parts["val"],
        parts["test"],
        narrowed.classes,
        wide.train_photos[narrowed.columns],
        region_names=sorted(regions),
        frequency_bands=earlier.frequency_bands,
        max_confusions=earlier.max_confusions,
        resamples=earlier.bootstrap_resamples,
    )
    write_report(ctx, report, {"region": region, **earlier.data.said()})
    means = class_means(judged["val"].features, parts["val"].labels, narrowed.classes.class_ids)
    ctx.output.write_table("class_means.parquet", means, ["features"])
    ctx.output.write_table("labels.parquet", rows)
    ctx.output.write_json("class_index.json", narrowed.classes.to_json())
    left_out = [item for item in wide.index.classes if item.class_id not in narrowed.classes]
    unknown = sum(not item.regions and not item.distribution for item in left_out)
    test = report.metrics["test"]
    ctx.log.info("%s: %d of %d species are known to live there (of %d nothing is known, they are left out); %d test "
                 "photos, top-1 %.3f", region, len(narrowed.classes), len(wide.index), unknown, test["num_photos"],
                 test["top1"])  # fmt: skip
    said = {key: test[key] for key in ("num_photos", "top1", "top5", "macro_top1", "macro_top5", "nll")}
    counted = {"num_classes": len(narrowed.classes), "num_left_out": len(left_out), "num_unknown": unknown}
    return {**counted, **strangers, **said}


def _narrowed(evaluation: Artifact, wide: ClassIndex, region: str) -> Narrowed:
    classes = classes_in(evaluation, region)
    columns = wide.indices_of(classes.class_ids)
    positions = np.full(len(wide), -1, np.int64)
    positions[columns] = np.arange(len(columns))
    labels = pq.read_table(evaluation.file("labels.parquet"))
    splits = np.asarray(labels["split"].to_pylist(), dtype=str)
    of_region = np.array([region in (row or ()) for row in labels["regions"].to_pylist()], np.bool_)
    return Narrowed(classes, columns, positions, labels, splits, of_region)


def _cut(ctx: PhaseContext[NarrowEvaluationConfig], wide: ClassFacts, narrowed: Narrowed) -> dict[str, Judged]:
    """Publish the scores and features of what is kept."""
    evaluation, judged = ctx.input("evaluation"), dict[str, Judged]()
    for name in PARTS:
        read_part(evaluation, name, wide)  # refuses scores and labels that do not fit each other
        inside = narrowed.kept[narrowed.splits == name]
        if not inside.any():
            region = ctx.config.region
            raise BadRequest(f"{evaluation.path}: has no {name} photo of {region}, so nothing can be said of it there")
        files = NarrowedFiles(ctx, name, narrowed.classes, narrowed.columns, int(inside.sum()))
        files.take(evaluation, name, inside)
        judged[name] = files.publish()
    return judged


def _check_lineage(ctx: PhaseContext[NarrowEvaluationConfig]) -> None:
    """The checkpoint is named so that what is made from this can be held against it, as from any evaluation."""
    check_pairing(ctx)
    evaluation, checkpoint = ctx.input("evaluation"), ctx.input("checkpoint")
    earlier = region_of(evaluation)
    if earlier is not None:
        raise BadRequest(f"{evaluation.path}: was narrowed to {earlier} already; give the evaluation it was made from")
    require_made_from(evaluation, "checkpoint", checkpoint)
    missing = set(LABELS_SCHEMA.names) - set(pq.read_schema(evaluation.file("labels.parquet")).names)
    if missing:
        raise BadRequest(
            f"{evaluation.path}: its labels.parquet has no {', '.join(sorted(missing))}; it was made by an earlier "
            "version of evaluate_model: make it anew"
        )


PHASE = Phase(
    name="narrow_evaluation",
    config=NarrowEvaluationConfig,
    inputs={"evaluation": "evaluation", "checkpoint": "checkpoint"},
    output="evaluation",
    version=2,
    run=run,
)
