"""Stored scores and features cut down to some photos and some classes: no model is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.seeds import derive_seed
from aplantida.domain.stored_scores import RowMatrix, ScoreMatrix, StoredFeatures, StoredScores
from aplantida.evaluation.scanning import CHUNK_ROWS
from aplantida.phases._judged_scores import Judged, publish_scores
from aplantida.phases._judged_strangers import FILE, PART, SCHEMA, STRANGER
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.phase import PhaseContext

Mask = npt.NDArray[np.bool_]
PARTS = ("val", "test")


class NarrowedFiles:
    """Photos of several files of an evaluation on their way into one file of scores and one of features.

    Args:
        ctx: of the phase that narrows.
        part: what the files are of: val, test or strangers.
        classes: whose scores are kept.
        columns: their positions in the evaluation's classes.
        num_photos: N, of all files together.
    """

    def __init__(
        self, ctx: PhaseContext[Any], part: str, classes: ClassIndex, columns: Sequence[int], num_photos: int
    ) -> None:
        self._ctx, self._part, self._columns = ctx, part, np.asarray(columns, np.int64)
        self._class_ids, self._num_photos, self._ids = classes.class_ids, num_photos, list[str]()
        self._matrices: tuple[ScoreMatrix, RowMatrix] | None = None

    def take(self, evaluation: Artifact, part: str, kept: Mask) -> None:
        """Add the photos under ``kept`` of one of the evaluation's parts."""
        scores = StoredScores(evaluation.file(f"scores_{part}.parquet"))
        features = StoredFeatures(evaluation.file(f"features_{part}.parquet"))
        logits_file, features_file = self._files(features.num_features)
        first = len(self._ids)
        done = first
        for at, table in scores.blocks(CHUNK_ROWS):
            logits = table.logits[kept[at]][:, self._columns]
            logits_file.write(np.arange(done, done + len(logits)), logits)
            done += len(logits)
        done = first
        for at, values in features.blocks():
            inside = values[kept[at]]
            features_file.write(np.arange(done, done + len(inside)), inside)
            done += len(inside)
        self._ids += scores.image_ids[kept].tolist()

    def publish(self) -> Judged:
        """The photos as ``scores_PART.parquet`` and ``features_PART.parquet``, in the order they were taken."""
        assert self._matrices is not None
        return publish_scores(self._ctx.output, self._part, np.asarray(self._ids, dtype=str), *self._matrices)

    def _files(self, num_features: int) -> tuple[ScoreMatrix, RowMatrix]:
        if self._matrices is None:
            folder = self._ctx.output.scratch
            self._matrices = (
                ScoreMatrix(folder / f"{self._part}_scores.float16", self._num_photos, self._class_ids),
                RowMatrix(folder / f"{self._part}_features.float16", self._num_photos, num_features),
            )
        return self._matrices


def narrow_strangers(
    ctx: PhaseContext[Any], classes: ClassIndex, columns: Sequence[int], elsewhere: pa.Table
) -> dict[str, int]:
    """Publish the evaluation's strangers, and with them photos of classes that were left out: strangers from now on.

    Args:
        ctx: with the input ``evaluation``.
        classes: that are kept.
        columns: their positions in the evaluation's classes.
        elsewhere: rows of :func:`of_elsewhere`.

    Returns:
        How many of each there are.
    """
    evaluation = ctx.input("evaluation")
    before = pq.read_table(evaluation.file(FILE)) if FILE in evaluation.files else SCHEMA.empty_table()
    counts = {"num_strangers": len(before), "num_elsewhere": len(elsewhere)}
    if not sum(counts.values()):
        return counts
    files = NarrowedFiles(ctx, PART, classes, columns, sum(counts.values()))
    if len(before):
        files.take(evaluation, PART, np.ones(len(before), np.bool_))
    labels = [before.cast(SCHEMA)]
    for part in PARTS:
        chosen = elsewhere.filter(pa.array(np.asarray(elsewhere["part"].to_pylist(), dtype=str) == part, pa.bool_()))
        ids = StoredScores(evaluation.file(f"scores_{part}.parquet")).image_ids
        files.take(evaluation, part, np.isin(ids, np.asarray(chosen["image_id"].to_pylist(), dtype=str)))
        labels.append(chosen)
    files.publish()
    ctx.output.write_table(FILE, pa.concat_tables(labels))
    return counts


def of_elsewhere(labels: pa.Table, classes: ClassIndex, left_out: Mask, most: int) -> pa.Table:
    """Photos of classes that were left out, as rows of strangers, by image id.

    A species is of one part, so that no gate is judged on a species that it learned from: every second one, in the
    order of their hashes, gives its val photos, the others their test photos.

    Args:
        labels: ``labels.parquet`` of an evaluation, by image id.
        classes: of the evaluation.
        left_out: (C,) which of them are no classes any more.
        most: photos; of more, those of the smallest hashes.
    """
    species = [classes.class_ids[place] for place in np.flatnonzero(left_out)]
    by_hash = sorted(species, key=lambda name: (derive_seed(0, "elsewhere", name), name))
    part_of = {name: PARTS[at % 2] for at, name in enumerate(by_hash)}
    positions, splits = labels["class_index"].to_numpy(), labels["split"].to_pylist()
    ids = labels["image_id"].to_pylist()
    found = [
        (ids[row], classes.class_ids[positions[row]])
        for row in np.flatnonzero(left_out[positions]).tolist()
        if part_of[classes.class_ids[positions[row]]] == splits[row]
    ]
    if len(found) > most:
        found = sorted(sorted(found, key=lambda item: (derive_seed(0, "elsewhere", item[0]), item[0]))[:most])
    rows = [{"image_id": photo, "kind": STRANGER, "group": name, "part": part_of[name]} for photo, name in found]
    return pa.Table.from_pylist(rows, SCHEMA)
