from __future__ import annotations

import struct
from datetime import datetime
from typing import Any

import bson
import pytest
from bson import Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary

from aplantida.data.documents import (
    ContentSum,
    Unreadable,
    decode_key,
    elements_of,
    key_of,
    read_document,
    split_batches,
    type_of_key,
)
from aplantida.data.entries import EntryBuilder
from aplantida.domain.record import Reason
from aplantida.phases._collection import MappingSection
from tests.fixtures.raw_bson import BROKEN_BINARY, date, element, raw_document, text

GOOD = element(0x10, "good", struct.pack("<i", 7))


def nested(levels: int) -> bytes:
    raw = raw_document(GOOD)
    for _ in range(levels):
        raw = raw_document(element(0x03, "a", raw))
    return raw


@pytest.mark.parametrize(
    "odd",
    [
        element(0x09, "odd", date(-62_167_219_200_000)),  # the year 0
        element(0x09, "odd", date(260_000_000_000_000)),  # the year 10209
        element(0x02, "odd", text(b"ros\xe9")),
        element(0x02, b"cl\xe9", text(b"x")),
        element(0x0E, "odd", text(b"\xff")),
        element(0x0B, "odd", b"x\xff\0iz\0"),
        element(0x0D, "odd", text(b"function() {}\xff")),
        element(0x0C, "odd", text(b"other\xff") + b"a" * 12),
        element(0x05, "odd", struct.pack("<i", 1) + b"\x63x"),
        element(0x05, "odd", struct.pack("<i", 3) + b"\x04abc"),  # no UUID is that short
        element(0x06, "odd", b""),
        element(0x03, "odd", bson.encode({"$ref": 1, "$id": 2})),
        element(0x03, "odd", nested(150)),
        GOOD,
    ],
)
def test_what_can_be_read_is_read_as_a_whole(odd: bytes) -> None:
    read = read_document(raw_document(element(0x10, "_id", struct.pack("<i", 1)), odd, GOOD))
    assert read.problems == {}
    assert (read.values["_id"], read.values["good"]) == (1, 7)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (element(0x05, "odd", BROKEN_BINARY), "invalid length"),
        (element(0x08, "odd", b"\x02"), "boolean"),
        (element(0x03, "odd", nested(5000)), "recursion"),
        (element(0x02, "odd", struct.pack("<i", 2) + b"xy"), "invalid length"),
    ],
)
def test_a_field_that_cannot_be_read_costs_no_other(odd: bytes, said: str) -> None:
    read = read_document(raw_document(GOOD, odd, element(0x02, "_id", text(b"x"))))
    assert (read.values["_id"], read.values["good"], set(read.problems)) == ("x", 7, {"odd"})
    assert said in read.problems["odd"]


def test_behind_a_type_that_nobody_knows_nothing_can_be_read_and_it_says_so() -> None:
    read = read_document(raw_document(GOOD, element(0x14, "odd", b"\x02"), element(0x02, "_id", text(b"x"))))
    assert read.values["good"] == 7
    assert "type 0x14" in read.problems["odd"]


@pytest.mark.parametrize("cut", range(4, 40))
def test_no_cut_document_raises(cut: int) -> None:
    whole = raw_document(element(0x02, "_id", text(b"x")), GOOD, element(0x0B, "r", b"a\0i\0"))
    read_document(whole[:cut])
    read_document(whole[:cut] + b"\0")
    read_document(whole[:cut] + b"\xff" * 9)


EVERY_TYPE: list[Any] = [
    *(1.5, "text", {"a": [1, {"b": None}]}, [1, "x"], Binary(b"x", 0), Binary(b"y" * 16, 4), ObjectId(), True, None),
    *(datetime(2020, 1, 2), DatetimeMS(1 << 50), Regex("a", "i"), DBRef("c", 1), Code("x"), Code("x", {"a": 1})),
    *(7, Int64(7), Timestamp(1, 2), Decimal128("1.10"), MinKey(), MaxKey()),
]


def test_fields_are_told_apart_whatever_their_types() -> None:
    document = {f"field{number}": value for number, value in enumerate(EVERY_TYPE)}
    names = [name.decode() for name, _bytes in elements_of(bson.encode(document))]
    assert names == list(document)


@pytest.mark.parametrize("value", [value for value in EVERY_TYPE if not isinstance(value, list)], ids=repr)
def test_the_key_is_of_any_type_and_in_any_place(value: Any) -> None:
    key = bson.encode({"_id": value})
    assert key_of(bson.encode({"_id": value, "a": "x"})) == key
    assert key_of(bson.encode({"a": "x", "b": EVERY_TYPE, "_id": value})) == key
    assert bson.encode(dict(decode_key(key) or [])) == key
    assert key_of(bson.encode({"a": 1})) is None


def test_an_integer_is_of_one_type_and_a_symbol_a_text() -> None:
    assert type_of_key(bson.encode({"_id": 7})) == type_of_key(bson.encode({"_id": Int64(7)}))
    assert type_of_key(bson.encode({"_id": 7})) != type_of_key(bson.encode({"_id": 7.0}))
    assert type_of_key(raw_document(element(0x0E, "_id", text(b"x")))) == type_of_key(bson.encode({"_id": "x"}))


