"""Addresses with passwords in them, well and ill written: what is refused unasked, and what is said."""

from __future__ import annotations

import random
import re

import pytest

from aplantida.data.collection_address import CollectionAddress, CollectionError, holds_credentials, without_secrets
from aplantida.data.mongo import check_address, collection_digest

SECRET = "gr33n"
ODD = "@:/?#[]%&;=, \"'\\ñ.\n"
OPTIONS = (
    *("tls=true", "tls=x", "w=1", "appName=x", "authMechanism=PLAIN", "authMechanism=X", "maxPoolSize=-1", "x", "="),
    *("authMechanismProperties=AWS_SESSION_TOKEN:gr33n", "authMechanismProperties=gr33n:x", "replicaSet="),
    *("tlsCertificateKeyFilePassword=gr33n", "tlsCAFile=/gone", "readPreferenceTags=a", "datetime_conversion=x"),
    *("srvMaxHosts=2", "proxyHost=x", "password=gr33n", "server_api=1", "type_registry=x", "loadBalanced=true"),
)


def said(uri: str) -> str:
    try:
        check_address(CollectionAddress(uri.strip(), "db", "plants"))
    except CollectionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:p@ss/w@localhost:27017",
        "mongodb://user:p/ss@localhost:27017",
        "mongodb://user:123/w@localhost:27017",
        "mongodb://user:p@ss@localhost:27017",
        "mongodb://us@er:pass@localhost:27017",
        "mongodb://user:p:ss@localhost:27017",
        "mongodb://user:100%ss@localhost:27017",
        "mongodb://user:ss?w=1@localhost:27017",
        "mongodb://user:12/ss?w@localhost:27017",
        "mongodb://user:ss%40localhost",
        "mongodb://user:ss@",
        "mongodb+srv://user:p@ss/w@cluster.example",
    ],
)
def test_a_password_that_is_not_encoded_is_told_so_and_no_part_of_it_is_a_host(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGO_URI", uri)
    monkeypatch.setattr("aplantida.data.mongo._client", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(CollectionError, match=r"percent-encoded \(@ is %40, / is %2F") as caught:
        collection_digest(CollectionAddress.find(None, "db", "plants"))
    for part in ("ss/", "ss:", "ss?", "user:", "pass@", "123", "localhost", "cluster"):
        assert part not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "localhost:27017",
        "mongodb://localhost",
        "mongodb://localhost:1?w=1",
        "mongodb://[::1]:1,h2:2/db.plants?replicaSet=rs&readPreference=nearest&readPreferenceTags=a:b",
        "mongodb://user:p%40ss%2Fw%25@h.example:1/db?authSource=admin",
        "mongodb://user@h.example/?authMechanism=MONGODB-X509&tls=true",
        "mongodb://user:pa#ss&w;o,rd=@h.example/",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock/db",
        "mongodb://localhost/?appName=a@b",
        "mongodb+srv://user:pass@cluster.example/?retryWrites=true",
    ],
)
def test_what_the_driver_takes_is_taken(uri: str) -> None:
    assert said(uri) == ""


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://user:gr33n@localhost", "must begin with 'mongodb://'"),
        ("user:gr33n@localhost", "must begin with mongodb://"),
        ("user:gr33n%40localhost", "must begin with mongodb://"),
        ("mongodb://user:gr33n@localhost:x", "Port contains non-digit"),
        ("mongodb://user:gr33n@localhost/d b", "no name of a database"),
        ("mongodb://user:gr33n@localhost/?tls", "not name=value"),
        ("mongodb://user:gr33n@localhost/?tlsFile=x", "Unknown option: tlsfile"),
        ("mongodb+srv://user:gr33n@cluster.example:27017", "must not include a port"),
        ("mongodb://localhost/?authMechanismProperties=gr33n:x", r"\*\*\* is not a supported"),
        ("mongodb://user:gr33n@localhost/?datetime_conversion=x", "an option is none of an address"),
        ("mongodb://user:123?w=x@localhost:1&x=gr33n", "Unknown option"),
    ],
)
def test_errors_of_the_driver_are_kept_without_secrets(uri: str, words: str) -> None:
    assert re.search(words, said(uri)), said(uri)
    assert SECRET not in said(uri)


