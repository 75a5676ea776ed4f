"""Reading a MongoDB collection by ``_id`` ranges, with plain cursors; credentials never show in what it says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from aplantida.data.collection_address import CollectionAddress, CollectionError, malformed, without_secrets
from aplantida.data.documents import ContentSum, decode_key, key_of, read_document, split_batches, type_of_key
from aplantida.data.entries import EntryBuilder, FieldMapping
from aplantida.data.json_lines import NotADocument, documents_in
from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.dates import DateOrder
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.taxonomy import Naming

SELECTION_TIMEOUT_MS, CONNECT_TIMEOUT_MS = 10_000, 8_000
MAX_RECONNECTS = 5
ROWS_PER_TABLE, BYTES_PER_TABLE = 32_768, 64_000_000
LINES_PER_INSERT = 1_000
_BY_ID = [("_id", 1)]


def split_ranges(address: CollectionAddress, num_ranges: int) -> pa.Table:
    """Cut the collection into ``num_ranges`` ranges of ``_id`` of equal size; fewer when it holds fewer documents.

    What has no index of ``_id`` of its own (a view, a time series) is one range.

    Returns:
        A table of ``lower`` (inclusive) and ``upper`` (exclusive): BSON documents ``{"_id": …}``; null = open. And of
        ``mixed_ids``: whether the collection has ``_id`` of more than one BSON type.

    Raises:
        CollectionError: when the server cannot be asked, or a document has no ``_id``.
    """
    with _open(address) as collection:
        count = collection.count_documents({})
        wanted = min(max(1, num_ranges), max(1, count))
        starts = iter([*(number * count // wanted for number in range(1, wanted)), count + 1])
        is_stored, next_start, cuts, types = _is_stored(collection), next(starts), list[bytes](), set[int]()
        cursor = collection.find_raw_batches({}, {"_id": 1})
        for position, raw in enumerate(split_batches(cursor.hint(_BY_ID).sort(_BY_ID) if is_stored else cursor)):
            key = key_of(raw)
            if key is None:
                raise CollectionError(
                    f"{address.db_name}.{address.collection}: a document without _id: a view has to keep it "
                    "(no `_id: 0` in its $project)"
                )
            types.add(type_of_key(key))
            if is_stored and position >= next_start and decode_key(key):
                cuts.append(key)
                while next_start <= position:
                    next_start = next(starts)
    return pa.table(
        {
            "lower": pa.array([None, *cuts], pa.binary()),
            "upper": pa.array([*cuts, None], pa.binary()),
            "mixed_ids": [len(types) > 1] * (len(cuts) + 1),
        }
    )


def collection_digest(address: CollectionAddress) -> str:
    """sha256 over the content of all documents, whatever their order: equal digests, equal collections.

    Raises:
        CollectionError: when the server cannot be asked.
    """
    content = ContentSum()
    with _open(address) as collection:
        for raw in _documents(collection, None, None):
            content.add(raw)
    return content.digest()


def read_documents(
    address: CollectionAddress, lower: bytes | None = None, upper: bytes | None = None
) -> Iterator[dict[str, Any]]:
    """Documents of one ``_id`` range, in order of ``_id``. A dropped connection is taken up where it broke.

    Raises:
        CollectionError: when the server cannot be asked, or keeps dropping the connection.
    """
    with _open(address) as collection:
        for raw in _documents(collection, lower, upper):
            yield read_document(raw).values


def read_entries(
    ranges: pa.Table,
    *,
    address: CollectionAddress,
    mapping: FieldMapping,
    default_license: str | None,
    synonyms: Mapping[str, str],
    naming: Naming,
    license_texts: LicenseTexts,
    date_order: DateOrder,
    content: ContentSum,
    secrets: AddressSecrets = USUAL,
) -> Iterator[pa.Table]:
    """Entries of some ``_id`` ranges, in tables of ``ENTRY_SCHEMA`` of bounded size (one document may be larger).

    ``content`` takes in every document that is read.
    """
    for item in ranges.to_pylist():
        how = (naming, license_texts, date_order, item["mixed_ids"], secrets)
        builder = EntryBuilder(mapping, default_license, synonyms, *how)
        with _open(address) as collection:
            for raw in _documents(collection, item["lower"], item["upper"]):
                content.add(raw)
                read = read_document(raw)
                builder.add(read.values, read.problems)
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
    with _open(address) as collection:
        if collection.database.list_collection_names(filter={"name": address.collection}):
            return 0
        unfinished: Collection[Any] = collection.database[f"{address.collection}.importing"]
        unfinished.drop()
        num_documents, lines = 0, documents_in(path)
        try:
            while some := list(islice(lines, LINES_PER_INSERT)):
                _insert(unfinished, path, some)
                num_documents += len(some)
        except NotADocument as error:
            unfinished.drop()
            raise CollectionError(str(error)) from error
        if num_documents:
            unfinished.rename(address.collection)
    return num_documents


def _insert(collection: Collection[Any], path: Path, some: Sequence[tuple[int, bytes]]) -> None:
    try:
        collection.insert_many([RawBSONDocument(raw) for _line, raw in some])
    except BulkWriteError as error:
        first = error.details["writeErrors"][0]
        raise NotADocument(f"{path}, line {some[first['index']][0]}: {first['errmsg']}") from error


def _is_stored(collection: Collection[Any]) -> bool:
    """Whether documents lie in an order of ``_id`` that can bound a query: not those of a view or a time series."""
    try:
        listed = list(collection.database.list_collections(filter={"name": collection.name}))
    except OperationFailure:  # who may read a collection need not be allowed to list it
        return True
    return all(item.get("type", "collection") == "collection" for item in listed)


def _documents(collection: Collection[Any], lower: bytes | None, upper: bytes | None) -> Iterator[bytes]:
    """BSON documents from ``lower`` to before ``upper``, by bounds on the index: they hold across ``_id`` types.

    After a drop they are read again from the last ``_id`` that can be a bound, without those that were seen.
    """
    is_stored = _is_stored(collection)
    anchor, num_seen, reconnects = lower, 0, 0
    while True:
        to_skip, is_first = num_seen, True
        try:
            for raw in split_batches(_cursor(collection, is_stored, anchor, upper)):
                key = key_of(raw) if is_stored else None
                if to_skip and is_first and anchor is not None and key != anchor:
                    to_skip -= 1  # the one that was read last is gone
                is_first = False
                if to_skip:
                    to_skip -= 1
                    continue
                if key is not None and decode_key(key):
                    anchor, num_seen = key, 1
                else:
                    num_seen += 1
                yield raw
            return
        except ServerSelectionTimeoutError:
            raise
        except AutoReconnect:
            reconnects += 1
            if reconnects > MAX_RECONNECTS:
                raise


def _cursor(collection: Collection[Any], is_stored: bool, lower: bytes | None, upper: bytes | None) -> Any:
    cursor = collection.find_raw_batches({})
    if not is_stored:
        return cursor
    cursor = cursor.hint(_BY_ID).sort(_BY_ID)
    if lower is not None:
        cursor = cursor.min(decode_key(lower) or ())
    return cursor if upper is None else cursor.max(decode_key(upper) or ())


def check_address(address: CollectionAddress) -> None:
    """Read an address as it is read before it is asked; nobody is asked.

    Raises:
        CollectionError: as the reading itself would.
    """
    with _in_plain_words(address):
        _client(address.uri, connect=False).close()


@contextmanager
def _open(address: CollectionAddress) -> Iterator[Collection[Any]]:
    with _in_plain_words(address), _client(address.uri) as client:
        yield client.get_database(address.db_name).get_collection(address.collection)


@contextmanager
def _in_plain_words(address: CollectionAddress) -> Iterator[None]:
    """Errors of the driver without credentials, and without asking a host that is a part of a password."""
    where = f"{address.db_name}.{address.collection}"
    problem = malformed(address.uri)
    if problem is not None:
        raise CollectionError(f"{where}: the URI: {problem}") from None
    try:
        yield
    except (PyMongoError, BSONError, ValueError, OSError, UserWarning) as error:
        kind = "the URI" if isinstance(error, UserWarning) else type(error).__name__
        message = str(error)
        for ending in (", Timeout:", ", full error:", " (configured timeouts:"):
            message = message.partition(ending)[0]
        raise CollectionError(f"{where}: {kind}: {without_secrets(address.uri, message)}") from None


def _client(uri: str, *, connect: bool = True) -> MongoClient[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of an option that nobody knows, or whose value is none
        warnings.filterwarnings("ignore", message="Wire protocol compression")  # the server's answers come as they are
        try:
            return MongoClient(
                uri,
                serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS,
                connectTimeoutMS=CONNECT_TIMEOUT_MS,
                appname="aplantida",
                connect=connect,
            )
        except (LookupError, TypeError, AttributeError) as error:  # of options that are for programs alone
            raise InvalidURI(f"an option is none of an address, or its value none of the option's: {error}") from None
