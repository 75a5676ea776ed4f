"""Score the val and test photos with a checkpoint and say how good it is, per species, region and frequency band."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.split import SPLIT_SCHEMA, read_split
from aplantida.domain.stored_scores import ScoreMatrix, StoredScores
from aplantida.evaluation.metrics import CHUNK_ROWS
from aplantida.evaluation.report import CONFUSION_COLUMNS, SPECIES_COLUMNS, ScoredSplit, csv_text, evaluate
from aplantida.phases._device import device_here
from aplantida.phases._pairing import check_pairing
from aplantida.phases._photos import DataSection
from aplantida.phases._scorer import ScorerResources
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.writer import ROW_GROUP

JUDGED = ("val", "test")
LABELS_SCHEMA = pa.schema(
    [SPLIT_SCHEMA.field(name) for name in ("image_id", "class_index", "split", "regions", "regions_by_country")]
)


class EvaluateModelConfig(PhaseConfig):
    """What to report beside the totals."""

    MOVED: ClassVar[Mapping[str, str]] = {"batch_size": "resources.batch_size"}

    frequency_bands: tuple[int, ...] = (10, 50, 200)
    max_confusions: int = Field(default=200, ge=1)
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
    scored = scored.filter(pa.array(kept))
    scores = _score(ctx, scored, splits[kept])
    parts = {
        name: _part(scored, scores[name], splits[kept] == name, num_photos=int((splits == name).sum()))
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
    )
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
    return index.subset(card.class_ids)


def _positions(index: ClassIndex, classes: ClassIndex) -> npt.NDArray[np.int64]:
    """For each class of ``index`` its position in ``classes``, or -1."""
    positions = np.full(len(index), -1, np.int64)
    positions[index.indices_of(classes.class_ids)] = np.arange(len(classes))
    return positions


def _score(
    ctx: PhaseContext[EvaluateModelConfig], scored: pa.Table, splits: npt.NDArray[np.str_]
) -> dict[str, StoredScores]:
    """Publish each split's dense scores; a shard is scored once, however often the process is killed."""
    images, checkpoint = ctx.input("images"), ctx.input("checkpoint")
    scorer = ctx.config.resources.scorer(checkpoint.file("model.json").parent, device_here(ctx))
    order = np.argsort(splits == "test", kind="stable")  # val first, then test
    row = np.argsort(order, kind="stable")
    matrix = ScoreMatrix(ctx.output.scratch / "scores.float16", len(scored), scorer.card.class_ids)
    shards, image_ids = scored["shard"].to_numpy(), np.asarray(scored["image_id"].to_pylist(), dtype=str)
    with ctx.progress(total=len(scored), unit="photos", description="scoring") as progress:
        for shard in np.unique(shards).tolist():
            inside = np.flatnonzero(shards == shard)
            ids, name = image_ids[inside].tolist(), f"shards/shard-{shard:05d}.parquet"
            key = unit_key(images.files[name].sha256, checkpoint.digest, ids, matrix.token)
            if not ctx.output.is_done(name, key):
                matrix.write(row[inside], scorer.score(ids, _jpegs(images.file(name), ids)).logits)
                ctx.output.record_unit(name, key)
            progress.update(len(ids))
    first, stored = 0, dict[str, StoredScores]()
    for name in JUDGED:
        ids = image_ids[splits == name]
        tables = matrix.tables(ids, first, CHUNK_ROWS)
        entry = ctx.output.write_tables(f"scores_{name}.parquet", (table.to_arrow() for table in tables))
        stored[name] = StoredScores(ctx.output.path / entry.name)
        first += len(ids)
    return stored


def _jpegs(shard: Path, image_ids: Sequence[str]) -> list[bytes]:
    """The files of some photos of a shard, in the order asked for."""
    found: dict[str, bytes] = {}
    with pq.ParquetFile(shard) as file:
        for batch in file.iter_batches(batch_size=ROW_GROUP, columns=["image_id", "image"]):
            wanted = pa.Table.from_batches([batch]).filter(pc.field("image_id").isin(image_ids))
            found |= dict(zip(wanted["image_id"].to_pylist(), wanted["image"].to_pylist(), strict=True))
    absent = [image_id for image_id in image_ids if image_id not in found]
    if absent:
        raise BadRequest(f"{shard}: lacks the photo {absent[0]} of the split")
    return [found[image_id] for image_id in image_ids]


def _part(scored: pa.Table, scores: StoredScores, mask: npt.NDArray[np.bool_], num_photos: int) -> ScoredSplit:
    rows = scored.filter(pa.array(mask))
    return ScoredSplit(
        scores=scores,
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