def test_whatever_the_address_its_error_is_one_and_shows_no_password() -> None:
    draw = random.Random(20)
    for _ in range(4_000):
        uri = draw.choice(["mongodb://", "mongodb://", "mongodb+srv://", "", "mongo://", '"mongodb://'])
        if draw.random() < 0.8:
            ends = ["".join(draw.choice([*ODD, "w", "7"]) for _ in range(draw.randrange(3))) for _ in range(2)]
            user = draw.choice(["user", "gr33nu", "u z", ""])
            uri += f"{user}{draw.choice('::,')}{ends[0]}{SECRET}{ends[1]}{draw.choice(['@', '@', '%40', ''])}"
        uri += draw.choice(["h.example", "h:1,h2", "[::1]:1", "[::1", "", "h:x", "%2Ftmp%2Fx.sock", "h:99999999"])
        uri += draw.choice(["", "/", "/db", "/d b", "/a/b", "/db.c"])
        if draw.random() < 0.6:
            uri += "?" + draw.choice("&;").join(draw.sample(OPTIONS, draw.randrange(1, 3)))
        assert SECRET not in said(uri), uri


def test_secrets_are_hidden_as_words_and_the_rest_of_the_message_stays() -> None:
    assert without_secrets("mongodb://a:user@localhost", "localhost: username a is user") == (
        "localhost: username *** is ***"
    )
    unclear = without_secrets("mongodb://user:p@ss/?w=1@localhost", "ss:27017: not known")
    assert unclear.startswith("***:27017: not known. If the @ behind the ?")


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:123?Gr33N=x@localhost:1",
        "mongodb://user:123?w=x@localhost:1&GR33N=x",
    ],
)
def test_a_secret_is_hidden_in_whatever_case_the_driver_says_it(uri: str) -> None:
    assert "gr33n" not in said(uri).casefold()


def test_an_address_in_another_case_is_hidden_whole() -> None:
    message = without_secrets("Mongodb://Ana:Gr33N@Host.example", "mongodb://ana:gr33n@host.example, or ANA, is wrong")
    assert message == "(the URI), or ***, is wrong"


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://ana@h",
        "mongodb://ana:x%40h",
        "mongodb://h/?tlsCertificateKeyFilePassword=x",
        "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:x",
    ],
)
def test_credentials_of_every_kind_are_seen_and_a_config_must_not_hold_them(uri: str) -> None:
    assert holds_credentials(uri)
    with pytest.raises(CollectionError, match="MONGO_URI"):
        CollectionAddress.find(uri, "db", "plants")


def test_a_plain_address_holds_none() -> None:
    assert not holds_credentials("mongodb://h1:1,h2:2/db?replicaSet=rs&w=1")


@pytest.mark.parametrize(
    "name", ["", "a.b", "a b", "a$b", "a\0b", 'a"b', "a\\b", "a/b", " db", "a" * 64, "ñ" * 32, "db.plants"]
)
def test_a_name_that_no_database_has_is_refused_unasked_with_its_key(name: str) -> None:
    with pytest.raises(CollectionError, match="is no name of a database: want 1 to 63 bytes") as caught:
        CollectionAddress.find(None, name, "plants")
    assert f"db_name = {name!r}" in str(caught.value)


@pytest.mark.parametrize("name", ["", "$x", "a$b", ".a", "a.", "a..b", "a\0b", "system.profile", "x" * 254, "ñ" * 127])
def test_a_name_that_no_collection_has_is_refused_unasked_with_its_key(name: str) -> None:
    with pytest.raises(CollectionError, match="is no name of a collection: want ") as caught:
        CollectionAddress.find(None, "db", name)
    assert f"collection = {name!r}" in str(caught.value)


@pytest.mark.parametrize(
    "names", [("a" * 63, "x" * 191), ("ñ" * 31, "plants 2.old"), ("a-b_c", "systems"), ("db", "x.y")]
)
def test_names_that_the_database_takes_are_taken(names: tuple[str, str]) -> None:
    assert CollectionAddress.find(None, *names).db_name == names[0]
