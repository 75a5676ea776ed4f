"""The demo's collection: documents as a MongoDB export holds them, their photos, and the dirt a real one has.

A folder holds ``plants.jsonl`` (one document a line, mongoimport format), ``images/`` (what the CDN serves),
``spare.jsonl`` (documents with 20 photos more, for a test that lets the collection grow), ``dirt.json`` (what was made
wrong, by kind) and, written last, ``recipe.json``.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aplantida.demo.dirt import spoil
from aplantida.demo.plants import draw_photo
from aplantida.demo.species import SPECIES, PlantSpecies
from aplantida.domain.seeds import derive_seed
from aplantida.pipeline.errors import BadRequest

VERSION = 2
NUM_SPARE = 20
_LICENSES = (
    *(("CC BY 4.0", 26), ("cc-by", 12), ("https://creativecommons.org/licenses/by/4.0/", 8), ("CC0", 14)),
    *(("CC0 1.0", 6), ("public domain", 6), ("CC BY-SA 4.0", 14), ("cc-by-sa 3.0", 4)),
    *(("CC BY-NC 4.0", 5), ("CC BY-NC-SA 4.0", 2), ("see author", 1), ("© all rights reserved", 1), (None, 1)),
)


@dataclass(frozen=True, slots=True)
class CollectionRecipe:
    """What a drawn collection is a function of.

    Attributes:
        seed: of everything in it.
        num_species: the first so many of ``SPECIES``.
        photos_per_species: image entries of each before dirt is added.
        short_side: pixels of a photo's shorter side.
        port: of the local CDN; it is part of every URL and so of every photo's identity.
        version: of this module's drawing.
    """

    seed: int = 42
    num_species: int = 20
    photos_per_species: int = 60
    short_side: int = 256
    port: int = 8098
    version: int = VERSION


class OtherCollection(BadRequest):
    """The folder holds a collection drawn under another recipe."""


@dataclass(frozen=True, slots=True)
class _Shot:
    species: int
    plant: int
    photo: int
    path: str


def draw_collection(
    folder: Path, recipe: CollectionRecipe, on_photo: Callable[[int], object] = lambda _: None, num_workers: int = 2
) -> bool:
    """Draw a collection into ``folder``; a finished one of the same recipe is left as it is.

    Args:
        folder: where; unfinished work of a killed run is thrown away.
        recipe: what.
        on_photo: called with the number of photos just finished.
        num_workers: processes.

    Returns:
        Whether anything was drawn.

    Raises:
        OtherCollection: when the folder holds another recipe's collection.
    """
    wanted = asdict(recipe)
    marker = folder / "recipe.json"
    if marker.is_file():
        found = json.loads(marker.read_text(encoding="utf-8"))
        if found == wanted:
            return False
        keys = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
        changes = ", ".join(f"{key}: {found.get(key)} -> {wanted.get(key)}" for key in keys)
        raise OtherCollection(
            f"{folder} was drawn under another recipe ({changes}): delete it or choose another folder"
        )
    if folder.exists():
        shutil.rmtree(folder)
    images = folder / "images"
    images.mkdir(parents=True)
    shots, documents, spare = _plan(recipe)
    _draw_all(shots, images, recipe, on_photo, num_workers)
    base_url = f"http://127.0.0.1:{recipe.port}"
    documents, dirt = spoil(documents, images, base_url, np.random.default_rng(derive_seed(recipe.seed, "dirt")))
    _write_lines(folder / "plants.jsonl", documents)
    _write_lines(folder / "spare.jsonl", spare)
    (folder / "dirt.json").write_text(json.dumps(dirt, indent=1, ensure_ascii=False), encoding="utf-8")
    marker.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    return True


def object_id(*names: str | int) -> dict[str, str]:
    """A document's ``_id`` in extended JSON: a pure function of ``names``."""
    return {"$oid": hashlib.sha256("/".join(str(name) for name in names).encode()).hexdigest()[:24]}


