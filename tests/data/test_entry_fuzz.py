"""Whatever lies in a collection, each document becomes rows: nothing is raised, and every row can be written."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import bson
import pyarrow as pa
from bson import Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary

from aplantida.data.addresses import AddressGuard
from aplantida.data.documents import read_document
from aplantida.data.entries import ENTRY_SCHEMA, EntryBuilder, FieldMapping
from aplantida.data.entry_checks import check_each
from aplantida.data.proposing import propose
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts
from aplantida.phases._collection import MappingSection

PLAIN = MappingSection().model_dump()
MAPPINGS = [
    FieldMapping(**PLAIN),
    FieldMapping(**{**PLAIN, "images": ("$document",), "image_observation_id": ("$document._id",)}),
    FieldMapping(
        **{**PLAIN, "scientific_name": (("genus", "scientificName"),), "image_license": ("$document.license",)}
    ),
]
KEYS = (
    *("scientificName", "family", "genus", "commonNames", "distribution", "images", "url", "license", "author"),
    *("source", "observationId", "observedOn", "country", "$ref", "$id", "", "a", "name", "id", "version"),
)
TEXTS = (
    *("Rosa canina L.", "http://example.org/a.jpg", "CC BY 4.0", "3 de mayo de 2019", "31/02/2020", "España", "", " "),
    *("\ufeffx", "\u2028", "n\u0303", "\x00", "http://[", "a\nb", "😀", "9" * 30, "x" * 5000, "CC BY 4.0 NC", "{", "²"),
)
SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, -7, 1 << 40, 7.0, float("nan"), float("inf"), 1e300, Int64(7), Decimal128("7.0")),
    *(
        Decimal128("NaN"),
        ObjectId(),
        datetime(2020, 1, 2),
        datetime(1, 1, 1),
        DatetimeMS(-(1 << 60)),
        DatetimeMS(1 << 60),
    ),
    *(Binary(b"x", 0), Binary(b"x" * 16, 4), Binary(b"", 99), Regex("a("), Code("x"), Code("x", {"a": 1})),
    *(Timestamp(1, 2), Timestamp(4_294_967_295, 1), MinKey(), MaxKey(), DBRef("c", 1)),
)


def value_of(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.random()
    if depth < 3 and kind < 0.2:
        return [value_of(draw, depth + 1) for _ in range(draw.randrange(4))]
    if depth < 3 and kind < 0.45:
        return {key: value_of(draw, depth + 1) for key in draw.sample(KEYS, draw.randrange(8))}
    return draw.choice(TEXTS) if kind < 0.8 else draw.choice(SCALARS)


def document_of(draw: random.Random) -> dict[str, Any]:
    document = {key: value_of(draw) for key in draw.sample(KEYS, draw.randrange(12))}
    if draw.random() < 0.7:
        document["scientificName"] = "Rosa canina"
    if draw.random() < 0.7:
        entry = {key: value_of(draw, 2) for key in draw.sample(KEYS, draw.randrange(10))}
        document["images"] = [entry, {"url": "http://example.org/a.jpg", **entry}, value_of(draw)]
    return {"_id": draw.choice([value_of(draw), draw.randrange(1 << 40)]), **document}


def test_no_document_raises_and_every_row_can_be_written() -> None:
    draw, guard, outs = random.Random(20261126), AddressGuard.of([]), OptOuts.of(["Ana"], ["shy.example"])
    documents = [document_of(draw) for _ in range(3000)]
    for mapping in MAPPINGS:
        for order in ("day_first", "month_first"):
            builder = EntryBuilder(mapping, "CC0", date_order=order, mixed_ids=order == "day_first")
            for document in documents:
                read = read_document(bson.encode(document))
                builder.add(read.values, read.problems)
            table = check_each(builder.take(), guard, outs, LicensePolicy())
            assert table.schema == ENTRY_SCHEMA
            assert table.num_rows >= len(documents)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            table.validate(full=True)
    assert propose(documents[:300]).num_documents == 300


def test_bytes_that_were_changed_on_the_way_raise_nothing() -> None:
    draw, builder = random.Random(5), EntryBuilder(MAPPINGS[0], None)
    for _ in range(3000):
        raw = bytearray(bson.encode(document_of(draw)))
        for _ in range(draw.randrange(1, 4)):
            raw[draw.randrange(4, len(raw))] = draw.randrange(256)
        read = read_document(bytes(raw))
        builder.add(read.values, read.problems)
    assert builder.take().num_rows >= 3000
