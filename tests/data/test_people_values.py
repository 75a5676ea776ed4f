"""People in fields of any shape: a name in parts is one name, none is lost, and addresses are nobody's."""

from __future__ import annotations

from typing import Any

import pytest

from aplantida.data.people_values import people_of
from aplantida.domain.opt_out import OptOuts

SECRET = "https://example.org/ana?token=abc"


@pytest.mark.parametrize(
    "value",
    [
        *("Ana Pérez", " Ana Pérez\n", ["Ana Pérez"], [["Ana Pérez"], "Ana Pérez"], {"name": ["Ana Pérez"]}),
        *({"name": "Ana Pérez"}, {"Full Name": "Ana Pérez", "id": 7}),
        *({"name": {"first": "Ana", "last": "Pérez"}}, {"firstName": "Ana", "lastName": "Pérez"}),
        *({"given": "Ana", "family": "Pérez"}, {"last_name": "Pérez", "first-name": "Ana"}),
        {"x": {"name": "Ana Pérez"}},
        *({"name": "Ana", "surname": "Pérez"}, {"nombre": "Ana", "apellidos": "Pérez"}),
        {"Nom": "Ana", "Cognoms": "Pérez"},
        *({"name": "Ana Pérez", "surname": "Pérez"}, {"name": "Ana Pérez", "firstName": "Ana", "lastName": "Pérez"}),
        {"first": "Ana", "last": "Pérez", "email": "ana@example.org", "url": SECRET},
        {"name": "Ana Pérez", "url": SECRET},
        *({"author": {"fullName": "Ana Pérez"}}, {"who": "Ana Pérez", "home": SECRET}),
        ["Ana Pérez", SECRET, "www.a.org/?sig=1"],
        *({"name": {}, "login": "Ana Pérez"}, {"titular": "Ana Pérez", "nsid": "7@N02"}),
        *({"nameFirst": "Ana", "nameLast": "Pérez"}, {"author1_first": "Ana", "author1_last": "Pérez"}),
        *({"first": ["Ana"], "last": ["Pérez"]}, {"last": "Ana Pérez", "first": "Ana"}),
        *({"prenom": "Ana", "nom": "Pérez"}, {"Vorname": "Ana", "Name": "Pérez"}, {"forename": "Ana", "name": "Pérez"}),
        *({"first": "Ana", "name": "Ana Pérez"}, {"author_first_name": "Ana", "author_last_name": "Pérez"}),
        *({"user": "Ana Pérez"}, {"fullname": "Ana Pérez", "name": "Ana"}, {"userName": "Ana Pérez"}),
        *({"name": {"url": SECRET}, "user": "Ana Pérez"}, {"Vorname": "Ana", "Nachname": "Pérez", "_id": 4}),
    ],
)  # fmt: skip
def test_a_name_is_the_same_in_every_shape(value: Any) -> None:
    said = people_of([value]).to_pylist()
    assert said == ["Ana Pérez"]
    assert people_of([value, 7]).to_pylist() == ["Ana Pérez", "7"]
    assert OptOuts.of(["Ana Pérez"], []).refusal(said[0], "a.org")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"first": "Ana", "middle": "María", "last": "Pérez"}, "Ana María Pérez"),
        ({"nombres": ["Ana", "María"], "primer_apellido": "Pérez", "segundo_apellido": "Gil"}, "Ana María Pérez Gil"),
        ([{"given": "Ana", "family": "Pérez"}, {"given": "Luis", "family": "Gil"}], "Ana Pérez; Luis Gil"),
        ({"displayName": "ana9", "first": "Ana", "last": "Pérez"}, "Ana Pérez; ana9"),
        ({"first": "Ana", "login": "ana9"}, "Ana; ana9"),
        ({"nombre": "Ana", "apellido2": "Gil", "apellido1": "Pérez"}, "Ana Pérez Gil"),
        ({"first": "Ana", "surname 1": "Pérez", "surname 2": "Gil"}, "Ana Pérez Gil"),
        (
            {"first": "Ana", "last": "Pérez", "first2": "Luis", "last2": "Gil"},
            "Ana Pérez; Luis Gil; Ana Luis Pérez Gil",
        ),
        (
            {"first_name_1": "Ana", "last_name_1": "Pérez", "first_name_2": "Luis", "last_name_2": "Gil"},
            "Ana Pérez; Luis Gil; Ana Luis Pérez Gil",
        ),
        (
            {"author1_first": "Ana", "author2_last": "Gil", "author1_last": "Pérez", "author2_first": "Luis"},
            "Ana Pérez; Luis Gil",
        ),
        ({"autor1_nombre": "Ana", "autor1_apellido1": "Pérez", "autor1_apellido2": "Gil"}, "Ana Pérez Gil"),
        ({"first": ["Ana", "Luis"], "last": ["Pérez", "Gil"]}, "Ana Pérez; Luis Gil; Ana Luis Pérez Gil"),
        ({"given": ["Ana", "María"], "family": "Pérez"}, "Ana María Pérez"),
        ({"nombres": ["Ana", "María"], "apellido1": "Pérez", "apellido2": "Gil"}, "Ana María Pérez Gil"),
        ({"first": "Ana", "last": "Pérez", "first2": "Luis"}, "Ana Pérez; Luis; Luis Pérez; Ana Luis Pérez"),
        ({"first": "Jan", "infix": "van", "last": "Dijk"}, "Jan van Dijk"),
        ({"voornaam": "Jan", "tussenvoegsel": "van", "achternaam": "Dijk"}, "Jan van Dijk"),
        ({"given": "Ana", "dropping-particle": "de", "family": "Vries"}, "Ana de Vries"),
        ({"given": "Ana", "middle": "M.", "non-dropping-particle": "van", "family": "Dijk"}, "Ana M. van Dijk"),
        ({"initials": "J.M.", "last": "Gil"}, "J.M. Gil"),
        ({"user": {"name": "Ana Pérez", "login": "ana9"}}, "Ana Pérez; ana9"),
        ({"login": "ana9", "first": "Ana", "last": "Pérez"}, "Ana Pérez; ana9"),
        ({"username": "anap", "realname": "Ana Pérez"}, "Ana Pérez; anap"),
        ({"usuario": "anap", "titular": "Ana Pérez", "nsid": "7@N02"}, "Ana Pérez; anap"),
        ({"user": "Ana Pérez", "login": "anap"}, "Ana Pérez; anap"),
        ({"photographer": "Ana", "author": "Luis"}, "Ana; Luis"),
        ({"author1": "Ana", "author2": "Luis", "author10": "Eva"}, "Ana; Luis; Eva"),
        ({"author": "Luis", "user": {"name": "Ana Pérez", "login": "anap"}}, "Luis; Ana Pérez; anap"),
        ({"name": "Ana Pérez", "author": "Ana"}, "Ana Pérez; Ana"),
        ({"login": "anap", "retratista": "Ana Pérez"}, "anap; Ana Pérez"),
        ({"login": "anap", "created_at": "2013-02-06", "observations_count": 113, "login_exact": "anap"}, "anap"),
        ({"a": "Ana", "b": ["Luis", {"name": "Eva"}]}, "Ana; Luis; Eva"),
        ("Ana Pérez\nLuis Gil\r\n\r\nEva", "Ana Pérez; Luis Gil; Eva"),
        (["Ana\nLuis", None, "", 3], "Ana; Luis; 3"),
        ({"url": SECRET}, None),
        ({"name": SECRET, "email": "ana@example.org"}, None),
        ({}, None),
        ("https://example.org/ana", "https://example.org/ana"),
    ],
)
def test_all_who_are_named_are_said(value: Any, said: str | None) -> None:
    assert people_of([value]).to_pylist() == [said]
    assert people_of([value, ["Ana"]]).to_pylist() == [said, "Ana"]


