"""Which photo belongs to train, val or test: the schema every consumer of a split reads."""

# pyarrow ships no types: what comes from it is unknown to a strict reader
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
from __future__ import annotations

import pyarrow as pa

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

PLACES = tuple(name for name in SPLIT_SCHEMA.names if name not in ("image_id", "shard"))  # what a split decides
