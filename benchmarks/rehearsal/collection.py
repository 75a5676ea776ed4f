"""The rehearsal's collection: wide documents, as a MongoDB of plants holds them, put into the embedded mongod.

Wide: URLs of 150 characters and common names in eight languages. Species are as unequal as in nature (log-normal), an
observation has one to three photos, one entry in fifty has a licence that is refused.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pymongo

from aplantida.domain.seeds import derive_seed

DATABASE, COLLECTION, FETCHED = "aplantida_db", "plants", "plants_fetched"
URL_CHARACTERS = 150
LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "ca", "eu")
LEAST_PHOTOS, SPREAD = 6, 0.8
_REFUSED_EVERY = 50
_DOCUMENTS_AT_A_TIME = 100
_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "xo", "zu", "ra")
_LICENSES = ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/", "CC0 1.0", "cc-by-sa 3.0")
_COUNTRIES = (
    "ES",
    "PT",
    "FR",
    "AD",
    "IT",
    "DE",
    "GR",
    "GB",
    "PL",
    "MA",
    "TR",
    "US",
    "MX",
    "BR",
    "CL",
    "ZA",
    "AU",
    "JP",
)


@dataclass(frozen=True, slots=True)
class CollectionSize:
    """What a collection is a function of.

    Attributes:
        num_species: documents, one each.
        num_photos: acceptable entries of all of them.
        port: of the server in the URLs.
        seed: of everything drawn.
    """

    num_species: int
    num_photos: int
    port: int
    seed: int = 42

    def photos_by_species(self) -> list[int]:
        """Acceptable entries of each species; their sum is ``num_photos``."""
        draw = np.random.default_rng(derive_seed(self.seed, "sizes"))
        least = min(LEAST_PHOTOS, self.num_photos // self.num_species)
        weights = draw.lognormal(0.0, SPREAD, self.num_species)
        ends = np.floor(np.cumsum(weights / weights.sum()) * (self.num_photos - least * self.num_species) + 1e-6)
        ends[-1] = self.num_photos - least * self.num_species
        return (np.diff(ends, prepend=0).astype(int) + least).tolist()


def documents(size: CollectionSize) -> Iterator[dict[str, Any]]:
    """The documents, in order; each is a function of the size's fields and its number."""
    for number, photos in enumerate(size.photos_by_species()):
        yield _document(size, number, photos)


def fill(uri: str, size: CollectionSize, num_fetched: int, on_entries: Any) -> None:
    """Put the collection into the server, and its first documents once more as a collection to fetch from.

    A collection that is there stays; half a one (of a killed run) is begun anew.

    Args:
        uri: of the server.
        size: which collection.
        num_fetched: entries of the second one, at least.
        on_entries: called with the number of entries just inserted.
    """
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        database = client[DATABASE]
        there = set(database.list_collection_names())
        for name, most in ((COLLECTION, size.num_photos), (FETCHED, min(num_fetched, size.num_photos))):
            if name in there:
                on_entries(most)
                continue
            unfinished = database[f"{name}.importing"]
            unfinished.drop()
            total = 0
            waiting = documents(size)
            while total < most and (some := list(islice(waiting, _DOCUMENTS_AT_A_TIME))):
                unfinished.insert_many(some)
                count = sum(len(document["images"]) for document in some)
                total += count
                on_entries(count)
            unfinished.rename(name)


def _document(size: CollectionSize, number: int, num_photos: int) -> dict[str, Any]:
    draw = random.Random(derive_seed(size.seed, "document", number))
    genus, epithet = f"{_word(number // 6, 3).capitalize()}nia", f"{_word(number, 4)}nsis"
    home = draw.randrange(len(_COUNTRIES))
    distribution = sorted({_COUNTRIES[(home + step) % len(_COUNTRIES)] for step in range(draw.randint(1, 6))})
    images = list(_entries(size, draw, f"{genus}-{epithet}".lower(), distribution, num_photos))
    return {
        "_id": number,
        "scientificName": f"{genus} {epithet}",
        "family": f"{_word(number // 60, 3).capitalize()}aceae",
        "genus": genus,
        "commonNames": {language: [f"{epithet} {language}", f"{genus.lower()} {language}"] for language in LANGUAGES},
        "distribution": distribution,
        "images": images,
    }


def _entries(
    size: CollectionSize, draw: random.Random, slug: str, distribution: list[str], num_photos: int
) -> Iterator[dict[str, Any]]:
    observation, left, accepted, number = 0, 0, 0, 0
    author = day = country = ""
    while accepted < num_photos:
        if left == 0:
            observation, left = observation + 1, draw.choice((1, 1, 1, 2, 2, 3))
            author = f"observer {draw.randrange(20_000):05d}"
            day = f"20{draw.randrange(10, 26)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}"
            country = draw.choice(distribution)
        left, number = left - 1, number + 1
        refused = number % _REFUSED_EVERY == 0
        accepted += not refused
        yield {
            "url": _url(size.port, slug, number),
            "license": "CC BY-NC 4.0" if refused else draw.choice(_LICENSES),
            "author": author,
            "source": "a citizen science platform",
            "observationId": f"{slug}-{observation:05d}",
            "observedOn": day,
            "country": country,
        }


def _url(port: int, slug: str, number: int) -> str:
    start, end = f"http://127.0.0.1:{port}/observations/", f"/{slug}/original-{number:05d}.jpg"
    return start + "0" * (URL_CHARACTERS - len(start) - len(end)) + end


def _word(number: int, syllables: int) -> str:
    """A name of its own for each number: its digits to base 16 as syllables."""
    digits = [number >> (4 * place) & 15 for place in range(syllables)]
    return "".join(_SYLLABLES[digit] for digit in reversed(digits))
