"""Scores and pooled features of the photos that a model is judged on: shard by shard, kept in files, published once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.domain.stored_scores import RowMatrix, ScoreMatrix, StoredFeatures, StoredScores, features_to_arrow
from aplantida.evaluation.scanning import CHUNK_ROWS
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext
from aplantida.pipeline.writer import ROW_GROUP, ArtifactWriter

if TYPE_CHECKING:
    from aplantida.models.inference import Scorer


@dataclass(frozen=True)
class Judged:
    """What a model said of some photos."""

    scores: StoredScores
    features: StoredFeatures


class ScoreFiles:
    """Scores and features of N photos on their way: written in any order, published part by part.

    Args:
        ctx: of the phase that judges.
        scorer: of the model.
        name: of the files, where a phase has several of them; empty for the first.
        num_photos: N.
    """

    def __init__(self, ctx: PhaseContext[Any], scorer: Scorer, name: str, num_photos: int) -> None:
        self._ctx, self._scorer, self._first = ctx, scorer, 0
        folder = ctx.output.scratch
        self._scores = ScoreMatrix(folder / f"{name}scores.float16", num_photos, scorer.card.class_ids)
        self._features = RowMatrix(folder / f"{name}features.float16", num_photos, scorer.num_features)

    def score(self, unit: str, key: str, rows: npt.NDArray[np.int64], ids: list[str], jpegs: Iterable[bytes]) -> None:
        """Score photos that belong at ``rows``, unless an earlier session did: ``jpegs`` are then not asked for."""
        key = unit_key(key, self._scores.token, self._features.token)
        if self._ctx.output.is_done(unit, key):
            return
        table, features = self._scorer.score_and_pool(ids, list(jpegs))
        self._scores.write(rows, table.logits)
        self._features.write(rows, features)
        self._ctx.output.record_unit(unit, key)

    def publish(self, part: str, image_ids: npt.NDArray[np.str_]) -> Judged:
        """The next photos as ``scores_PART.parquet`` and ``features_PART.parquet``."""
        judged = publish_scores(self._ctx.output, part, image_ids, self._scores, self._features, self._first)
        self._first += len(image_ids)
        return judged


def publish_scores(
    output: ArtifactWriter,
    part: str,
    image_ids: npt.NDArray[np.str_],
    scores: ScoreMatrix,
    features: RowMatrix,
    first: int = 0,
) -> Judged:
    """The rows from ``first`` on, one a photo, as ``scores_PART.parquet`` and ``features_PART.parquet``."""
    tables = (table.to_arrow() for table in scores.tables(image_ids, first, CHUNK_ROWS))
    logits = output.write_tables(f"scores_{part}.parquet", tables, ["logits"])
    blocks = features.blocks(first, len(image_ids), CHUNK_ROWS)
    pooled = (features_to_arrow(image_ids[at], values) for at, values in blocks)
    stored = output.write_tables(f"features_{part}.parquet", pooled, ["features"])
    return Judged(StoredScores(output.path / logits.name), StoredFeatures(output.path / stored.name))


def score_shards(
    ctx: PhaseContext[Any], files: ScoreFiles, photos: pa.Table, rows: npt.NDArray[np.int64], unit: str, progress: Any
) -> None:
    """Score photos of the input ``images`` (image_id and shard), the photo of each row of ``photos`` at ``rows``."""
    images, checkpoint = ctx.input("images"), ctx.input("checkpoint")
    shards, image_ids = photos["shard"].to_numpy(), np.asarray(photos["image_id"].to_pylist(), dtype=str)
    for shard in np.unique(shards).tolist():
        inside = np.flatnonzero(shards == shard)
        ids, name = image_ids[inside].tolist(), f"shards/shard-{shard:05d}.parquet"
        key = unit_key(images.files[name].sha256, checkpoint.digest, ids)
        files.score(f"{unit}{name}", key, rows[inside], ids, _Jpegs(images.file(name), ids))
        progress.update(len(ids))


class _Jpegs:
    """The files of some photos of a shard, in the order asked for; read when they are iterated over."""

    def __init__(self, shard: Path, image_ids: Sequence[str]) -> None:
        self._shard, self._ids = shard, image_ids

    def __iter__(self) -> Iterator[bytes]:
        found: dict[str, bytes] = {}
        with pq.ParquetFile(self._shard) as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP, columns=["image_id", "image"]):
                wanted = pa.Table.from_batches([batch]).filter(pc.field("image_id").isin(self._ids))
                found |= dict(zip(wanted["image_id"].to_pylist(), wanted["image"].to_pylist(), strict=True))
        absent = [image_id for image_id in self._ids if image_id not in found]
        if absent:
            raise BadRequest(f"{self._shard}: lacks the photo {absent[0]} of the split")
        return (found[image_id] for image_id in self._ids)


def provenance(ctx: PhaseContext[Any], photos: pa.Table, columns: Sequence[pa.Field]) -> pa.Table:
    """``photos`` (by image_id, with shard) and further columns of their records."""
    images, names = ctx.input("images"), [field.name for field in columns]
    parts = [pa.schema([pa.field("image_id", pa.string()), *columns]).empty_table()]
    for shard in np.unique(photos["shard"].to_numpy()).tolist():
        file = images.file(f"shards/shard-{shard:05d}.parquet")
        wanted = photos.filter(pc.field("shard") == shard)["image_id"].combine_chunks()
        table = pq.read_table(file, columns=["image_id", *names], filters=pc.field("image_id").isin(wanted))
        parts.append(table.cast(parts[0].schema))
    found = pa.concat_tables(parts).sort_by("image_id")
    if found["image_id"].to_pylist() != photos["image_id"].to_pylist():
        raise BadRequest(f"{images.path}: lacks photos of the split")
    for name in names:
        photos = photos.append_column(found.schema.field(name), found[name])
    return photos


def class_means(features: StoredFeatures, labels: npt.NDArray[np.integer], class_ids: Sequence[str]) -> pa.Table:
    """Mean features of each class over the photos given: class_id, num_photos, features (F), zeros without photos."""
    sums = np.zeros((len(class_ids), features.num_features), np.float32)
    for at, values in features.blocks():
        np.add.at(sums, labels[at], values.astype(np.float32))
    counts = np.bincount(labels, minlength=len(class_ids))
    means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float16)
    table = features_to_arrow(np.asarray(class_ids, dtype=str), means).rename_columns(["class_id", "features"])
    return table.add_column(1, "num_photos", pa.array(counts, pa.int64()))
