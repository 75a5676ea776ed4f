"""What a model says of strangers (species that are no class) and of pictures without a plant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.evaluation.non_plants import NonPlant, non_plants
from aplantida.phases._judged_scores import ScoreFiles, score_shards
from aplantida.phases._set_aside import FILE as SET_ASIDE
from aplantida.pipeline.artifact import Artifact, unit_key
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.models.inference import Scorer

PART, FILE = "strangers", "strangers.parquet"
STRANGER, NON_PLANT = "stranger", "non_plant"
SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),  # of a picture: its name
        pa.field("kind", pa.string(), nullable=False),  # stranger or non_plant
        pa.field("group", pa.string(), nullable=False),  # species, or what is on the picture
        pa.field("part", pa.string(), nullable=False),  # val or test
    ]
)


def score_strangers(ctx: PhaseContext[Any], scorer: Scorer, split: Artifact, num_non_plants: int) -> int:
    """Publish labels, scores and features of the split's strangers and of drawn pictures; nothing without any.

    Returns:
        How many there are.
    """
    photos = _set_aside(split)
    pictures = list(non_plants(num_non_plants)) if num_non_plants else []
    count = len(photos) + len(pictures)
    if not count:
        return 0
    files = ScoreFiles(ctx, scorer, "strangers_", count)
    with ctx.progress(total=count, unit="photos", description="scoring strangers") as progress:
        score_shards(ctx, files, photos, np.arange(len(photos)), "strangers/", progress)
        key = unit_key(ctx.input("checkpoint").digest, [item.name for item in pictures])
        names = [item.name for item in pictures]
        rows = np.arange(len(photos), count)
        files.score("strangers/non_plants", key, rows, names, [item.jpeg for item in pictures])
        progress.update(len(pictures))
    labels = pa.concat_tables([_labels_of_photos(photos), _labels_of_pictures(pictures)])
    files.publish(PART, np.asarray(labels["image_id"].to_pylist(), dtype=str))
    ctx.output.write_table(FILE, labels)
    return count


def _set_aside(split: Artifact) -> pa.Table:
    if SET_ASIDE in split.files:
        return pq.read_table(split.file(SET_ASIDE)).sort_by("image_id")
    return pa.table({name: pa.array([], kind) for name, kind in (("image_id", pa.string()), ("shard", pa.int32()))})


def _labels_of_photos(photos: pa.Table) -> pa.Table:
    if not len(photos):
        return SCHEMA.empty_table()
    kinds = pa.array([STRANGER] * len(photos))
    return pa.table([photos["image_id"], kinds, photos["scientific_name"], photos["part"]], SCHEMA.names).cast(SCHEMA)


def _labels_of_pictures(pictures: list[NonPlant]) -> pa.Table:
    rows = [{"image_id": item.name, "kind": NON_PLANT, "group": item.kind, "part": item.part} for item in pictures]
    return pa.Table.from_pylist(rows, SCHEMA)
