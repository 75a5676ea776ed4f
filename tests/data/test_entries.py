from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from aplantida.data.entries import ENTRY_SCHEMA, FieldMapping, entries_of
from aplantida.domain.record import Reason, image_id_of
from aplantida.phases.export_dataset import MappingSection

MAPPING = MappingSection().to_mapping()
URL = "http://example.org/a.jpg"


def document(**changes: Any) -> dict[str, Any]:
    return {"_id": 7, "scientificName": "Rosa canina L.", "images": [{"url": URL, "license": "CC BY 4.0"}], **changes}


def one(image: Any, default_license: str | None = "CC BY 4.0", **changes: Any) -> dict[str, Any]:
    (row,) = entries_of(document(images=[image], **changes), MAPPING, default_license)
    assert set(row) <= set(ENTRY_SCHEMA.names)
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
    assert row["distribution"] == ["ES", "FR"]
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


@pytest.mark.parametrize("image", [None, 7, {}, {"url": None}, {"url": ""}, {"url": ["x"]}, [URL]])
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
        ({"scientificName": {"a": 1}, "images": None}, [Reason.DOCUMENT_NO_NAME]),
    ],
)
def test_refused_documents(changes: dict[str, Any], reasons: list[Reason]) -> None:
    rows = entries_of(document(**changes), MAPPING, None)
    assert [row["reason"] for row in rows] == reasons


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
    for row in entries_of(document(**{field: odd}), MAPPING, "CC0"):
        assert set(row) <= set(ENTRY_SCHEMA.names)
