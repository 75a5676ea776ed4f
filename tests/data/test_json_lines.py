from __future__ import annotations

import json
from pathlib import Path

import bson
import pytest

from aplantida.data.json_lines import NotADocument, documents_in


def read(tmp_path: Path, data: bytes) -> list[tuple[int, dict[str, object]]]:
    path = tmp_path / "plants.jsonl"
    path.write_bytes(data)
    return [(number, bson.decode(raw)) for number, raw in documents_in(path)]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\u00a0"])
def test_a_line_ends_at_a_line_feed_and_nowhere_else(tmp_path: Path, odd: str) -> None:
    line = '{"_id": 1, "a": "x%sy"}' % (odd if odd >= " " else json.dumps(odd)[1:-1])
    assert read(tmp_path, f'{line}\n{{"_id": 2}}'.encode()) == [(1, {"_id": 1, "a": f"x{odd}y"}), (2, {"_id": 2})]


def test_a_byte_order_mark_carriage_returns_and_blank_lines_are_no_content(tmp_path: Path) -> None:
    data = b'\xef\xbb\xbf{"_id": 1}\r\n\r\n  \n{"_id": {"$numberLong": "2"}}\r\n'
    assert read(tmp_path, data) == [(1, {"_id": 1}), (4, {"_id": 2})]
    assert read(tmp_path, b"") == []


def test_surrogates_become_characters_or_a_mark(tmp_path: Path) -> None:
    data = rb'{"a": "\ud83c\udf39", "b": ["\ud800"], "\udfff": {"c": "\u00f1"}}'
    assert read(tmp_path, data) == [(1, {"a": "🌹", "b": ["\ufffd"], "\ufffd": {"c": "ñ"}})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "Expecting property name"),
        (b'[{"_id": 1}]', "found a list"),
        (b"7", "found a int"),
        (b'{"a": {"$oid": "xyz"}}', "xyz"),
        (b'{"a": {"$date": {}}}', "int"),
        (b'{"a\\u0000": 1}', "null"),
        (b'{"a": 123456789012345678901234567890}', "8-byte"),
        (b'{"a": "\xe9"}', "utf-8"),
        (b'{"a":' * 100_000, "recursion"),
        (b'{"images": [{"license": "CC BY-NC 4.0", "license": "CC0"}]}', "the key 'license' is there more than once"),
        (b'{"a": "' + b"x" * 17_000_000 + b'"}', "more than the 16777216"),
    ],
)
def test_a_line_that_is_no_document_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    with pytest.raises(NotADocument, match=rf"plants\.jsonl, line 3: want .*(?i:{said})") as caught:
        read(tmp_path, b'{"_id": 1}\n{"_id": 2}\n' + line + b"\n")
    assert len(str(caught.value)) < 400


def test_dates_no_datetime_can_hold_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "plants.jsonl"
    path.write_text('{"a": {"$date": {"$numberLong": "-62167219200000"}}}\n')
    ((_number, raw),) = documents_in(path)
    assert (-62_167_219_200_000).to_bytes(8, "little", signed=True) in raw
