"""Photos by id out of image shards, for the phases that look at a few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.domain.seeds import derive_seed
from aplantida.domain.split import SPLIT_SCHEMA, read_split
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import Section
from aplantida.pipeline.errors import BadRequest


class DataSection(Section):
    """Which part of the photos is looked at; every phase that runs a model over photos has it."""

    photo_fraction: float = Field(default=1.0, gt=0, le=1)

    def said(self) -> dict[str, float]:
        """For a result file. Nothing where all photos are looked at, so that the file is what it always was."""
        return {} if self.photo_fraction == 1 else {"photo_fraction": self.photo_fraction}


def split_rows(
    images: Artifact,
    split: Artifact,
    name: str,
    class_indices: Sequence[int] | None = None,
    fraction: float = 1.0,
) -> pa.Table:
    """Rows of ``split.parquet`` that belong to the split ``name`` (and to ``class_indices``), by image id.

    Args:
        images: of which the split was made.
        split: the split.
        name: train, val or test.
        class_indices: positions in the split's class index; None for all.
        fraction: a hash-chosen share of the photos, above 0 and up to 1.

    Raises:
        BadRequest: when the split was made from other images.
    """
    if split.inputs["images"][0]["digest"] != images.digest:
        raise BadRequest(f"{split.path}: was made from other image_shards than {images.path}")
    wanted = pc.field("split") == name
    if class_indices is not None:
        wanted = wanted & pc.field("class_index").isin(list(class_indices))
    rows = read_split(split.file("split.parquet"), SPLIT_SCHEMA.names, fraction=fraction, where=wanted)
    return rows.sort_by("image_id")


def drawn(rows: pa.Table, num_photos: int, seed: int, purpose: str) -> pa.Table:
    """``num_photos`` of ``rows`` (all, when there are not so many), drawn by the hash of their ids, by image id."""
    ids = rows["image_id"].to_pylist()
    order = sorted(range(len(ids)), key=lambda at: derive_seed(seed, purpose, ids[at]))
    return rows.take(sorted(order[:num_photos]))


def read_photos(images: Artifact, rows: pa.Table, columns: Sequence[str] = ("image",)) -> list[dict[str, Any]]:
    """``image_id`` and ``columns`` of the photos in ``rows`` (which have image_id and shard), in the order of ``rows``.

    Raises:
        BadRequest: when a shard lacks a photo of the split.
    """
    found: dict[str, dict[str, Any]] = {}
    names = list(dict.fromkeys(["image_id", *columns]))
    for shard in sorted(set(rows["shard"].to_pylist())):
        file = images.file(f"shards/shard-{shard:05d}.parquet")
        wanted = rows.filter(pc.field("shard") == shard)["image_id"]
        table = pq.read_table(file, columns=names, filters=pc.field("image_id").isin(wanted.combine_chunks()))
        found.update({row["image_id"]: row for row in table.to_pylist()})
    ids: list[str] = rows["image_id"].to_pylist()
    absent = [image_id for image_id in ids if image_id not in found]
    if absent:
        raise BadRequest(f"{images.path}: lacks {len(absent)} photos of the split, {absent[0]} among them")
    return [found[image_id] for image_id in ids]
