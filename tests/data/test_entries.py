from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from aplantida.data.entries import ENTRY_SCHEMA, EntryBuilder, FieldMapping
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.record import Reason, image_id_of
from aplantida.phases._collection import MappingSection

MAPPING = MappingSection().to_mapping()
URL = "http://example.org/a.jpg"


def document(**changes: Any) -> dict[str, Any]:
    return {"_id": 7, "scientificName": "Rosa canina L.", "images": [{"url": URL, "license": "CC BY 4.0"}], **changes}


def entries_of(document: dict[str, Any], mapping: FieldMapping, default_license: str | None) -> list[dict[str, Any]]:
    builder = EntryBuilder(mapping, default_license)
    builder.add(document)
    table = builder.take()
    assert table.schema == ENTRY_SCHEMA
    assert len(builder) == 0
    return table.to_pylist()


def one(image: Any, default_license: str | None = "CC BY 4.0", **changes: Any) -> dict[str, Any]:
    (row,) = entries_of(document(images=[image], **changes), MAPPING, default_license)
    return row


def test_a_full_entry() -> None:
    row = one(
        {
            "url": f" {URL} ",
            "license": "http://creativecommons.org/licenses/by-sa/3.0/",
            "author": "Ana",
            "source": "iNaturalist",
            "observationId": 12345,
            "observedOn": datetime(2020, 5, 17, 10, 30),
            "country": "es",
        },
        family="Rosaceae",
        commonNames={"es": ["escaramujo", " "], "en": "dog rose"},
        distribution=["es", "Portugal", "FR", "ES"],
    )
    assert row["image_id"] == image_id_of("7", URL)
    assert (row["scientific_name"], row["genus"], row["family"]) == ("Rosa canina", "Rosa", "Rosaceae")
    assert row["common_names"] == ["en:dog rose", "es:escaramujo"]
    assert row["distribution"] == ["ES", "PT", "FR"]
    assert row["license_id"] == "CC-BY-SA-3.0"
    assert (row["observation_id"], row["observed_on"], row["country"]) == ("12345", "2020-05-17", "ES")


def test_the_default_license_is_for_shapes_without_a_place_for_one() -> None:
    assert one(URL)["license_id"] == "CC-BY-4.0"
    assert one(URL, default_license=None)["license_id"] is None
    assert one({"url": URL, "license": None})["license_id"] is None
    assert one({"url": URL})["license_id"] is None
    without = FieldMapping(**{**MappingSection().model_dump(), "image_license": ()})
    assert entries_of(document(), without, "CC0")[0]["license_id"] == "CC0-1.0"


def test_several_licenses_count_only_when_they_agree() -> None:
    assert one({"url": URL, "license": ["CC BY 4.0", "CC BY-NC 4.0"]})["license_id"] is None
    assert one({"url": URL, "license": ["CC BY 4.0", "cc-by-4.0"]})["license_id"] == "CC-BY-4.0"


@pytest.mark.parametrize(
    ("value", "text", "license_id"),
    [
        (["CC BY 4.0", "CC BY 3.0"], "CC BY 4.0; CC BY 3.0", "CC-BY-4.0"),
        (["CC BY 4.0", "uso docente"], "CC BY 4.0; uso docente", None),
        (["CC BY 4.0", ["NC"]], "CC BY 4.0; NC", None),
        (["CC BY 4.0", None, ""], "CC BY 4.0", "CC-BY-4.0"),
        (["CC BY 4.0", False], "CC BY 4.0; false", None),
        (["CC BY 4.0", b"NC"], "CC BY 4.0; b'nc'", None),
        ([], None, None),
        ({}, None, None),
        ({"name": "CC BY", "version": "3.0"}, "CC BY; 3.0", "CC-BY-3.0"),
        ({"version": 3.0, "jurisdiction": "ES", "name": "CC BY"}, "CC BY; 3.0; ES", "CC-BY-3.0-ES"),
        (
            {"url": "https://creativecommons.org/licenses/by-sa/4.0/", "version": "4.0", "name": "CC BY-SA"},
            "CC BY-SA; 4.0; https://creativecommons.org/licenses/by-sa/4.0/",
            "CC-BY-SA-4.0",
        ),
        (
            {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by-nc/4.0/"},
            "CC BY 4.0; https://creativecommons.org/licenses/by-nc/4.0/",
            None,
        ),
        ({"id": 4, "_id": "12", "name": "CC BY 2.0"}, "CC BY 2.0", "CC-BY-2.0"),
        ({"id": "by-nc", "url": "https://creativecommons.org/licenses/by/4.0/"}, None, None),
        ({"name": "CC BY 4.0", "author": "Ana Pérez"}, "CC BY 4.0; author: Ana Pérez", "CC-BY-4.0"),
        ({"name": "CC BY 4.0", "commercial": False}, "CC BY 4.0; commercial: false", None),
        ({"name": "CC BY 4.0", "nc": True}, "CC BY 4.0; nc: true", None),
        ({"name": "CC BY 4.0", "terms": {"text": "solo docencia"}}, "CC BY 4.0; terms: solo docencia", None),
        ([{"name": "CC BY 4.0"}, {"name": "CC BY-ND 4.0"}], "CC BY 4.0; CC BY-ND 4.0", None),
    ],
)
def test_licenses_in_lists_and_mappings_are_read_whole(value: Any, text: str | None, license_id: str | None) -> None:
    row = one({"url": URL, "license": value})
    assert row["license_id"] == license_id
    assert text is None or row["license_text"] == text
    assert (row["license_text"] is None) == (value in ([], {}))


def test_a_config_says_what_a_text_means_for_the_default_too() -> None:
    builder = EntryBuilder(MAPPING, "uso libre", license_texts=LicenseTexts({"Uso libre": "CC-BY-4.0"}))
    builder.add(
        document(images=[URL, {"url": f"{URL}?1", "license": "USO LIBRE."}, {"url": f"{URL}?2", "license": "libre"}])
    )
    assert [row["license_id"] for row in builder.take().to_pylist()] == ["CC-BY-4.0", "CC-BY-4.0", None]


@pytest.mark.parametrize(
    "image", [None, 7, {}, {"url": None}, {"url": ""}, {"url": ["x"]}, [7], {"url": {"large": URL}}]
)
def test_an_entry_without_a_url(image: Any) -> None:
    assert one(image)["reason"] == Reason.ENTRY_NO_URL


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"images": []}, [Reason.DOCUMENT_NO_IMAGES]),
        ({"images": None}, [Reason.DOCUMENT_NO_IMAGES]),
        ({"images": 7}, [Reason.DOCUMENT_INVALID]),
        ({"scientificName": None}, [Reason.DOCUMENT_NO_NAME, Reason.ENTRY_OF_NAMELESS_DOCUMENT]),
        ({"scientificName": "  "}, [Reason.DOCUMENT_NO_NAME, Reason.ENTRY_OF_NAMELESS_DOCUMENT]),
        ({"scientificName": {"a": 1}, "images": None}, [Reason.DOCUMENT_NAME_REFUSED]),
    ],
)
def test_refused_documents(changes: dict[str, Any], reasons: list[Reason]) -> None:
    rows = entries_of(document(**changes), MAPPING, None)
    assert [row["reason"] for row in rows] == reasons


