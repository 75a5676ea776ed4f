"""Score the val and test photos with a checkpoint and say how good it is, per species, region and frequency band."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.escaping import csv_text
from aplantida.domain.record import RECORD_SCHEMA, observation_of
from aplantida.domain.split import SPLIT_SCHEMA, read_split
from aplantida.domain.stored_scores import StoredScores
from aplantida.evaluation.report import (
    CONFUSION_COLUMNS,
    SPECIES_COLUMNS,
    TAXON_COLUMNS,
    EvaluationReport,
    ScoredSplit,
    evaluate,
)
from aplantida.phases._device import device_here
from aplantida.phases._judged_scores import Judged, ScoreFiles, class_means, provenance, score_shards
from aplantida.phases._judged_strangers import score_strangers
from aplantida.phases._pairing import check_pairing
from aplantida.phases._photos import DataSection
from aplantida.phases._scorer import ScorerResources
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

JUDGED = ("val", "test")
PROVENANCE = tuple(RECORD_SCHEMA.field(name) for name in ("license_id", "source", "observation_id"))
LABELS_SCHEMA = pa.schema(
    [
        *(SPLIT_SCHEMA.field(name) for name in ("image_id", "class_index", "split", "regions", "regions_by_country")),
        SPLIT_SCHEMA.field("group"),
        *PROVENANCE,
    ]
)


class EvaluateModelConfig(PhaseConfig):
    """What to report beside the totals."""

    MOVED: ClassVar[Mapping[str, str]] = {"batch_size": "resources.batch_size"}

    frequency_bands: tuple[int, ...] = (10, 50, 200)
    max_confusions: int = Field(default=200, ge=1)
    bootstrap_resamples: int = Field(default=1000, ge=100)
    num_non_plants: int = Field(default=0, ge=0)
    data: DataSection = DataSection()
    resources: ScorerResources = ScorerResources()


def run(ctx: PhaseContext[EvaluateModelConfig]) -> dict[str, Any]:
    """Score shard by shard, then judge."""
    check_pairing(ctx)
    split = ctx.input("split")
    if split.inputs["images"][0]["digest"] != ctx.input("images").digest:
        raise BadRequest(f"{split.path}: was made from other image_shards than {ctx.input('images').path}")
    index = ClassIndex.load(split.file("class_index.json"))
    classes = _known_classes(ctx, index)
    rows = read_split(split.file("split.parquet"), fraction=ctx.config.data.photo_fraction).sort_by("image_id")
    labels = _positions(index, classes)[rows["class_index"].to_numpy()]
    splits = np.asarray(rows["split"].to_pylist(), dtype=str)
    known = labels >= 0
    kept = known & np.isin(splits, JUDGED)
    scored = rows.set_column(rows.schema.get_field_index("class_index"), "class_index", pa.array(labels, pa.int32()))
    scored = provenance(ctx, scored.filter(pa.array(kept)), PROVENANCE)
    judged = _score(ctx, scored, splits[kept])
    parts = {
        name: scored_part(scored, judged[name].scores, splits[kept] == name, num_photos=int((splits == name).sum()))
        for name in JUDGED
    }
    report = evaluate(
        parts["val"],
        parts["test"],
        classes,
        np.bincount(labels[known & (splits == "train")], minlength=len(classes)),
        region_names=sorted(json.loads(split.file("regions.json").read_text(encoding="utf-8"))),
        frequency_bands=ctx.config.frequency_bands,
        max_confusions=ctx.config.max_confusions,
        resamples=ctx.config.bootstrap_resamples,
    )
    write_report(ctx, report, ctx.config.data.said())
    means = class_means(judged["val"].features, parts["val"].labels, classes.class_ids)
    ctx.output.write_table("class_means.parquet", means, ["features"])
    ctx.output.write_table("labels.parquet", scored.select(LABELS_SCHEMA.names).cast(LABELS_SCHEMA))
    ctx.output.write_json("class_index.json", classes.to_json())
    test = report.metrics["test"]
    share = "".join(f" (a share of {fraction})" for fraction in ctx.config.data.said().values())
    ctx.log.info("test: %d photos%s, top-1 %s, top-5 %s", test["num_photos"], share, test["top1"], test["top5"])
    kept = {key: test[key] for key in ("num_photos", "top1", "top5", "macro_top1", "macro_top5", "nll")}
    return kept | ctx.config.data.said()


def write_report(ctx: PhaseContext[Any], report: EvaluationReport, said: Mapping[str, Any]) -> None:
    """The files of a report; ``said`` is what else stands in ``metrics.json``."""
    ctx.output.write_json("metrics.json", {**report.metrics, **said})
    for name, columns, rows in (
        ("per_species", SPECIES_COLUMNS, report.species),
        ("per_genus", ("genus", *TAXON_COLUMNS), report.genera),
        ("per_family", ("family", *TAXON_COLUMNS), report.families),
        ("confusions", CONFUSION_COLUMNS, report.confusions),
    ):
        ctx.output.write_text(f"{name}.csv", csv_text(columns, rows))


def _known_classes(ctx: PhaseContext[EvaluateModelConfig], index: ClassIndex) -> ClassIndex:
    """The part of the split's classes that the checkpoint knows, in the order of its outputs."""
    from aplantida.models.checkpoint import load_card

    checkpoint = ctx.input("checkpoint")
    card = load_card(checkpoint.file("model.json").parent)
    return index.subset(card.class_ids)