@pytest.mark.parametrize(
    "value", [{"realname": "Ana Pérez", "username": "ana9"}, {"user": {"name": "Ana", "nick": "ana9"}}]
)
def test_an_account_that_opted_out_is_found_beside_a_name(value: Any) -> None:
    (said,) = people_of([value]).to_pylist()
    assert OptOuts.of(["ana9"], []).refusal(said, "a.org")


@pytest.mark.parametrize(
    ("value", "people"),
    [
        ({"first": "Jan", "initials": "J.", "infix": "van", "last": "Dijk"}, ("Jan van Dijk", "J. van Dijk")),
        ({"achternaam": "Dijk", "tussenvoegsels": "van", "voorletters": "J.M."}, ("J. M. van Dijk",)),
        ({"surname_prefix": "van der", "surname": "Berg", "initials": "J.", "middle": "Piet"}, ("J. van der Berg",)),
        ({"infix": "van", "last": "Dijk"}, ("van Dijk",)),
        ({"initials": "J.", "naam": "Dijk", "voornaam": "Jan"}, ("Jan Dijk", "J. Dijk")),
        (
            {"nombre1": "Ana", "nombre2": "María", "apellido1": "Pérez", "apellido2": "Gil"},
            ("Ana María Pérez Gil", "Ana Pérez", "María Gil"),
        ),
        (
            {"first_name_1": "Ana", "first_name_2": "María", "last_name": "Pérez"},
            ("Ana María Pérez", "Ana Pérez", "María Pérez"),
        ),
        ({"Vorname": "Ana", "Vorname 2": "María", "Nachname": "Gil"}, ("Ana María Gil", "Ana Gil")),
        ({"first": ["Ana", "María"], "last": ["Pérez", "Gil"]}, ("Ana María Pérez Gil", "Ana Pérez", "María Gil")),
        ({"apellido1": "Pérez", "apellido2": "Gil"}, ("Pérez Gil",)),
        ({"apellido": "Pérez", "segundo_apellido": "Gil"}, ("Pérez Gil",)),
        ({"given": "Ana", "middle": "María"}, ("Ana María",)),
        ({"first_name": "Ana", "nombres": "Ana María", "last_name": "Pérez"}, ("Ana Pérez", "Ana María Pérez")),
        ({"given": "Ana", "surname": "Pérez", "apellidos": "Pérez Gil"}, ("Ana Pérez", "Ana Pérez Gil")),
        ({"full_name": "Ana Pérez Gil", "name": "Ana Pérez"}, ("Ana Pérez", "Ana Pérez Gil")),
        ({"name": "Ana Pérez", "surname": "Pérez Gil"}, ("Ana Pérez", "Ana Pérez Gil")),
        ({"first": "Martin", "last": "Martin"}, ("Martin Martin",)),
        ({"nombre_autor": "Ana", "apellidos_del_autor": "Pérez"}, ("Ana Pérez",)),
        ({"author_first": "Ana", "surname": "Pérez"}, ("Ana Pérez",)),
        ({"contact_first_name": "Ana", "contact_last_name": "Pérez"}, ("Ana Pérez",)),
        (
            {"author_first": "Ana", "author_last": "Pérez", "coauthor_first": "Luis", "coauthor_last": "Gil"},
            ("Ana Pérez", "Luis Gil"),
        ),
        ({"author": {"name": "Eva"}, "second": {"first": "Luis", "last": "Gil"}}, ("Eva", "Luis Gil")),
        ({"first_author": "Ana Pérez", "last_author": "Luis Gil"}, ("Ana Pérez", "Luis Gil")),
    ],
)
def test_whoever_a_name_in_parts_may_be_is_named(value: Any, people: tuple[str, ...]) -> None:
    (said,) = people_of([value]).to_pylist()
    assert [name for name in people if not OptOuts.of([name], []).refusal(said, "a.org")] == []


