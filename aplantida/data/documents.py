"""BSON documents as a server sends them: whatever of them can be read is read, and their keys and content are exact."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

# dates no datetime can hold are numbers of milliseconds, bytes that are no UTF-8 are U+FFFD
LENIENT = CodecOptions(
    document_class=dict[str, Any],
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
_REPLACED = "\ufffd"
_FIXED_SIZES = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16}
_FIXED_SIZES |= {0xFF: 0, 0x7F: 0}
# of the types whose value begins with a length: what comes on top of it
_ON_TOP = {0x02: 4, 0x03: 0, 0x04: 0, 0x05: 5, 0x0C: 16, 0x0D: 4, 0x0E: 4, 0x0F: 0}
_TEXT, _DOCUMENT, _ARRAY, _REGEX = 0x02, 0x03, 0x04, 0x0B
_SAME_TYPE = {0x12: 0x10, 0x0E: _TEXT}  # a wide integer is an integer, a symbol a text


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An ``_id`` that cannot be read, or is no UTF-8: its bytes tell it from others, what is read of it may not."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """What could be read of a document.

    Attributes:
        values: by field.
        problems: of the fields that could not be read, why.
    """

    values: dict[str, Any]
    problems: dict[str, str] = field(default_factory=dict[str, str])


class ContentSum:
    """sha256 over the content of documents, whatever their order: equal digests, equal collections."""

    def __init__(self, num_documents: int = 0, total: int = 0) -> None:
        self.num_documents, self.total = num_documents, total

    def add(self, raw: bytes) -> None:
        """Take a document in."""
        self.num_documents += 1
        self.total = (self.total + int.from_bytes(hashlib.sha256(raw).digest(), "big")) % (1 << 256)

    def join(self, other: ContentSum) -> None:
        """Take in what another sum took in."""
        self.num_documents += other.num_documents
        self.total = (self.total + other.total) % (1 << 256)

    def digest(self) -> str:
        """64 hex digits."""
        return hashlib.sha256(f"{self.num_documents}\n{self.total:x}".encode()).hexdigest()


def read_document(raw: bytes) -> ReadDocument:
    """Read a document; where it cannot be read as a whole, field by field. It never raises.

    A field that is there twice with different values is a problem, and so is a field with such a key inside of it.
    """
    try:
        read = ReadDocument(bson.decode(raw, LENIENT))
    except (BSONError, ValueError, OverflowError, RecursionError):
        read = _read_fields(raw)
    if read.problems or not _is_all_of(read.values, raw):
        read.problems.update(_said_twice(raw))
    text = read.values.get("_id")
    if "_id" in read.problems or (isinstance(text, str) and _REPLACED in text):
        data = (key_of(raw) or b"")[9:-1]  # behind the length, the type and the name
        if "_id" in read.problems or not _is_utf8(data[4:-1]):
            read.values["_id"] = Unreadable(data)
    return read


def _is_all_of(values: dict[str, Any], raw: bytes) -> bool:
    """Whether values come to the bytes that they were read of: then nothing was there twice. A cheap look."""
    try:
        return bson.encode(values) == raw
    except (BSONError, ValueError, OverflowError, RecursionError):
        return False


def _said_twice(raw: bytes) -> dict[str, str]:
    """Fields that say a key more than once, with different values: which of them counts, nobody knows."""
    found: dict[str, str] = {}
    inside: list[tuple[str, str, int, bytes]] = [("", "", _DOCUMENT, raw)]  # field, path of keys, type and bytes
    while inside:
        root, path, kind, document = inside.pop()
        first: dict[bytes, bytes] = {}
        for name, element in elements_of(document):
            said = name.decode(errors="replace")
            field_name, whole = root or said, f"{path}.{said}" if path else said
            if kind == _DOCUMENT and first.setdefault(name, element) != element and field_name != "_id":
                key = f"{whole!r} is" if root else "it is"
                found[field_name] = f"{key} there more than once, with different values"
            if element[0] in (_DOCUMENT, _ARRAY):
                inside.append((field_name, whole, element[0], element[len(name) + 2 :]))
    return found


def key_of(raw: bytes) -> bytes | None:
    """A document of the ``_id`` alone, its bytes as they are; None for a document without one."""
    for name, element in elements_of(raw):
        if name == b"_id":
            return (len(element) + 5).to_bytes(4, "little") + element + b"\0"
    return None


def type_of_key(key: bytes) -> int:
    """The BSON type of the ``_id`` in :func:`key_of`."""
    return _SAME_TYPE.get(key[4], key[4])


def decode_key(key: bytes) -> list[tuple[str, Any]] | None:
    """The ``_id`` as a bound of a query; None where it would not be sent as it was received."""
    try:
        read = bson.decode(key, LENIENT)
        return list(read.items()) if bson.encode(read) == key else None
    except (BSONError, ValueError, OverflowError, RecursionError):
        return None


def elements_of(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and bytes (type, name, value) of a document's fields, up to the first whose length nobody knows."""
    at, end = 4, len(raw) - 1
    while at < end:
        name_end = raw.find(b"\0", at + 1)
        size = _size_of_value(raw, raw[at], name_end + 1) if name_end > 0 else -1
        if size < 0 or name_end + 1 + size > end:
            return
        after = name_end + 1 + size
        yield raw[at + 1 : name_end], raw[at:after]
        at = after


def split_batches(batches: Iterable[bytes]) -> Iterator[bytes]:
    """The documents of raw batches: each begins with its length, a little-endian int32."""
    for batch in batches:
        start = 0
        while start < len(batch):
            end = start + int.from_bytes(batch[start : start + 4], "little")
            yield batch[start:end]
            start = end


def _size_of_value(raw: bytes, kind: int, at: int) -> int:
    if kind in _FIXED_SIZES:
        return _FIXED_SIZES[kind]
    if kind in _ON_TOP:
        return int.from_bytes(raw[at : at + 4], "little", signed=True) + _ON_TOP[kind]
    if kind == _REGEX:
        options = raw.find(b"\0", at) + 1
        end = raw.find(b"\0", options) + 1 if options else 0
        return end - at if end else -1
    return -1


def _read_fields(raw: bytes) -> ReadDocument:
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    at = 4
    for name, element in elements_of(raw):
        at += len(element)
        try:
            values |= bson.decode((len(element) + 5).to_bytes(4, "little") + element + b"\0", LENIENT)
        except (BSONError, ValueError, OverflowError, RecursionError) as error:
            problems[name.decode(errors="replace")] = str(error)
    if at < len(raw) - 1:
        name = raw[at + 1 : max(at + 1, raw.find(b"\0", at + 1))].decode(errors="replace")
        problems[name] = f"a value of type 0x{raw[at]:02x}, which no length tells from what comes after it"
    return ReadDocument(values, problems)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
