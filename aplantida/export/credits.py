"""Credits in a bundle: whose photos of which species the model has seen, in files of a few species each.

``credits/index.json`` says how many species a file holds. A file holds the species of as many consecutive classes;
species that the model does not name come last. It is JSON, compressed by zlib (RFC 1950), which browsers, Node and
Python read. It is not called ``.gz``: some servers decompress such files, and then its digest would not be that of
``bundle.json``.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from aplantida.domain.licensing import license_label, license_url

FORMAT = "aplantida.credits/1"
CREDITS_FOLDER = "credits"
INDEX_FILE = f"{CREDITS_FOLDER}/index.json"
SPECIES_PER_FILE = 16
_COLUMNS = ("scientific_name", "license_id", "source", "author", "url")
Row = tuple[str, str, str | None, str | None, str]


def index_json(photos: Mapping[str, Any], full_list: Mapping[str, str | None]) -> dict[str, Any]:
    """``credits/index.json``.

    Args:
        photos: ``photos`` of ``license_report.json``.
        full_list: where every photo is listed: ``url``, or None; ``license_report``, its digest; ``file`` in it.
    """
    return {
        "format": FORMAT,
        "species_per_file": SPECIES_PER_FILE,
        **{name: photos[name] for name in ("num_photos", "num_species", "num_authors")},
        "licenses": {license_label(name): license_url(name) for name in sorted(photos["by_license"])},
        "full_list": dict(full_list),
    }


def file_name(number: int) -> str:
    """The file of the species from ``number * SPECIES_PER_FILE`` on."""
    return f"{CREDITS_FOLDER}/species-{number:05d}.bin"


def read_list(path: Path) -> Iterator[Row]:
    """Rows of ``attributions.parquet``, a batch at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(_COLUMNS)):
            yield from zip(*(batch[name].to_pylist() for name in _COLUMNS), strict=True)


def credit_files(rows: Iterable[Row], class_ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files, some species' photos in memory at a time.

    A species is ``[name, [[licence, source, [author, …], [photos, …]], …]]``, who took most of them first; an author
    that is not given is null.

    Args:
        rows: of all photos, by species.
        class_ids: the model's classes, sorted.

    Raises:
        ValueError: when the rows are not sorted by species.
    """
    species = ((name, _groups(photos)) for name, photos in groupby(rows, key=lambda row: row[0]))
    places = {class_id: place for place, class_id in enumerate(class_ids)}
    named: dict[int, list[list[Any]]] = {}
    others: list[list[Any]] = []
    last = ""
    for name, groups in species:
        if name <= last:
            raise ValueError(f"credits are not sorted by species: {name!r} comes after {last!r}")
        last = name
        if name not in places:
            others.append([name, groups])
            continue
        number = places[name] // SPECIES_PER_FILE
        for earlier in [key for key in named if key < number]:
            yield file_name(earlier), pack(named.pop(earlier))
        named.setdefault(number, []).append([name, groups])
    for number, listed in named.items():
        yield file_name(number), pack(listed)
    first = -(-len(class_ids) // SPECIES_PER_FILE)
    for number in range(0, len(others), SPECIES_PER_FILE):
        yield file_name(first + number // SPECIES_PER_FILE), pack(others[number : number + SPECIES_PER_FILE])


def pack(species: Sequence[Any]) -> bytes:
    """The content of a file."""
    text = json.dumps({"format": FORMAT, "species": species}, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode(), 9)


def _groups(photos: Iterable[Row]) -> list[list[Any]]:
    counts = Counter((license_id, _origin(source, url), author) for _, license_id, source, author, url in photos)
    ordered = sorted(counts.items(), key=lambda item: (*item[0][:2], -item[1], item[0][2] is None, item[0][2] or ""))
    groups: list[list[Any]] = []
    for (license_id, origin), members in groupby(ordered, key=lambda item: item[0][:2]):
        listed = list(members)
        groups.append(
            [license_label(license_id), origin, [key[2] for key, _ in listed], [count for _, count in listed]]
        )
    return groups


def _origin(source: str | None, url: str) -> str:
    """Where a photo comes from: its source as the collection names it; of an address the host."""
    named = (source or "").strip()
    return (_host(named) if "://" in named else named) or _host(url)


@lru_cache(maxsize=4096)
def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