@pytest.mark.parametrize(
    "key",
    [
        *("coauthor", "co_author", "coautor", "coAutora", "second_author", "other_authors", "photographer_name"),
        *("copyright_holder", "copyright", "credit", "photo credits", "byline", "taken_by", "fotografiado por"),
        *("Urheberin", "co-photographer", "nombre_fotografa", "people", "observers", "ownername", "flickr_username"),
        *("uploaded by", "image_creator", "autores", "coauthor2", "licensor"),
    ],
)
@pytest.mark.parametrize("beside", [{"name": "Ana Pérez"}, {"author": "Ana Pérez"}, {"first": "Ana", "last": "Pérez"}])
def test_no_role_is_silenced_by_another(key: str, beside: dict[str, str]) -> None:
    for value in ("Luis Gil", ["Eva", "Luis Gil"], [{"first": "Luis", "last": "Gil"}], {"name": "Luis Gil"}):
        (said,) = people_of([{**beside, key: value}]).to_pylist()
        assert all(OptOuts.of([name], []).refusal(said, "a.org") for name in ("Ana Pérez", "Luis Gil")), said
    said = people_of([{key: "Luis Gil", "retratista": "Ana Pérez"}]).to_pylist()[0]
    assert OptOuts.of(["Luis Gil"], []).refusal(said, "a.org")


@pytest.mark.parametrize("key", ["author_id", "coauthor_type", "author_country", "authors_count", "copyright_year"])
def test_what_is_said_about_somebody_is_nobody(key: str) -> None:
    assert people_of([{"name": "Ana Pérez", key: "some word"}]).to_pylist() == ["Ana Pérez"]
    assert people_of([{"name": "Ana Pérez", "authored_by": "2013-02-06"}]).to_pylist() == ["Ana Pérez"]
