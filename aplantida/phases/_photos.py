"""Photos by id out of image shards, for the phases that look at a few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.domain.seeds import derive_seed
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest


def split_rows(images: Artifact, split: Artifact, name: str, class_indices: Sequence[int] | None = None) -> pa.Table:
    """Rows of ``split.parquet`` that belong to the split ``name`` (and to ``class_indices``), by image id.

    Raises:
        BadRequest: when the split was made from other images.
    """
    if split.inputs["images"][0]["digest"] != images.digest:
        raise BadRequest(f"{split.path}: was made from other image_shards than {images.path}")
    rows = pq.read_table(split.file("split.parquet"))
    mask = pc.field("split") == name
    if class_indices is not None:
        mask = mask & pc.field("class_index").isin(list(class_indices))
    return rows.filter(mask).sort_by("image_id")


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
