from __future__ import annotations

import itertools
import re
import uuid
from datetime import datetime
from typing import Any

import pytest
from bson import Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary

from aplantida.data.documents import Unreadable
from aplantida.data.identifiers import document_id_of, observation_id_of

HEX = "5f1d7f3e9b1e8a0001a3c4d5"
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
# every BSON type an `_id` can have, and texts that look like what they become
IDS: list[Any] = [
    *(ObjectId(HEX), HEX, 7, "7", -7, "-7", 7.5, "7.5", Decimal128("7.50"), float("inf"), "inf", True, "True"),
    *(None, "None", "", "null", {"a": 1}, '{"a":1}', "{'a': 1}", {"a": 1.0}, {"a": "1"}, {}, "{}", '"x"', "x"),
    *(Binary(b"x", 0), Binary(b"x", 5), b"x", "b'x'", Binary(UUID.bytes, 4), Binary(UUID.bytes, 3), str(UUID)),
    *(datetime(2020, 1, 2), "2020-01-02 00:00:00", DatetimeMS(1 << 50), str(1 << 50), Timestamp(1, 2), Code("x")),
    *(Code("x", {"a": 1}), DBRef("c", 1), DBRef("c", "1"), MinKey(), MaxKey(), Regex("x"), Unreadable(b"\xff")),
    *('{"$oid":"5f1d7f3e9b1e8a0001a3c4d5"}', '{"$numberDouble":"7.5"}', '{"$unreadable":"ff"}'),
]


def test_where_types_are_mixed_no_two_ids_are_one_text() -> None:
    texts = [document_id_of(value, mixed=True) for value in IDS]
    same = [(a, b) for (a, x), (b, y) in itertools.combinations(zip(IDS, texts, strict=True), 2) if x == y]
    assert same == [(IDS[26], IDS[28])]  # binary data of subtype 0 is bytes
    assert len(IDS) > 45


def test_where_types_are_mixed_common_ids_are_what_they_are_alone() -> None:
    for value in (ObjectId(HEX), 7, -7, Int64(1 << 40), "rosa-canina", "Rosa canina", "ñ", "5F1D"):
        assert document_id_of(value, mixed=True) == document_id_of(value) == str(value)
    assert document_id_of(HEX, mixed=True) == f'"{HEX}"'
    assert document_id_of(7.0, mixed=True) == '{"$numberDouble":"7.0"}'


@pytest.mark.parametrize("value", [value for value in IDS if not isinstance(value, Unreadable)], ids=repr)
def test_ids_of_one_type_stay_what_they_were(value: Any) -> None:
    assert document_id_of(value) == str(value)


def test_an_id_that_cannot_be_read_is_its_bytes() -> None:
    assert document_id_of(Unreadable(b"\xff")) == document_id_of(Unreadable(b"\xff"), mixed=True)
    assert document_id_of(Unreadable(b"\xff")) == '{"$unreadable":"ff"}'
    assert document_id_of("a\ud800").encode()


@pytest.mark.parametrize(
    "same",
    [
        [7, 7.0, Int64(7), Decimal128("7"), Decimal128("7.00"), Decimal128("0.7E+1"), "7", " 7 "],
        [7.1, Decimal128("7.1"), Decimal128("7.10"), "7.1"],
        [0, 0.0, -0.0, Decimal128("-0"), Decimal128("0E+3")],
        [10**18, Int64(10**18), 1e18, Decimal128("1E+18")],
        [UUID, Binary(UUID.bytes, 4), Binary(UUID.bytes, 3), str(UUID)],
        [ObjectId(HEX), HEX],
        ["Año", "An\u0303o", "\ufeffAño\x00", "Año "],
        [{"a": 7, "b": [1]}, {"b": [1.0], "a": Decimal128("7")}],
        [datetime(2020, 1, 2), DatetimeMS(datetime(2020, 1, 2))],
    ],
)
def test_one_observation_written_in_several_ways_is_one(same: list[Any]) -> None:
    assert len({observation_id_of(value) for value in same}) == 1
    assert observation_id_of(same[0])


@pytest.mark.parametrize("value", [None, "", "  ", "\u200b", True, False, float("nan"), Decimal128("NaN"), [], {}])
def test_what_is_no_id(value: Any) -> None:
    assert observation_id_of(value) is None


def test_every_other_type_is_an_id_and_different_ones_differ() -> None:
    odd = [Binary(b"x", 0), Binary(b"x", 99), Timestamp(1, 2), Timestamp(1, 3), Code("x"), DBRef("c", 1), DBRef("c", 2)]
    odd += [MinKey(), MaxKey(), Regex("x"), Regex("y"), {"a": 1}, {"a": 2}, [1], [2], DatetimeMS(1 << 50), "x"]
    texts = [observation_id_of(value) for value in odd]
    assert len(set(texts)) == len(odd)
    assert all(re.search(r"\S", text or "") for text in texts)
    assert observation_id_of(DBRef("c", 1)) == observation_id_of(DBRef("c", 1.0))


def test_a_uuid_is_one_observation_however_it_is_written() -> None:
    value = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
    texts = [
        str(value),
        f"{{{value}}}",
        value.urn,
        f"uuid:{value}",
        value.hex,
        f"{{{value.hex}}}",
        f"urn:uuid:{{{value}}}",
    ]
    texts += [text.upper() for text in texts]
    assert {observation_id_of(item) for item in (value, *texts)} == {str(value)}
    assert {observation_id_of(item) for item in (UUID, UUID.hex, Decimal128(UUID.hex))} == {str(UUID)}
    for text in (f"uuid:\u00a0{value.hex}", f"uu\u0131d:{value}"):  # letters and spaces that only look like ours
        assert observation_id_of(text) == text
    for text in (value.hex[:-1], f"{value.hex}0", f"urn:{HEX}", f"x{value}", "uuid:", str(value)[:-1]):
        assert observation_id_of(text) == text