def test_a_refused_name_is_said_with_the_document_and_its_entries() -> None:
    rows = entries_of(document(scientificName="Rosa cf. canina"), MAPPING, None)
    why = "'Rosa cf. canina': qualified: cf."
    assert [row["reason"] for row in rows] == [Reason.DOCUMENT_NAME_REFUSED, Reason.ENTRY_OF_REFUSED_NAME]
    assert [row["detail"] for row in rows] == [why, why]
    assert [row["refused_name"] for row in rows] == [why, None]
    assert [row["scientific_name"] for row in rows] == [None, None]
    assert rows[1]["url"] == URL


def test_authors_stay_with_the_name() -> None:
    assert entries_of(document(), MAPPING, None)[0]["name_authors"] == "L."


@pytest.mark.parametrize("images", [URL, {"url": URL, "license": "CC0"}])
def test_a_single_image_needs_no_list(images: Any) -> None:
    assert entries_of(document(images=images), MAPPING, "CC0")[0]["url"] == URL


def test_paths_are_dotted_and_tried_in_order() -> None:
    paths = {
        **MappingSection().model_dump(),
        "scientific_name": ("taxon.name", "name"),
        "image_url": ("src", "file.href"),
    }
    rows = entries_of(
        {"_id": 1, "taxon": {"name": None}, "name": "Quercus ilex", "images": [{"file": {"href": URL}}]},
        FieldMapping(**paths),
        None,
    )
    assert (rows[0]["scientific_name"], rows[0]["url"]) == ("Quercus ilex", URL)


@pytest.mark.parametrize("odd", [float("nan"), 3.5, True, b"x", [[]], {"a": {"b": 1}}, "\u00a0", -1])
@pytest.mark.parametrize("field", ["family", "commonNames", "distribution", "images", "scientificName"])
def test_no_shape_raises(field: str, odd: Any) -> None:
    assert entries_of(document(**{field: odd}), MAPPING, "CC0")


def test_tables_hold_the_documents_in_order_each_entry_with_its_own_document() -> None:
    builder = EntryBuilder(MAPPING, None, {"Rosa canina": "Rosa corymbifera"})
    builder.add(document(_id=1, images=[{"url": f"{URL}?1"}, None, {"url": f"{URL}?2", "author": "Ana"}]))
    builder.add(document(_id=2, images=[]))
    builder.add(document(_id=3, scientificName="Quercus ilex", images=[{"url": URL, "author": " Eva "}]))
    assert len(builder) == 5
    rows = builder.take().to_pylist()
    assert [row["document_id"] for row in rows] == ["1", "1", "1", "2", "3"]
    assert [row["scientific_name"] for row in rows] == ["Rosa corymbifera"] * 4 + ["Quercus ilex"]
    assert [row["synonym"] for row in rows] == ["Rosa canina"] * 4 + [None]
    assert [row["position"] for row in rows] == [0, 1, 2, None, 0]
    assert [row["author"] for row in rows] == [None, None, "Ana", None, "Eva"]
    assert [row["reason"] for row in rows] == [None, "entry_no_url", None, "document_no_images", None]
    assert rows[1]["detail"] == "an image entry (null) without a URL"
    assert builder.take().num_rows == 0


@pytest.mark.parametrize("odd", [None, 7, True, float("nan"), ["x"], {"a": 1}, b"x", "", datetime(2020, 1, 1)])
@pytest.mark.parametrize("field", ["url", "license", "author", "source", "observationId", "observedOn", "country"])
def test_no_shape_of_an_entry_raises_or_bears_on_its_neighbours(field: str, odd: Any) -> None:
    good = {"url": URL, "license": "CC0", "author": "Ana", "country": "ES"}
    rows = entries_of(document(images=[good, {**good, field: odd}, good]), MAPPING, None)
    assert rows[0] == {**rows[2], "position": 0}
    assert rows[0]["reason"] is None
