"""Score the val and test photos with a checkpoint and say how good it is, per species, region and frequency band."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.scores import ScoreTable, concat
from aplantida.domain.split import SPLIT_SCHEMA, read_split
from aplantida.evaluation.report import CONFUSION_COLUMNS, SPECIES_COLUMNS, ScoredSplit, csv_text, evaluate
from aplantida.phases._photos import DataSection
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.config import PhaseConfig, Resources
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

JUDGED = ("val", "test")
LABELS_SCHEMA = pa.schema(
    [SPLIT_SCHEMA.field(name) for name in ("image_id", "class_index", "split", "regions", "regions_by_country")]
)


class EvaluateModelConfig(PhaseConfig):
    """What to report beside the totals."""

    batch_size: int = Field(default=64, ge=1)
    frequency_bands: tuple[int, ...] = (10, 50, 200)
    max_confusions: int = Field(default=200, ge=1)
    data: DataSection = DataSection()
    resources: Resources = Resources()


def run(ctx: PhaseContext[EvaluateModelConfig]) -> dict[str, Any]:
    """Score shard by shard, then judge."""
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
    scored = scored.filter(pa.array(kept))
    scores = _score(ctx, scored)
    parts = {
        name: _part(scored, scores, splits[kept] == name, num_photos=int((splits == name).sum())) for name in JUDGED
    }
    report = evaluate(
        parts["val"],
        parts["test"],
        classes,
        np.bincount(labels[known & (splits == "train")], minlength=len(classes)),
        region_names=sorted(json.loads(split.file("regions.json").read_text(encoding="utf-8"))),
        frequency_bands=ctx.config.frequency_bands,
        max_confusions=ctx.config.max_confusions,
    )
    for name, part in parts.items():
        ctx.output.write_table(f"scores_{name}.parquet", part.scores.to_arrow())
    ctx.output.write_table("labels.parquet", scored.select(LABELS_SCHEMA.names).cast(LABELS_SCHEMA))
    ctx.output.write_json("metrics.json", report.metrics | ctx.config.data.said())
    ctx.output.write_text("per_species.csv", csv_text(SPECIES_COLUMNS, report.species))
    ctx.output.write_text("confusions.csv", csv_text(CONFUSION_COLUMNS, report.confusions))
    ctx.output.write_json("class_index.json", classes.to_json())
    test = report.metrics["test"]
    share = "".join(f" (a share of {fraction})" for fraction in ctx.config.data.said().values())
    ctx.log.info("test: %d photos%s, top-1 %s, top-5 %s", test["num_photos"], share, test["top1"], test["top5"])
    kept = {key: test[key] for key in ("num_photos", "top1", "top5", "macro_top1", "macro_top5", "nll")}
    return kept | ctx.config.data.said()


def _known_classes(ctx: PhaseContext[EvaluateModelConfig], index: ClassIndex) -> ClassIndex:
    """The part of the split's classes that the checkpoint knows, in the order of its outputs."""
    from aplantida.models.checkpoint import load_card

    checkpoint = ctx.input("checkpoint")
    card = load_card(checkpoint.file("model.json").parent)
    strangers = [class_id for class_id in card.class_ids if class_id not in index]
    if strangers:
        raise BadRequest(f"{checkpoint.path}: knows {strangers[0]!r}, which is no class of {ctx.input('split').path}")
    classes = index.subset(card.class_ids)
    if classes.class_ids != card.class_ids:
        raise BadRequest(f"{checkpoint.path}: its class ids are not sorted, so its outputs fit no class index")
    return classes


def _positions(index: ClassIndex, classes: ClassIndex) -> npt.NDArray[np.int64]:
    """For each class of ``index`` its position in ``classes``, or -1."""
    positions = np.full(len(index), -1, np.int64)
    positions[index.indices_of(classes.class_ids)] = np.arange(len(classes))
    return positions


def _score(ctx: PhaseContext[EvaluateModelConfig], scored: pa.Table) -> ScoreTable:
    """Dense scores in the order of ``scored``; a shard is scored once, however often the process is killed."""
    from aplantida.models.inference import Scorer

    images, checkpoint = ctx.input("images"), ctx.input("checkpoint")
    threads = ctx.config.resources.num_threads
    scorer = Scorer(checkpoint.file("model.json").parent, ctx.device, threads, ctx.config.batch_size)
    tables = [scorer.score([], [])]
    shards = scored["shard"].to_numpy()
    with ctx.progress(total=len(scored), unit="photos", description="scoring") as progress:
        for shard in np.unique(shards).tolist():
            ids = scored.filter(pa.array(shards == shard))["image_id"].to_pylist()
            name = f"shards/shard-{shard:05d}.parquet"
            done = ctx.output.scratch / f"shard-{shard:05d}.parquet"
            key = unit_key(images.files[name].sha256, checkpoint.digest, ids, ctx.config.batch_size)
            if not (ctx.output.is_done(name, key) and done.is_file()):
                photos = pq.read_table(images.file(name), columns=["image_id", "image"])
                at = {image_id: row for row, image_id in enumerate(photos["image_id"].to_pylist())}
                absent = [image_id for image_id in ids if image_id not in at]
                if absent:
                    raise BadRequest(f"{images.file(name)}: lacks the photo {absent[0]} of the split")
                jpegs = photos["image"].take([at[image_id] for image_id in ids]).to_pylist()
                temporary = done.with_suffix(".tmp")
                pq.write_table(scorer.score(ids, jpegs).to_arrow(), temporary)
                temporary.replace(done)
                ctx.output.record_unit(name, key)
            tables.append(ScoreTable.from_arrow(pq.read_table(done)))
            progress.update(len(ids))
    scores = concat(tables)
    return scores.take(np.argsort(scores.image_ids, kind="stable"))


def _part(scored: pa.Table, scores: ScoreTable, mask: npt.NDArray[np.bool_], num_photos: int) -> ScoredSplit:
    rows = scored.filter(pa.array(mask))
    return ScoredSplit(
        scores=scores.take(np.flatnonzero(mask)),
        labels=rows["class_index"].to_numpy(),
        regions=[row or [] for row in rows["regions"].to_pylist()],
        regions_by_country=[row or [] for row in rows["regions_by_country"].to_pylist()],
        num_photos=num_photos,
    )


PHASE = Phase(
    name="evaluate_model",
    config=EvaluateModelConfig,
    inputs={"images": "image_shards", "split": "split", "checkpoint": "checkpoint"},
    output="evaluation",
    version=1,
    run=run,
)
