"""Reading a MongoDB collection by ``_id`` ranges, with plain cursors; credentials never show in what it says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
import pyarrow as pa
from bson import json_util
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, PyMongoError

from aplantida.data.entries import EntryBuilder, FieldMapping
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.taxonomy import Naming

URI_VARIABLE = "MONGO_URI"
DEFAULT_URI = "mongodb://localhost:27017"
SELECTION_TIMEOUT_MS = 15_000
MAX_RECONNECTS = 5
ROWS_PER_TABLE, BYTES_PER_TABLE = 32_768, 64_000_000


class CollectionError(Exception):
    """The collection cannot be read as asked; the message never holds credentials."""


@dataclass(frozen=True, slots=True)
class CollectionAddress:
    """Which collection. Its ``repr`` hides the URI, which may hold a password."""

    uri: str
    db_name: str
    collection: str

    def __repr__(self) -> str:
        return f"CollectionAddress({self.db_name}.{self.collection})"

    @classmethod
    def find(cls, uri: str | None, db_name: str, collection: str) -> CollectionAddress:
        """From a config: ``uri``, else ``MONGO_URI``, else a server on this machine.

        Raises:
            CollectionError: when ``uri`` holds a user name; credentials come from the environment only.
        """
        if uri is not None and "@" in uri:
            raise CollectionError(
                f"mongo_uri in a config must not hold credentials (configs are recorded): leave it null and set "
                f"{URI_VARIABLE} in the environment"
            )
        return cls(uri or os.environ.get(URI_VARIABLE) or DEFAULT_URI, db_name, collection)


def split_ranges(address: CollectionAddress, num_ranges: int) -> pa.Table:
    """Cut the collection into ``num_ranges`` ranges of ``_id`` of equal size; fewer when it holds fewer documents.

    Returns:
        A table of ``lower`` (inclusive) and ``upper`` (exclusive): BSON documents ``{"_id": …}``; null = open.

    Raises:
        CollectionError: when the server cannot be asked.
    """
    with _open(address) as collection:
        count = collection.count_documents({})
        wanted = min(max(1, num_ranges), max(1, count))
        starts = {number * count // wanted for number in range(1, wanted)}
        ids = collection.find({}, {"_id": 1}).sort("_id", 1)
        cuts = [bson.encode(item) for position, item in enumerate(ids) if position in starts]
    return pa.table(
        {"lower": pa.array([None, *cuts], pa.binary()), "upper": pa.array([*cuts, None], pa.binary())},
    )


def collection_digest(address: CollectionAddress) -> str:
    """sha256 over the content of all documents, whatever their order: equal digests, equal collections.

    Raises:
        CollectionError: when the server cannot be asked.
    """
    total, count = 0, 0
    with _open(address) as collection:
        for raw in _documents(collection, None, None):
            total += int.from_bytes(hashlib.sha256(raw).digest(), "big")
            count += 1
    return hashlib.sha256(f"{count}\n{total % (1 << 256):x}".encode()).hexdigest()


def read_documents(
    address: CollectionAddress, lower: bytes | None = None, upper: bytes | None = None
) -> Iterator[dict[str, Any]]:
    """Documents of one ``_id`` range, in order of ``_id``. A dropped connection is taken up where it broke.

    Raises:
        CollectionError: when the server cannot be asked, or keeps dropping the connection.
    """
    with _open(address) as collection:
        for raw in _documents(collection, lower, upper):
            yield bson.decode(raw)


def read_entries(
    ranges: pa.Table,
    *,
    address: CollectionAddress,
    mapping: FieldMapping,
    default_license: str | None,
    synonyms: Mapping[str, str],
    naming: Naming,
    license_texts: LicenseTexts,
) -> Iterator[pa.Table]:
    """Entries of some ``_id`` ranges, in tables of ``ENTRY_SCHEMA`` of bounded size (one document may be larger)."""
    builder = EntryBuilder(mapping, default_license, synonyms, naming, license_texts)
    for item in ranges.to_pylist():
        for document in read_documents(address, item["lower"], item["upper"]):
            builder.add(document)
            if len(builder) >= ROWS_PER_TABLE or builder.num_bytes >= BYTES_PER_TABLE:
                yield builder.take()
    yield builder.take()


def import_documents(address: CollectionAddress, path: Path) -> int:
    """Fill an absent collection from a mongoimport file (a document of extended JSON a line), all of it or nothing.

    A collection that is there stays as it is.

    Returns:
        How many documents were imported; 0 when the collection was there already.

    Raises:
        CollectionError: when the server cannot be asked, or a line of the file is no document.
    """
    documents: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            documents.append(dict(json_util.loads(line)))
        except (ValueError, TypeError) as error:
            raise CollectionError(f"{path}, line {number}: want a document of extended JSON: {error}") from error
    with _open(address) as collection:
        if collection.database.list_collection_names(filter={"name": address.collection}):
            return 0
        unfinished: Collection[Any] = collection.database[f"{address.collection}.importing"]
        unfinished.drop()
        unfinished.insert_many(documents)
        unfinished.rename(address.collection)
    return len(documents)


def _documents(collection: Collection[Any], lower: bytes | None, upper: bytes | None) -> Iterator[bytes]:
    """BSON documents from ``lower`` to before ``upper``, by bounds on the index: they hold across ``_id`` types."""
    reconnects, last = 0, None
    while True:
        cursor = collection.find_raw_batches({}).hint([("_id", 1)]).sort("_id", 1)
        start = lower if last is None else _key_of(last)
        if start is not None:
            cursor = cursor.min(list(bson.decode(start).items()))
        if upper is not None:
            cursor = cursor.max(list(bson.decode(upper).items()))
        seen = None if last is None else start
        try:
            for raw in _split_batches(cursor):
                if seen is None or _key_of(raw) != seen:
                    last = raw
                    yield raw
                seen = None
            return
        except AutoReconnect:
            reconnects += 1
            if reconnects > MAX_RECONNECTS:
                raise


def _split_batches(batches: Iterable[bytes]) -> Iterator[bytes]:
    """The documents of raw batches: each begins with its length, a little-endian int32."""
    for batch in batches:
        start = 0
        while start < len(batch):
            end = start + int.from_bytes(batch[start : start + 4], "little")
            yield batch[start:end]
            start = end


def _key_of(raw: bytes) -> bytes:
    return bson.encode({"_id": bson.decode(raw)["_id"]})


@contextmanager
def _open(address: CollectionAddress) -> Iterator[Collection[Any]]:
    try:
        with MongoClient(address.uri, serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS, appname="aplantida") as client:
            yield client.get_database(address.db_name).get_collection(address.collection)
    except (PyMongoError, ValueError) as error:
        raise CollectionError(_without_secrets(address, error)) from None


def _without_secrets(address: CollectionAddress, error: Exception) -> str:
    message = str(error).replace(address.uri, "(the URI)").partition(", Timeout:")[0]
    authority = address.uri.partition("://")[2].partition("/")[0]
    user_info, at, _hosts = authority.rpartition("@")
    if at:
        for secret in (user_info, *user_info.split(":")):
            message = message.replace(secret, "***") if secret else message
    return f"{address.db_name}.{address.collection}: {type(error).__name__}: {message}"