def _plan(recipe: CollectionRecipe) -> tuple[list[_Shot], list[dict[str, Any]], list[dict[str, Any]]]:
    shots: list[_Shot] = []
    documents: list[dict[str, Any]] = []
    spare: list[dict[str, Any]] = []
    chosen = SPECIES[: recipe.num_species]
    for index, species in enumerate(chosen):
        rng = np.random.default_rng(derive_seed(recipe.seed, "entries", species.scientific_name))
        extra = NUM_SPARE // len(chosen) + (index < NUM_SPARE % len(chosen))
        images: list[dict[str, Any]] = []
        for plant, photo in _plants(recipe.photos_per_species + extra, rng):
            path = f"{species.slug}/{plant:03d}_{photo}.jpg"
            shots.append(_Shot(index, plant, photo, path))
            images.append(_entry(f"http://127.0.0.1:{recipe.port}/{path}", species, plant, recipe.seed, rng))
        documents.append(_document(species, object_id("plants", species.slug), images[: recipe.photos_per_species]))
        if extra:
            spare.append(_document(species, object_id("spare", species.slug), images[recipe.photos_per_species :]))
    return shots, documents, spare


def _plants(num_photos: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(plant, photo) pairs: about a third of the plants were photographed twice or three times."""
    pairs: list[tuple[int, int]] = []
    plant = 0
    while len(pairs) < num_photos:
        pairs.extend((plant, photo) for photo in range(int(rng.choice([1, 2, 3], p=[0.68, 0.24, 0.08]))))
        plant += 1
    return pairs[:num_photos]


def _entry(url: str, species: PlantSpecies, plant: int, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    of_plant = np.random.default_rng(derive_seed(seed, "observation", species.scientific_name, plant))
    country = str(of_plant.choice(list(species.distribution)))
    weights = np.array([weight for _, weight in _LICENSES], dtype=float)
    license_text = _LICENSES[int(rng.choice(len(_LICENSES), p=weights / weights.sum()))][0]
    day = np.datetime64("2019-01-01") + int(of_plant.integers(0, 2200))
    entry: dict[str, Any] = {
        "url": url,
        "license": license_text,
        "author": f"author-{int(of_plant.integers(1, 120)):03d}",
        "source": "drawn",
        "observationId": f"{species.slug}-{plant:03d}",
        "observedOn": str(day),
        "country": country,
    }
    if of_plant.random() < 0.15:
        del entry["country"]  # the species' distribution has to do
    return entry


def _document(species: PlantSpecies, document_id: dict[str, str], images: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "_id": document_id,
        "scientificName": species.scientific_name,
        "commonNames": {"en": [species.english], "es": [species.spanish]},
        "family": species.family,
        "genus": species.genus,
        "distribution": list(species.distribution),
        "images": images,
    }


def _draw_all(
    shots: Sequence[_Shot],
    images: Path,
    recipe: CollectionRecipe,
    on_photo: Callable[[int], object],
    num_workers: int,
) -> None:
    for species in SPECIES[: recipe.num_species]:
        (images / species.slug).mkdir(exist_ok=True)
    jobs = [(shot, str(images), recipe.seed, recipe.short_side) for shot in shots]
    with multiprocessing.get_context("spawn").Pool(num_workers) as pool:
        for _ in pool.imap_unordered(_draw_one, jobs, chunksize=8):
            on_photo(1)


def _draw_one(job: tuple[_Shot, str, int, int]) -> None:
    shot, images, seed, short_side = job
    species = SPECIES[shot.species]
    photo = draw_photo(species, seed=seed, plant=shot.plant, photo=shot.photo, short_side=short_side)
    quality = 78 + derive_seed(seed, "quality", species.scientific_name, shot.plant, shot.photo) % 16
    photo.save(Path(images) / shot.path, "JPEG", quality=quality)


def _write_lines(path: Path, documents: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    path.write_text(text, encoding="utf-8")
