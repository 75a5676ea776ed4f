"""Which photo belongs to train, val or test: the schema of a split, and how it is read."""

# pyarrow ships no types: what comes from it is unknown to a strict reader
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.domain.seeds import derive_seed

SPLITS = ("train", "val", "test")

SPLIT_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),  # which shard of the image_shards artifact holds it
        pa.field("class_index", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # one of SPLITS
        pa.field("group", pa.string(), nullable=False),  # photos of one group never part
        pa.field("regions", pa.list_(pa.string())),  # regions the photo belongs to, by either rule
        pa.field("regions_by_country", pa.list_(pa.string())),  # those of them it belongs to by its own country
    ]
)

STRANGERS_FILE = "strangers.parquet"  # of a split that knows photos of species that are no classes
STRANGER_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # stranger
        pa.field("scientific_name", pa.string(), nullable=False),  # no class of the split
        pa.field("why", pa.string(), nullable=False),  # too_few_images or held_out
        pa.field("part", pa.string(), nullable=False),  # val or test: a species is of one
    ]
)

PLACES = tuple(name for name in SPLIT_SCHEMA.names if name not in ("image_id", "shard"))  # what a split decides

_ROWS_AT_ONCE = 65_536


def is_in_fraction(image_id: str, fraction: float) -> bool:
    """Whether a photo is in a hash-chosen share of all photos.

    A smaller share lies within a larger one, whatever the seed, the split, the shards and the phase.

    Args:
        image_id: of the photo.
        fraction: 0 to 1; 1 takes every photo.
    """
    return derive_seed(0, "photo_fraction", image_id) < fraction * 2**63


def read_split(
    path: Path,
    columns: Sequence[str] = SPLIT_SCHEMA.names,
    *,
    fraction: float = 1.0,
    where: pc.Expression | None = None,
) -> pa.Table:
    """Rows of ``split.parquet`` in its order, of a share of the photos.

    Args:
        path: the file.
        columns: names of the columns.
        fraction: the share, above 0 and up to 1; see :func:`is_in_fraction`.
        where: only rows for which this holds.
    """
    if fraction >= 1.0:
        return pq.read_table(path, columns=list(columns), filters=where)
    table = pq.read_table(path, columns=list(dict.fromkeys(["image_id", *columns])), filters=where)
    chosen: list[bool] = []
    for start in range(0, len(table), _ROWS_AT_ONCE):
        ids = table["image_id"].slice(start, _ROWS_AT_ONCE).to_pylist()
        chosen += [is_in_fraction(image_id, fraction) for image_id in ids]
    return table.filter(pa.array(chosen, pa.bool_())).select(list(columns))


def rows_by_shard(path: Path, columns: Sequence[str]) -> dict[int, pa.Table]:
    """The rows of ``split.parquet`` of each shard that has some, by image id."""
    table = pq.read_table(path, columns=list(dict.fromkeys(["shard", "image_id", *columns])))
    table = table.sort_by([("shard", "ascending"), ("image_id", "ascending")])
    shards, starts = np.unique(table["shard"].to_numpy(), return_index=True)
    parts = zip(shards.tolist(), starts.tolist(), np.diff([*starts, len(table)]).tolist(), strict=True)
    return {shard: table.slice(start, length) for shard, start, length in parts}
