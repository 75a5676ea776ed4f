"""A collection nobody here thought of, from mongod to the split, by one YAML."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pymongo
import pytest
from bson import Decimal128, Int64

from aplantida.data.mongo import split_ranges
from aplantida.demo.cdn import serve_folder
from aplantida.phases.registry import load_phase
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from tests.fixtures.collection import fill
from tests.fixtures.faulty_server import jpeg_bytes

SPECIES = (("Quercus", "ilex", "Fagaceae"), ("PAPAVER", "rhoeas", "Papaveraceae"), ("cistus", "albidus", None))
PLANTS_PER_SPECIES = 20
MONTHS = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
    *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
)
NUMBERS = (int, float, Int64, str, lambda number: Decimal128(str(number)))
COLLECTION = """
db_name: {db_name}
collection: plants
mapping:
  scientific_name: [nombre, [genero, epiteto]]
  family: [taxon.familia]
  genus: []
  common_names: [nombre_vulgar]
  distribution: [distribucion]
  images: [$document]
  image_url: [imagen]
  image_license: [licencia]
  image_author: [autor.nombre]
  image_source: []
  image_observation_id: [ejemplar]
  image_observed_on: [fecha]
  image_country: [pais]
license_texts: {{uso libre con cita: CC-BY-4.0}}
opt_out: {{authors: ["Núria Puig"]}}
allow_addresses: ["{address}"]
"""
URL = "http://example.org/"
UNWILLING = ("N\u00faria Puig", "Nu\u0301ria PUIG")
REFUSED = ("CC BY-NC 4.0", "uso docente", None)


@dataclass(frozen=True)
class Drawn:
    """Documents, and the plant that each photo shows."""

    documents: list[dict[str, Any]]
    plants: dict[str, tuple[int, int]]


def spelled(day: date, draw: random.Random) -> Any:
    """A day as one of several people writes it."""
    month = MONTHS[day.month - 1]
    return draw.choice(
        [
            *(day.isoformat(), f"{day.day:02}/{day.month:02}/{day.year}", f"{day.day} de {month} de {day.year}"),
            *(day.strftime("%B %d, %Y"), f"{day.day}-{month[:3]}-{day.year}", datetime(day.year, day.month, day.day)),
        ]
    )


def draw_collection(base: str, photos: Path) -> Drawn:
    """A document a photo: plants are told apart by a number of any type, or by who photographed them when."""
    draw, documents, plants = random.Random(17), list[dict[str, Any]](), dict[str, tuple[int, int]]()
    for species, (genus, epithet, family) in enumerate(SPECIES):
        for plant in range(PLANTS_PER_SPECIES):
            day = date(2015, 1, 1) + timedelta(draw.randrange(3000))
            for photo in range(draw.choice([1, 2, 3, 4])):
                name = f"{species}-{plant}-{photo}.jpg"
                (photos / name).write_bytes(jpeg_bytes(len(documents)))
                plants[f"{base}/{name}"] = species, plant
                named = plant % 2 == 0
                number = 1000 * species + plant
                documents.append(
                    {
                        **({"genero": genus, "epiteto": epithet} if photo else {"nombre": f"{genus} {epithet}"}),
                        "taxon": {"familia": family},
                        "nombre_vulgar": {"es": ["nombre"]},
                        "distribucion": draw.choice(["España, Portugal", ["Spain", "PT"], "es PT", "Mediterráneo"]),
                        "imagen": f"{base}/{name}",
                        "licencia": draw.choice(["CC BY 4.0", "cc-by-sa 3.0", "CC0", "Uso libre con cita.", *REFUSED]),
                        "autor": {
                            "nombre": draw.choice(["N\u00faria Puig", "Nu\u0301ria PUIG"])
                            if plant == 3
                            else f"autora {plant}"
                        },
                        "pais": draw.choice(["España", "ESPAÑA", "Spain", "es", "Portugal", "Reino Unido", "la costa"]),
                        "fecha": spelled(day, draw),
                        **(
                            {"ejemplar": draw.choice([int, float, Int64, str, lambda n: Decimal128(str(n))])(number)}
                            if named
                            else {}
                        ),
                        "nota": datetime(2020, 1, 1),
                    }
                )
    draw.shuffle(documents)
    return Drawn(documents, plants)


@pytest.fixture
def cdn(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    (tmp_path / "photos").mkdir()
    with serve_folder(tmp_path / "photos") as base:
        yield base, tmp_path / "photos"


def made(phase: str, collection: Path, inputs: dict[str, str], **values: Any) -> Artifact:
    files = [f"configs/{phase}.yaml"]
    own = {"collection": str(collection)} if phase != "split_dataset" else {}
    artifact = execute(
        load_phase(phase), files=files, values={**own, "inputs": inputs, "output": phase, **values}
    ).artifact
    assert artifact is not None
    return artifact


def test_it_goes_to_the_split_and_no_plant_is_in_two(
    mongo_uri: str, db_name: str, cdn: tuple[str, Path], tmp_path: Path
) -> None:
    base, photos = cdn
    drawn = draw_collection(base, photos)
    fill(mongo_uri, db_name, drawn.documents)
    collection = tmp_path / "collection.yaml"
    collection.write_text(COLLECTION.format(db_name=db_name, address=base.removeprefix("http://")), encoding="utf-8")
    here = {"num_readers": 0}
    audit = made("audit_dataset", collection, {}, resources={**here, "num_actors": 0})
    export = made("export_dataset", collection, {"audit": "audit_dataset"}, resources=here)
    made("fetch_images", collection, {"records": "export_dataset"}, num_shards=2, resources={"num_actors": 0})
    split = made("split_dataset", collection, {"images": "fetch_images"}, val_fraction=0.2, test_fraction=0.2)

    wanted = [doc for doc in drawn.documents if doc["licencia"] not in REFUSED and "ria " not in doc["autor"]["nombre"]]
    records = {row["url"]: row for row in pq.read_table(export.file("records.parquet")).to_pylist()}
    assert set(records) == {doc["imagen"] for doc in wanted}
    assert export.metrics["rejections_by_reason"].keys() == {"license_refused", "opted_out"}
    assert {row["scientific_name"] for row in records.values()} == {"Quercus ilex", "Papaver rhoeas", "Cistus albidus"}
    assert {row["country"] for row in records.values()} == {"ES", "PT", "GB", None}
    assert {tuple(row["distribution"]) for row in records.values()} == {("ES", "PT"), ()}
    assert all(row["observed_on"] for row in records.values())
    coast = sum(doc["pais"] == "la costa" for doc in wanted)
    assert 0 < coast <= export.metrics["unreadable_countries"]["num_entries"]
    assert [row["text"] for row in export.metrics["unreadable_countries"]["texts"]] == ["la costa"]
    assert [row["text"] for row in export.metrics["unreadable_distributions"]["texts"]] == ["Mediterráneo"]
    assert export.metrics["unreadable_dates"]["num_entries"] == 0
    assert any("date_order" in warning for warning in audit.metrics["warnings"])
    assert not any("have one photo" in warning for warning in audit.metrics["warnings"])

    url_of = {row["image_id"]: url for url, row in records.items()}
    splits: dict[tuple[int, int], set[str]] = {}
    for row in pq.read_table(split.file("split.parquet")).to_pylist():
        splits.setdefault(drawn.plants[url_of[row["image_id"]]], set()).add(row["split"])
    assert len(splits) >= 45
    assert {plant: some for plant, some in splits.items() if len(some) > 1} == {}
    assert {name for some in splits.values() for name in some} == {"train", "val", "test"}


def test_a_collection_that_changes_while_it_is_read_is_noticed_and_named(
    mongo_uri: str, db_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [{"url": f"{URL}{number}.jpg", "license": "CC0"} for number in range(9)]
    fill(mongo_uri, db_name, [{"_id": 1, "scientificName": "Rosa alba", "images": photos}])
    values = {"db_name": db_name, "resources": {"num_readers": 0}}

    def split_late(*given: Any) -> Any:  # after the digest of the recipe, before the readers
        with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
            client[db_name].plants.insert_one({"_id": "late", "scientificName": "Rosa alba"})
        return split_ranges(*given)

    with monkeypatch.context() as patch:
        patch.setattr("aplantida.phases._collection.split_ranges", split_late)
        with pytest.raises(BadRequest, match=rf"{db_name}\.plants changed while it was read .*run again"):
            execute(load_phase("export_dataset"), values={**values, "output": "records"})
    outcome = execute(load_phase("export_dataset"), values={**values, "output": "records"})
    assert outcome.metrics["rejections_by_reason"] == {"document_no_images": 1}
