from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest
from bson import ObjectId

from aplantida.data.mongo import CollectionAddress, CollectionError, collection_digest, read_documents, split_ranges
from tests.fixtures.collection import fill

SECRET = "gr33n-leaf"


def address(uri: str, db_name: str) -> CollectionAddress:
    return CollectionAddress.find(uri, db_name, "plants")


def mixed(count: int) -> list[dict[str, Any]]:
    """Documents with ids of every type a collection may hold."""
    makers = (
        int,
        str,
        float,
        lambda n: ObjectId(f"{n:024x}"),
        lambda n: {"n": n},
        lambda n: datetime(2020, 1, 1 + n % 28, n),
    )
    return [{"_id": makers[n % 6](n), "n": n} for n in range(count)]


@pytest.mark.parametrize("num_ranges", [1, 3, 7, 100])
def test_ranges_cover_every_document_once_whatever_the_ids_are(mongo_uri: str, db_name: str, num_ranges: int) -> None:
    fill(mongo_uri, db_name, [{**item, "_id": item["_id"]} for item in mixed(24)])
    where = address(mongo_uri, db_name)
    ranges = split_ranges(where, num_ranges)
    assert ranges.num_rows == min(num_ranges, 24)
    seen = [doc["n"] for row in ranges.to_pylist() for doc in read_documents(where, row["lower"], row["upper"])]
    assert sorted(seen) == list(range(24))


def test_an_empty_collection_is_one_empty_range(mongo_uri: str, db_name: str) -> None:
    where = address(mongo_uri, db_name)
    assert split_ranges(where, 4).num_rows == 1
    assert list(read_documents(where)) == []


def test_the_digest_is_of_content_not_of_order(mongo_uri: str, db_name: str) -> None:
    where, docs = address(mongo_uri, db_name), mixed(24)
    fill(mongo_uri, db_name, docs)
    first = collection_digest(where)
    random.Random(0).shuffle(docs)
    fill(mongo_uri, db_name, docs)
    assert collection_digest(where) == first
    with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
        client[db_name].plants.update_one({"n": 7}, {"$set": {"note": "changed"}})
        assert collection_digest(where) != first
        client[db_name].plants.update_one({"n": 7}, {"$unset": {"note": ""}})
        assert collection_digest(where) == first
        client[db_name].plants.delete_one({"n": 7})
        assert collection_digest(where) != first


def test_credentials_in_a_config_are_refused_without_repeating_them() -> None:
    with pytest.raises(CollectionError, match="MONGO_URI") as caught:
        CollectionAddress.find(f"mongodb://ana:{SECRET}@db.example:27017", "db", "plants")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://ana:{SECRET}@127.0.0.1:9/?serverSelectionTimeoutMS=200",
        f"mongodb://ana:{SECRET}@127.0.0.1:notaport",
        f"mongo://ana:{SECRET}@127.0.0.1",
        f"mongodb://ana:{SECRET}@/",
    ],
)
def test_no_error_shows_a_password(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URI", uri)
    monkeypatch.setattr("aplantida.data.mongo.SELECTION_TIMEOUT_MS", 300)
    where = CollectionAddress.find(None, "db", "plants")
    assert SECRET not in repr(where)
    with pytest.raises(CollectionError) as caught:
        collection_digest(where)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_wrong_password_is_an_error_without_the_password(mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URI", mongo_uri.replace("mongodb://", f"mongodb://ana:{SECRET}@"))
    with pytest.raises(CollectionError, match="Authentication failed") as caught:
        collection_digest(CollectionAddress.find(None, "db", "plants"))
    assert SECRET not in str(caught.value)


class _Dropping:
    """A TCP proxy that cuts every connection once ``budget`` bytes of answers have passed, ``times`` times in all."""

    def __init__(self, target: tuple[str, int], budget: int, times: int) -> None:
        self._target, self._budget, self.drops_left, self.drops = target, budget, times, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._server.getsockname()[1]}/?directConnection=true"

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(self._target)
                threading.Thread(target=self._pump, args=(near, far, None), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, self._budget), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, budget: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(1 << 16):
                passed += len(data)
                if budget is not None and passed > budget and self.drops_left > 0:
                    self.drops_left, self.drops = self.drops_left - 1, self.drops + 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("times", "survives"), [(3, True), (1000, False)])
def test_a_connection_that_drops_in_mid_cursor_loses_and_doubles_nothing(
    mongo_uri: str, db_name: str, times: int, survives: bool
) -> None:
    fill(mongo_uri, db_name, [{"_id": number, "text": "x" * 20_000} for number in range(2_000)])  # three batches
    parts = urlsplit(mongo_uri)
    proxy = _Dropping((parts.hostname or "", parts.port or 27017), 20_000_000 if survives else 1_000_000, times)
    try:
        where = address(proxy.uri, db_name)
        if survives:
            assert [item["_id"] for item in read_documents(where)] == list(range(2_000))
        else:
            with pytest.raises(CollectionError, match=r"AutoReconnect|NetworkTimeout|ServerSelection"):
                list(read_documents(where))
        assert proxy.drops >= 1
    finally:
        proxy.close()
