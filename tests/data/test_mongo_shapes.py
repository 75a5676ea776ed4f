"""What lies in a server that is no plain collection of clean documents, and servers that cannot be asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from aplantida.data.documents import ContentSum
from aplantida.data.mongo import (
    CollectionAddress,
    CollectionError,
    collection_digest,
    import_documents,
    read_documents,
    read_entries,
    split_ranges,
)
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.taxonomy import Naming
from aplantida.phases._collection import MappingSection
from tests.fixtures.raw_bson import BROKEN_BINARY, date, element, raw_document, text

SECRET = "gr33n-leaf!"
ESCAPED = "gr33n-leaf%21"
URL = "http://example.org/a.jpg"
PLANT = {"scientificName": "Rosa canina", "images": [{"url": URL, "license": "CC0", "observationId": 7}]}


@pytest.fixture
def database(mongo_uri: str, db_name: str) -> Iterator[pymongo.database.Database[Any]]:
    with pymongo.MongoClient[Any](mongo_uri) as client:
        yield client[db_name]
        client.drop_database(db_name)


def address(database: pymongo.database.Database[Any], name: str = "plants") -> CollectionAddress:
    host, port = database.client.address or ("", 0)
    return CollectionAddress(f"mongodb://{host}:{port}", database.name, name)


def entries_in(where: CollectionAddress, num_readers: int = 2) -> tuple[list[dict[str, Any]], str]:
    """Rows of all entries, by document id, and the digest of what was read for them."""
    content = ContentSum()
    tables = read_entries(
        split_ranges(where, num_readers),
        address=where,
        mapping=MappingSection().to_mapping(),
        default_license=None,
        synonyms={},
        naming=Naming(),
        license_texts=LicenseTexts(),
        date_order="day_first",
        content=content,
    )
    rows = [row for table in tables for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row["document_id"], row["url"] or "")), content.digest()


def test_an_object_id_and_its_hex_digits_are_two_documents(database: pymongo.database.Database[Any]) -> None:
    some = ObjectId()
    database.plants.insert_many([{"_id": some, **PLANT}, {"_id": str(some), **PLANT}])
    rows, digest = entries_in(address(database))
    assert [row["document_id"] for row in rows] == [f'"{some}"', str(some)]
    assert len({row["image_id"] for row in rows}) == 2
    assert digest == collection_digest(address(database))
    for _id in (some, str(some)):  # alone, each of them is what it was
        database.plants.delete_many({})
        database.plants.insert_one({"_id": _id, **PLANT})
        ((row,), _digest) = entries_in(address(database))
        assert row["document_id"] == str(some)


def test_what_cannot_be_read_is_a_row_with_its_id_where_the_mapping_asks_for_it(
    database: pymongo.database.Database[Any],
) -> None:
    broken, good = element(0x05, "images", BROKEN_BINARY), element(0x02, "scientificName", text(b"Rosa canina"))
    raws = [
        raw_document(element(0x02, "_id", text(b"a")), good, broken),
        raw_document(element(0x02, "_id", text(b"b")), good, element(0x05, "note", BROKEN_BINARY)),
        raw_document(element(0x02, "_id", text(b"ros\xe9")), good, element(0x09, "note", date(1 << 60))),
        raw_document(element(0x02, "_id", text(b"ros\xe8")), good),
        raw_document(element(0x05, "_id", BROKEN_BINARY), good),
        raw_document(element(0x09, "_id", date(-(1 << 60))), good),
    ]
    database.plants.insert_many([RawBSONDocument(raw) for raw in raws])
    where = address(database)
    for num_readers in (1, 4, 9):
        rows, digest = entries_in(where, num_readers)
        assert digest == collection_digest(where)
        assert len({row["document_id"] for row in rows}) == 6
        assert {row["document_id"]: row["reason"] for row in rows} == {
            "a": "document_invalid",
            **{row["document_id"]: "document_no_images" for row in rows if row["document_id"] != "a"},
        }
        assert "field 'images': invalid length" in next(row["detail"] for row in rows if row["document_id"] == "a")


def test_views_time_series_and_capped_and_clustered_collections_are_read_whole(
    database: pymongo.database.Database[Any],
) -> None:
    database.plants.insert_many([{"_id": number, "a": [1, 2]} for number in range(10)])
    database.create_collection("view", viewOn="plants", pipeline=[{"$unwind": "$a"}])
    database.create_collection("capped", capped=True, size=100_000)
    database.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True})
    database.create_collection("series", timeseries={"timeField": "at"})
    database.capped.insert_many([{"n": number} for number in range(10)])
    database.clustered.insert_many([{"_id": number} for number in range(10)])
    database.series.insert_many([{"at": datetime(2020, 1, 1 + number)} for number in range(10)])
    for name, num_ranges, count in (("view", 1, 20), ("series", 1, 10), ("capped", 3, 10), ("clustered", 3, 10)):
        where = address(database, name)
        ranges = split_ranges(where, 3).to_pylist()
        read = [document for row in ranges for document in read_documents(where, row["lower"], row["upper"])]
        assert (name, len(ranges), len(read)) == (name, num_ranges, count)
        assert collection_digest(where) == entries_in(where, 3)[1]


def test_a_view_without_ids_says_how_to_keep_them(database: pymongo.database.Database[Any]) -> None:
    database.plants.insert_one({"_id": 1})
    database.create_collection("view", viewOn="plants", pipeline=[{"$project": {"_id": 0}}])
    with pytest.raises(CollectionError, match=r"view: a document without _id: a view has to keep it"):
        split_ranges(address(database, "view"), 3)


def test_a_file_is_imported_whole_or_not_at_all(database: pymongo.database.Database[Any], tmp_path: Path) -> None:
    path, where = tmp_path / "plants.jsonl", address(database)
    path.write_bytes(b'\xef\xbb\xbf{"_id": 1, "a": "x\xe2\x80\xa8y"}\r\n{"_id": 2}\r\n{"_id": 1}\n')
    with pytest.raises(CollectionError, match=r"plants\.jsonl, line 3: .*duplicate key"):
        import_documents(where, path)
    path.write_bytes(path.read_bytes() + b"no\n")
    assert database.list_collection_names() == []
    path.write_bytes(path.read_bytes().replace(b'{"_id": 1}\nno\n', b'{"_id": 3}\n'))
    assert import_documents(where, path) == 3
    assert [document["_id"] for document in read_documents(where)] == [1, 2, 3]
    assert import_documents(where, path) == 0


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (f"mongodb://ana:{ESCAPED}@{{host}}/?authSource=admin", "Authentication failed"),
        ("mongodb://{host}/?tls=true", "SSL handshake failed"),
        ("mongodb://{host}/?tls=true&tlsCAFile=/no/such.pem", "No such file or directory: '/no/such.pem'"),
        ("mongodb://{host}/?tls=true&tlsCAFile={garbage}", "certificate"),
        (f"mongodb://{{host}}/?tls=true&tlsCertificateKeyFile={{garbage}}&tlsCertificateKeyFilePassword={ESCAPED}", ""),
        (f"mongodb://ana:{ESCAPED}%zz@{{host}}", "must be percent-encoded"),
        (f"mongodb://ana:{SECRET}@{SECRET}@{{host}}", "must be percent-encoded"),
        ("mongodb://{host}/?noSuchOption=3", "Unknown option: nosuchoption"),
        ("mongodb://{host}/?connectTimeoutMS=abc", "must be an integer"),
        ("mongodb://127.0.0.1:99999", "Port must be"),
        ("mongodb://127.0.0.1:port", "Port contains"),
        ("mongodb://", "hostname"),
        ("mysql://ana@127.0.0.1", "scheme"),
        ("mongodb+srv://no-such-host.invalid", "DNS|dns"),
        ("mongodb://no-such-host.invalid", "ServerSelectionTimeoutError"),
        ("mongodb://{silent}", "ServerSelectionTimeoutError"),
    ],
)
def test_a_server_that_cannot_be_asked_is_said_in_one_line_without_secrets(
    mongo_uri: str, uri: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "garbage.pem").write_text("garbage")
    monkeypatch.setattr("aplantida.data.mongo.SELECTION_TIMEOUT_MS", 500)
    with silent_server() as silent:
        host = mongo_uri.removeprefix("mongodb://")
        filled = uri.format(host=host, silent=silent, garbage=tmp_path / "garbage.pem")
        with pytest.raises(CollectionError, match=said or None) as caught:
            collection_digest(CollectionAddress(filled, "db", "plants"))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert SECRET not in message
    assert ESCAPED not in message


def test_an_unreachable_server_is_given_up_within_twenty_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(CollectionError, match="Connection refused"):
        collection_digest(CollectionAddress("mongodb://127.0.0.1:9", "db", "plants"))
    assert time.monotonic() - started < 20
