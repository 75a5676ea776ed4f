from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from aplantida.demo.collection import CollectionRecipe, OtherCollection, draw_collection
from aplantida.domain.licensing import LicensePolicy, normalize_license

RECIPE = CollectionRecipe(seed=3, num_species=4, photos_per_species=14, short_side=64, port=8000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "collection"
    assert draw_collection(path, RECIPE)
    return path


def documents_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def everything(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(f.relative_to(folder)).encode() + f.read_bytes() for f in files)).hexdigest()


def test_same_recipe_same_bytes_and_no_second_drawing(folder: Path, tmp_path: Path) -> None:
    assert draw_collection(tmp_path / "again", RECIPE, num_workers=1)
    assert everything(tmp_path / "again") == everything(folder)
    assert not draw_collection(folder, RECIPE)
    with pytest.raises(OtherCollection, match="seed: 3 -> 4"):
        draw_collection(folder, CollectionRecipe(4, 4, 14, 64, 8000))


def test_the_documents(folder: Path) -> None:
    documents = documents_of(folder / "plants.jsonl")
    assert len(documents) == 4 + 4
    assert len({document["_id"]["$oid"] for document in documents}) == 8
    clean = [entry for document in documents[:4] for entry in document["images"] if isinstance(entry, dict)]
    assert {"url", "license", "author", "source", "observationId", "observedOn"} <= set(clean[-3])
    observations = [entry.get("observationId") for entry in clean]
    assert len(set(observations)) < len(observations)  # some plants were photographed twice
    countries = {entry.get("country") for entry in clean}
    assert {"ES", "US", None} <= countries
    refused = [LicensePolicy().refusal(normalize_license(entry["license"])) for entry in clean]
    assert 0 < sum(reason is not None for reason in refused) < len(refused) / 3


def test_the_dirt_is_where_it_says(folder: Path) -> None:
    dirt = json.loads((folder / "dirt.json").read_text())
    for url in dirt["missing"]:
        assert not (folder / "images" / urlsplit(url).path[1:]).exists()
    for kind in ("truncated", "not_an_image"):
        path = photo(folder, dirt[kind][0])
        with (
            pytest.raises(OSError, match=r"(?i)truncated|identify|cannot"),
            Image.open(path) as image,
        ):
            image.load()
    with Image.open(photo(folder, dirt["exif_rotated"][0])) as image:
        assert image.getexif()[0x0112] == 6
    with Image.open(photo(folder, dirt["png"][0])) as image:
        assert image.format == "PNG"
    strings = [e for d in documents_of(folder / "plants.jsonl") for e in d["images"] or [] if isinstance(e, str)]
    assert strings == dirt["bare_string"]


def test_every_other_photo_is_there(folder: Path) -> None:
    gone = {url for urls in json.loads((folder / "dirt.json").read_text()).values() for url in urls}
    for name in ("plants.jsonl", "spare.jsonl"):
        urls = [e["url"] for d in documents_of(folder / name) for e in d["images"] or [] if isinstance(e, dict)]
        assert all(photo(folder, url).is_file() for url in urls if url not in gone)
    assert sum(len(document["images"]) for document in documents_of(folder / "spare.jsonl")) == 20


def photo(folder: Path, url: str) -> Path:
    return folder / "images" / urlsplit(url).path[1:]