def test_a_key_that_would_not_be_sent_as_it_came_is_no_bound() -> None:
    raw = raw_document(element(0x02, "_id", text(b"ros\xe9")), GOOD)
    assert decode_key(key_of(raw) or b"") is None
    first, second = (
        read_document(raw_document(element(0x02, "_id", text(data)))).values["_id"] for data in (b"\xe9", b"\xe8")
    )
    assert isinstance(first, Unreadable)
    assert first != second
    assert read_document(bson.encode({"_id": "a\ufffd"})).values["_id"] == "a\ufffd"


def test_the_sum_is_of_content_and_number_and_of_no_order() -> None:
    raws = [bson.encode({"_id": number}) for number in range(5)]
    whole, first, second = ContentSum(), ContentSum(), ContentSum()
    for raw in raws:
        whole.add(raw)
    for raw in raws[3:]:
        first.add(raw)
    for raw in reversed(raws[:3]):
        second.add(raw)
    assert first.digest() != whole.digest()
    first.join(second)
    assert first.digest() == whole.digest()
    assert list(split_batches([b"".join(raws[:2]), b"".join(raws[2:])])) == raws


def test_a_field_that_is_there_twice_is_a_problem_unless_it_says_the_same() -> None:
    name, other = (
        element(0x02, "scientificName", text(b"Rosa canina")),
        element(0x02, "scientificName", text(b"Rosa x")),
    )
    ids = element(0x10, "_id", struct.pack("<i", 1))
    for fields in ((ids, name, GOOD, other), (ids, name, name, other), (ids, name, other, GOOD, GOOD)):
        read = read_document(raw_document(*fields))
        assert read.problems == {"scientificName": "it is there more than once, with different values"}
        assert read.values["_id"] == 1
    for fields in ((ids, name, GOOD), (ids, name, name, GOOD), (ids, element(0x02, b"a\xe9", text(b"")), GOOD)):
        assert read_document(raw_document(*fields)).problems == {}
    two_names = (element(0x02, b"a\xe8", text(b"1")), element(0x02, b"a\xe9", text(b"2")))  # equal only once replaced
    assert read_document(raw_document(ids, *two_names)).problems == {}
    builder = EntryBuilder(MappingSection().to_mapping(), None)
    for number, fields in enumerate([(name, other), (name, GOOD, element(0x10, "good", struct.pack("<i", 8)))]):
        read = read_document(raw_document(element(0x10, "_id", struct.pack("<i", number)), *fields))
        builder.add(read.values, read.problems)
    first, second = builder.take().to_pylist()
    assert (first["document_id"], first["reason"]) == ("0", Reason.DOCUMENT_INVALID)
    assert first["detail"] == "field 'scientificName': it is there more than once, with different values"
    assert second["reason"] == Reason.DOCUMENT_NO_IMAGES  # a field that nobody mapped


def test_a_key_that_is_there_twice_inside_of_a_field_is_a_problem_of_that_field() -> None:
    ids = element(0x10, "_id", struct.pack("<i", 1))
    strict, free = element(0x02, "license", text(b"CC BY-NC-ND 4.0")), element(0x02, "license", text(b"CC0"))
    url, same = element(0x02, "url", text(b"https://example.org/a.jpg")), element(0x0E, "url", text(b"x"))
    twice, once = raw_document(url, strict, free), raw_document(url, free)
    for inside, path in (
        (element(0x03, "images", twice), "images.license"),
        (
            element(0x04, "images", raw_document(element(0x03, "0", once), element(0x03, "1", twice))),
            "images.1.license",
        ),
        (element(0x03, "images", raw_document(element(0x04, "a", raw_document(element(0x03, "0", twice))))), None),
        (element(0x04, "images", raw_document(element(0x04, "0", raw_document(element(0x03, "0", twice))))), None),
    ):
        for more in ((), (element(0x08, "odd", b"\x02"),)):
            read = read_document(raw_document(ids, inside, GOOD, *more))
            assert "more than once, with different values" in read.problems.pop("images")
            assert set(read.problems) == ({"odd"} if more else set())
            assert read.values["good"] == 7
        if path is not None:
            builder = EntryBuilder(MappingSection().to_mapping(), None)
            read = read_document(raw_document(ids, element(0x02, "scientificName", text(b"Rosa canina")), inside))
            builder.add(read.values, read.problems)
            (row,) = builder.take().to_pylist()
            assert (row["reason"], row["url"]) == (Reason.DOCUMENT_INVALID, None)
            assert row["detail"] == f"field 'images': {path!r} is there more than once, with different values"
    two_of_one_index = raw_document(element(0x03, "0", once), element(0x03, "0", raw_document(url, strict)))
    for inside in (
        element(0x04, "images", two_of_one_index),  # both are read
        element(0x03, "images", raw_document(url, free, free)),
        element(0x03, "images", raw_document(same)),
    ):
        assert read_document(raw_document(ids, inside, GOOD)).problems == {}