def _positions(index: ClassIndex, classes: ClassIndex) -> npt.NDArray[np.int64]:
    """For each class of ``index`` its position in ``classes``, or -1."""
    positions = np.full(len(index), -1, np.int64)
    positions[index.indices_of(classes.class_ids)] = np.arange(len(classes))
    return positions


def _score(ctx: PhaseContext[EvaluateModelConfig], scored: pa.Table, splits: npt.NDArray[np.str_]) -> dict[str, Judged]:
    """Publish each split's dense scores and features; a shard is scored once, however often the process is killed."""
    scorer = ctx.config.resources.scorer(ctx.input("checkpoint").file("model.json").parent, device_here(ctx))
    order = np.argsort(splits == "test", kind="stable")  # val first, then test
    files = ScoreFiles(ctx, scorer, "", len(scored))
    with ctx.progress(total=len(scored), unit="photos", description="scoring") as progress:
        score_shards(ctx, files, scored, np.argsort(order, kind="stable"), "", progress)
    score_strangers(ctx, scorer, ctx.input("split"), ctx.config.num_non_plants)
    image_ids = np.asarray(scored["image_id"].to_pylist(), dtype=str)
    return {name: files.publish(name, image_ids[splits == name]) for name in JUDGED}


def scored_part(scored: pa.Table, scores: StoredScores, mask: npt.NDArray[np.bool_], num_photos: int) -> ScoredSplit:
    """The photos under ``mask`` of a table with the columns of ``LABELS_SCHEMA``, and their scores."""
    rows = scored.filter(pa.array(mask))
    return ScoredSplit(
        scores=scores,
        labels=rows["class_index"].to_numpy(),
        regions=[row or [] for row in rows["regions"].to_pylist()],
        regions_by_country=[row or [] for row in rows["regions_by_country"].to_pylist()],
        num_photos=num_photos,
        groups=np.asarray(rows["group"].to_pylist(), dtype=str),
        licenses=rows["license_id"].to_pylist(),
        sources=rows["source"].to_pylist(),
        observations=[
            observation_of(source, name)
            for source, name in zip(rows["source"].to_pylist(), rows["observation_id"].to_pylist(), strict=True)
        ],
    )


PHASE = Phase(
    name="evaluate_model",
    config=EvaluateModelConfig,
    inputs={"images": "image_shards", "split": "split", "checkpoint": "checkpoint"},
    output="evaluation",
    version=4,
    run=run,
)
