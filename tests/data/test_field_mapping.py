from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from aplantida.data.entries import EntryBuilder
from aplantida.data.field_mapping import FIELDS, FieldMapping
from aplantida.domain.dates import DateOrder
from aplantida.domain.record import Reason
from aplantida.phases._collection import MappingSection

URL = "http://example.org/a.jpg"
PLAIN = MappingSection().model_dump()


def rows_of(
    document: dict[str, Any], default: str | None = None, order: DateOrder = "day_first", **paths: Any
) -> list[dict[str, Any]]:
    builder = EntryBuilder(FieldMapping(**{**PLAIN, **paths}), default, date_order=order)
    builder.add({"_id": 7, "scientificName": "Rosa canina", **document})
    return builder.take().to_pylist()


OF_DOCUMENT = {
    "images": ("fotos",),
    "image_license": ("license", "$document.licencia"),
    "image_author": ("$document.quien.nombre",),
    "image_observed_on": ("$document.fecha",),
    "image_country": ("$document.pais",),
    "image_observation_id": ("$document._id",),
}
SAID = {"licencia": "CC BY 4.0", "quien": {"nombre": "Ana"}, "fecha": "3 de mayo de 2019", "pais": "España"}


@pytest.mark.parametrize(
    "photos",
    [[URL, f"{URL}?2"], [{"url": URL}, {"url": f"{URL}?2"}], [{"url": URL}, f"{URL}?2"], [{"url": URL, "x": 1}]],
)
def test_paths_may_start_at_the_document_for_entries_of_any_shape(photos: list[Any]) -> None:
    rows = rows_of({**SAID, "fotos": photos}, "CC0", **OF_DOCUMENT)
    assert len(rows) == len(photos)
    for row in rows:
        assert (row["license_id"], row["author"], row["observed_on"]) == ("CC-BY-4.0", "Ana", "2019-05-03")
        assert (row["country"], row["observation_id"], row["reason"]) == ("ES", "7", None)


def test_what_an_entry_says_goes_before_what_its_document_says() -> None:
    photos = [{"url": URL, "license": "CC BY-NC 4.0"}, {"url": f"{URL}?2"}]
    rows = rows_of({**SAID, "fotos": photos}, **OF_DOCUMENT)
    assert [row["license_text"] for row in rows] == ["CC BY-NC 4.0", "CC BY 4.0"]


def test_the_default_licence_is_for_none_that_a_document_could_have_named() -> None:
    assert rows_of({"fotos": [URL]}, "CC0", **OF_DOCUMENT)[0]["license_id"] is None
    assert rows_of({"fotos": [URL]}, "CC0", images=("fotos",))[0]["license_id"] == "CC0-1.0"


@pytest.mark.parametrize("images", [("$document",), (), ("fotos", "$document")])
def test_a_document_may_be_its_own_entry(images: tuple[str, ...]) -> None:
    some = ObjectId()
    document = {"_id": some, "imagen": {"url": URL}, "license": "CC0", "observedOn": "2020-01-02"}
    (row,) = rows_of(document, images=images, image_url=("imagen.url",), image_observation_id=("_id",))
    assert (row["url"], row["license_id"], row["observed_on"]) == (URL, "CC0-1.0", "2020-01-02")
    assert row["observation_id"] == row["document_id"] == str(some)
    (row,) = rows_of({"license": "CC0"}, images=images)
    assert row["reason"] == Reason.ENTRY_NO_URL
    (_document, entry) = rows_of({"scientificName": None, "url": URL}, images=images)
    assert (entry["reason"], entry["url"]) == (Reason.ENTRY_OF_NAMELESS_DOCUMENT, URL)


def test_texts_are_joined_as_far_as_they_are_there() -> None:
    paths = ("nombre", ("taxon.genero", "taxon.epiteto", "taxon.rango"))
    for taxon, name in (
        ({"genero": "QUERCUS", "epiteto": " ilex "}, "Quercus ilex"),
        ({"genero": "Quercus", "epiteto": "ilex", "rango": "subsp. ballota"}, "Quercus ilex subsp. ballota"),
        ({"genero": "Quercus", "epiteto": None}, None),
        ({}, None),
    ):
        document = {"scientificName": "Rosa alba", "taxon": taxon, "images": [{"url": URL}]}
        assert rows_of(document, scientific_name=paths)[0]["scientific_name"] == name
    given = {"nombre": "Rosa canina", "taxon": {"genero": "Quercus"}, "images": [{"url": URL}]}
    assert rows_of(given, scientific_name=paths)[0]["scientific_name"] == "Rosa canina"


def test_what_is_no_date_and_no_country_is_kept_for_the_report() -> None:
    photos = [
        {"url": URL, "observedOn": "verano de 2019", "country": "Cataluña"},
        {"url": URL, "observedOn": "3/4/2020", "country": {"code": "ES", "name": "España"}},
        {"url": URL, "observedOn": {"a": 1}, "country": ["Portugal", "ES"]},
        {"url": URL, "observedOn": " ", "country": None},
    ]
    rows = rows_of({"images": photos, "distribution": "España, el Mediterráneo"}, order="month_first")
    assert [row["unread_date"] for row in rows] == ["verano de 2019", None, "dict", None]
    assert [row["unread_country"] for row in rows] == ["Cataluña", None, None, None]
    assert [row["country"] for row in rows] == [None, "ES", "PT", None]
    assert [row["observed_on"] for row in rows] == [None, "2020-03-04", None, None]
    assert [row["is_date_ambiguous"] for row in rows] == [False, True, False, False]
    assert {row["unread_distribution"] for row in rows} == {"el Mediterráneo"}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", " ", "$a", "$documents.a", "$document.", ("a",), ("a", "")]
)
def test_what_is_no_path_is_refused_by_name(field: str, path: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        FieldMapping(**{**PLAIN, field: (path,)})


def test_the_fields_that_count_where_a_document_cannot_be_read() -> None:
    assert {"scientificName", "images"} <= FieldMapping(**PLAIN).roots()
    assert "url" not in FieldMapping(**PLAIN).roots()
    mapping = FieldMapping(**{**PLAIN, **OF_DOCUMENT, "scientific_name": (("a.b", "c"),)})
    assert {"a", "c", "fotos", "licencia", "quien", "_id"} <= mapping.roots()
    assert "url" in FieldMapping(**{**PLAIN, "images": ("$document",)}).roots()


def test_texts_are_made_valid_where_they_enter_and_addresses_stay_as_they_were_written() -> None:
    photo = {
        "url": "\ufeff http://example.org/n\u0303.jpg\n",
        "license": "\ufeffCC BY 4.0\u200b",
        "author": "Nu\u0301ria\x00 Puig\ud800",
        "source": "\u200b",
        "observationId": "a\u0301",
    }
    document = {"images": [photo], "commonNames": {"es": ["n\u0303ora\x07"]}, "family": "Rosa\u00adceae"}
    (row,) = rows_of(document)
    assert row["url"] == "http://example.org/n\u0303.jpg"
    assert (row["license_id"], row["author"], row["source"]) == ("CC-BY-4.0", "Núria Puig\ufffd", None)
    assert (row["observation_id"], row["common_names"], row["family"]) == ("á", ["es:ñora"], "Rosaceae")
