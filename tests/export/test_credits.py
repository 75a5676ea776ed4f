"""Credits by species: nothing lost, found by a class's place, few bytes a photo at the size of a large collection."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from typing import Any

import pytest

from aplantida.export.credits import SPECIES_PER_FILE, Row, credit_files, file_name, index_json, pack
from benchmarks.credits import drawn_rows

BYTES_A_PHOTO = 12_000_000 / 900_000


def unpacked(content: bytes) -> list[Any]:
    return json.loads(zlib.decompress(content))["species"]


def test_every_photo_counts_and_a_species_is_found_by_its_place() -> None:
    rows = list(drawn_rows(4_000, 50))
    names = sorted({row[0] for row in rows})
    classes = names[1::2]
    files = dict(credit_files(rows, classes))
    counted: Counter[tuple[str, str, str | None]] = Counter()
    for name, license_id, _, author, _ in rows:
        counted[name, license_id, author] += 1
    found: Counter[tuple[str, str, str | None]] = Counter()
    for content in files.values():
        for name, groups in unpacked(content):
            for license_id, _, authors, photos in groups:
                assert photos == sorted(photos, reverse=True)
                for author, count in zip(authors, photos, strict=True):
                    found[name, license_id, author] += count
    assert found == counted
    for place, name in enumerate(classes):
        assert name in [species for species, _ in unpacked(files[file_name(place // SPECIES_PER_FILE)])]
    assert dict(credit_files(rows, classes)) == files


def test_where_a_photo_comes_from() -> None:
    rows: list[Row] = [
        ("A a", "CC0-1.0", "iNaturalist", None, "https://photos.example/1.jpg"),
        ("A a", "CC0-1.0", "https://www.gbif.org/occurrence/12", "Ana", "https://photos.example/2.jpg"),
        ("A a", "CC0-1.0", " ", "Ana", "https://user@Photos.example:80/3.jpg"),
        ("A a", "CC0-1.0", None, None, "https://photos.example/4.jpg"),
        ("A a", "CC0-1.0", None, None, "https://photos.example/5.jpg"),
    ]
    ((_, content),) = credit_files(rows, ["A a"])
    assert unpacked(content) == [
        [
            "A a",
            [
                ["CC0-1.0", "iNaturalist", [None], [1]],
                ["CC0-1.0", "photos.example", [None, "Ana"], [2, 1]],
                ["CC0-1.0", "www.gbif.org", ["Ana"], [1]],
            ],
        ]
    ]


def test_a_licence_is_called_alike_in_index_and_files() -> None:
    photos = {"num_photos": 2, "num_species": 1, "num_authors": 1, "by_license": {"CC-BY": 1, "CC-BY-3.0-ES": 1}}
    links = index_json(photos, {})["licenses"]
    assert links == {
        "CC BY": "https://creativecommons.org/licenses/by/",
        "CC-BY-3.0-ES": "https://creativecommons.org/licenses/by/3.0/es/",
    }
    rows: list[Row] = [("A a", name, "x", "Ana", "https://photos.example/1.jpg") for name in photos["by_license"]]
    ((_, content),) = credit_files(rows, ["A a"])
    assert {group[0] for group in unpacked(content)[0][1]} == set(links)


def test_rows_in_another_order_are_refused() -> None:
    rows: list[Row] = [(name, "CC0-1.0", None, None, "https://photos.example/1.jpg") for name in ("B b", "A a")]
    with pytest.raises(ValueError, match="'A a' comes after 'B b'"):
        list(credit_files(rows, ["A a", "B b"]))
    assert unpacked(pack([])) == []


def test_credits_of_a_photo_take_few_bytes_at_the_size_of_a_large_collection() -> None:
    """A hundredth of 900,000 photos of 9,000 species, as many of each, and of authors as many in proportion."""
    names = sorted({row[0] for row in drawn_rows(9_000, 90)})
    size = sum(len(content) for _, content in credit_files(drawn_rows(9_000, 90), names))
    assert size / 9_000 < BYTES_A_PHOTO * 0.8
