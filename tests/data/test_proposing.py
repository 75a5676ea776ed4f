from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId

from aplantida.data.field_mapping import FIELDS, FieldMapping
from aplantida.data.proposing import MOST_FIELDS, propose

URL = "https://photos.example/{}.jpg"
NAMES = ("Quercus ilex L.", "Papaver rhoeas", "Cistus albidus L.", "Rosa canina")


def test_the_shape_the_plan_has_is_proposed_as_it_is() -> None:
    photo = {"url": URL, "license": "CC BY 4.0", "author": "Ana", "source": "iNat", "country": "ES"}
    photo |= {"observationId": 7, "observedOn": "2020-01-02"}
    documents = [
        {
            "_id": ObjectId(),
            "scientificName": name,
            "family": "Familia",
            "genus": name.split()[0],
            "commonNames": {"es": ["nombre"], "en": "name"},
            "distribution": ["ES", "PT"],
            "images": [photo | {"url": URL.format(name)}],
        }
        for name in NAMES
    ]
    proposed = propose(documents)
    assert proposed.paths == {
        "scientific_name": ("scientificName",), "family": ("family",), "genus": ("genus",),
        "common_names": ("commonNames",), "distribution": ("distribution",), "images": ("images",),
        "image_url": ("url",), "image_license": ("license",), "image_author": ("author",), "image_source": ("source",),
        "image_observation_id": ("observationId",), "image_observed_on": ("observedOn",), "image_country": ("country",),
    }  # fmt: skip
    assert set(proposed.paths) == set(FIELDS)
    assert proposed.examples["scientific_name"] == [f'"{name}"' for name in NAMES[:3]]
    assert proposed.seen["images[].license"] == ["CC BY 4.0"] * 4


def test_a_document_a_photo_in_spanish() -> None:
    documents: list[dict[str, Any]] = [
        {
            "_id": number,
            "genero": name.split()[0].upper(),
            "epiteto": name.split()[1],
            "clasificacion": {"familia": "Familia"},
            "imagen": {"enlace": URL.format(number), "licencia": "https://creativecommons.org/licenses/by/4.0/"},
            "autor": {"nombre": "Ana Pérez", "web": "https://ana.example"},
            "fecha": datetime(2020, 1, 2) if number % 2 else "3 de mayo de 2019",
            "pais": "España",
            "notas": "junto al río",
        }
        for number, name in enumerate(NAMES)
    ]
    paths = propose(documents).paths
    assert paths["scientific_name"] == (("genero", "epiteto"),)
    assert (paths["images"], paths["image_url"]) == (("$document",), ("imagen.enlace",))
    assert (paths["image_license"], paths["image_author"]) == (("imagen.licencia",), ("autor.nombre",))
    assert (paths["image_observed_on"], paths["image_country"]) == (("fecha",), ("pais",))
    assert paths["family"] == ("clasificacion.familia",)


def test_a_document_an_observation_with_a_list_of_addresses() -> None:
    documents = [
        {
            "_id": n,
            "taxon": NAMES[n % 2],
            "fotos": [URL.format(n), URL.format(-n)],
            "licencia": "CC0",
            "fecha": "3/4/2020",
        }
        for n in range(8)
    ]
    paths = propose(documents).paths
    assert (paths["scientific_name"], paths["images"], paths["image_url"]) == (("taxon",), ("fotos",), ())
    assert (paths["image_license"], paths["image_observed_on"]) == (("$document.licencia",), ("$document.fecha",))
    assert paths["image_observation_id"] == ("$document._id",)


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [{}],
        [{"_id": 1}],
        [{"": 1, "a.b": 2, "$c": 3, "d": None}],
        [{"images": [[URL]], "x": {"y": [None, 3, b"z", {"url": float("nan")}]}}],
        [{f"field{n}": n for n in range(500)}],
        [{"a": {"a": {"a": {"a": {"a": {"a": {"a": {"url": URL}}}}}}}}],
    ],
)
def test_whatever_lies_there_the_proposal_is_a_mapping(documents: list[dict[str, Any]]) -> None:
    proposed = propose(documents)
    FieldMapping(**proposed.paths)
    assert len(proposed.fields_seen()) <= MOST_FIELDS
