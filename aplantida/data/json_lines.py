"""mongoimport files: a document of extended JSON a line, and a line ends at a line feed and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
from bson import json_util
from bson.errors import BSONError
from bson.json_util import DatetimeConversion, JSONOptions

from aplantida.data.documents import LENIENT
from aplantida.domain.text import unpaired

MOST_BYTES = 16 * 1024 * 1024  # of a document, as MongoDB has it
_OPTIONS = JSONOptions(document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_MARK = b"\xef\xbb\xbf"


class NotADocument(Exception):
    """A line that is no document; the message names the file, the line and what is wrong with it."""


def documents_in(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and BSON of every line that is not blank; a byte order mark at the beginning is none of it.

    Raises:
        NotADocument: for a line that is no document MongoDB would hold.
    """
    with path.open("rb") as lines:  # which end at b"\n"; text would end at a carriage return too
        for number, line in enumerate(lines, start=1):
            content = line.removeprefix(_MARK) if number == 1 else line
            if content.strip():
                try:
                    yield number, _to_bson(content)
                except (ValueError, TypeError, KeyError, OverflowError, RecursionError, BSONError) as error:
                    said = f"{type(error).__name__}: {error}" if isinstance(error, UnicodeError) else str(error)
                    raise NotADocument(f"{path}, line {number}: want a document of extended JSON: {said}") from error


def _to_bson(line: bytes) -> bytes:
    text = line.decode()
    value = json.loads(text, object_pairs_hook=_of_pairs)
    if not isinstance(value, dict):
        raise ValueError(f"found a {type(value).__name__}; of an array each document has to be a line of its own")
    raw = bson.encode(_valid(value) if "\\u" in text else value, codec_options=LENIENT)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"{len(raw)} bytes, more than the {MOST_BYTES} that MongoDB keeps of a document")
    return raw


def _of_pairs(pairs: list[tuple[str, Any]]) -> Any:
    """What extended JSON means by the pairs of an object, each key there once."""
    said = dict(pairs)
    if len(said) < len(pairs):
        twice = next((key for key, value in pairs if value != said[key]), None)
        if twice is not None:
            raise ValueError(f"the key {twice!r} is there more than once, with different values")
    return json_util.object_hook(said, _OPTIONS)


def _valid(value: Any) -> Any:
    """``value`` with texts that UTF-8 can hold: JSON may escape surrogates."""
    if isinstance(value, str):
        return unpaired(value)
    if isinstance(value, dict):
        return {_valid(key): _valid(item) for key, item in value.items()}
    return [_valid(item) for item in value] if isinstance(value, list) else value
