"""What is wrong with a real collection, put into the drawn one on purpose, and counted."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from aplantida.domain.licensing import LicensePolicy, normalize_license

_ORIENTATION = 0x0112
_HTML = "<!doctype html><html><head><title>Moved</title></head><body>This photo has moved.</body></html>\n"
Document = dict[str, Any]
Pick = tuple[Document, dict[str, Any]]


def spoil(
    documents: list[Document], images: Path, base_url: str, rng: np.random.Generator
) -> tuple[list[Document], dict[str, list[str]]]:
    """Put dirt into ``documents`` and into the files below ``images``.

    Args:
        documents: clean documents whose ``images`` are dicts with a ``url`` below ``base_url``.
        images: the folder that ``base_url`` serves.
        base_url: scheme, host and port.
        rng: what decides where.

    Returns:
        The documents, some new, and the URLs (or document ids) of each kind of dirt.
    """
    dirt: dict[str, list[str]] = {}
    rounds = max(1, len(documents) // 5)
    clean = [
        (document, entry)
        for document in documents
        for entry in document["images"][6 : len(document["images"]) * 3 // 4]
        if LicensePolicy().refusal(normalize_license(entry["license"])) is None
    ]
    picks = [clean[int(at)] for at in rng.permutation(len(clean))]
    _changed_files(picks, images, rounds, dirt)
    _extra_entries(picks, images, base_url, rounds, dirt)
    _legacy_shapes(documents, dirt)
    return documents + _odd_documents(documents, base_url, dirt), dirt


def _like(entry: dict[str, Any], url: str) -> dict[str, Any]:
    return {**entry, "url": url, "license": "CC BY 4.0"}


def _file_of(url: str, images: Path) -> Path:
    return images / urlsplit(url).path.lstrip("/")


def _extra_entries(picks: list[Pick], images: Path, base_url: str, rounds: int, dirt: dict[str, list[str]]) -> None:
    """Entries that lead nowhere, to something else, or to a photo that is there already."""
    for folder in ("broken", "copies"):
        (images / folder).mkdir()
    makers: dict[str, Callable[[int, str], str]] = {
        "missing": lambda at, _: f"{base_url}/gone/{at}.jpg",
        "not_an_image": lambda at, _: _put(images / f"broken/page_{at}.jpg", _HTML.encode(), base_url, images),
        "truncated": lambda at, url: _cut(_file_of(url, images), images / f"broken/cut_{at}.jpg", base_url, images),
        "exact_duplicate": lambda at, url: _copy(_file_of(url, images), images / f"copies/{at}.jpg", base_url, images),
        "near_duplicate": lambda at, url: _again(_file_of(url, images), images / f"copies/x{at}.jpg", base_url, images),
        "same_url_in_one_species": lambda _, url: url,
    }
    for kind, make in makers.items():
        for at in range(rounds):
            document, model = picks.pop()
            url = make(at, model["url"])
            document["images"].append(_like(model, url))
            dirt.setdefault(kind, []).append(url)
    document, model = picks.pop()
    other = next(pick[0] for pick in picks if pick[0] is not document)
    other["images"].append(_like(model, model["url"]))
    dirt["same_url_in_two_species"] = [model["url"]]
    for url in ("ftp://127.0.0.1/a.jpg", "http://169.254.169.254/latest/meta-data/photo.jpg"):
        other["images"].append(_like(model, url))
        dirt.setdefault("address_refused", []).append(url)


def _url(path: Path, base_url: str, images: Path) -> str:
    return f"{base_url}/{path.relative_to(images).as_posix()}"


def _put(path: Path, content: bytes, base_url: str, images: Path) -> str:
    path.write_bytes(content)
    return _url(path, base_url, images)


def _cut(source: Path, target: Path, base_url: str, images: Path) -> str:
    content = source.read_bytes()
    return _put(target, content[: len(content) // 3], base_url, images)


def _copy(source: Path, target: Path, base_url: str, images: Path) -> str:
    shutil.copyfile(source, target)
    return _url(target, base_url, images)


def _again(source: Path, target: Path, base_url: str, images: Path) -> str:
    with Image.open(source) as image:
        width, height = image.size
        image.resize((width * 9 // 10, height * 9 // 10), Image.Resampling.LANCZOS).save(target, "JPEG", quality=60)
    return _url(target, base_url, images)


def _changed_files(picks: list[Pick], images: Path, rounds: int, dirt: dict[str, list[str]]) -> None:
    """Photos stored on their side with an EXIF tag, and PNG and WebP files that call themselves .jpg."""
    for kind in ("exif_rotated", "png", "webp"):
        for _ in range(rounds):
            url = picks.pop()[1]["url"]
            path = _file_of(url, images)
            with Image.open(io.BytesIO(path.read_bytes())) as image:
                if kind == "exif_rotated":
                    exif = Image.Exif()
                    exif[_ORIENTATION] = 6
                    image.rotate(90, expand=True).save(path, "JPEG", quality=90, exif=exif)
                else:
                    image.save(path, kind.upper(), **({"quality": 90} if kind == "webp" else {}))
            dirt.setdefault(kind, []).append(url)


def _legacy_shapes(documents: list[Document], dirt: dict[str, list[str]]) -> None:
    """The oldest entries of one document are bare strings; another's carry nothing but URL and license."""
    strings = documents[1 % len(documents)]["images"]
    for at in range(1, 5):
        strings[at] = strings[at]["url"]
        dirt.setdefault("bare_string", []).append(strings[at])
    bare = documents[2 % len(documents)]["images"]
    for at in range(1, 4):
        bare[at] = {"url": bare[at]["url"], "license": bare[at]["license"]}


def _odd_documents(documents: list[Document], base_url: str, dirt: dict[str, list[str]]) -> list[Document]:
    """A species again under a shouted name, a document without name, one without images, a rare species."""
    shouted = documents[3 % len(documents)]
    cut = len(shouted["images"]) * 3 // 4
    again = {
        "_id": _identifier("shouted"),
        "scientificName": f" {shouted['scientificName'].upper()} ",
        "images": shouted["images"][cut:],
    }
    shouted["images"] = shouted["images"][:cut]
    model = next(entry for entry in documents[0]["images"] if isinstance(entry, dict))
    nameless = {"_id": _identifier("nameless"), "images": [_like(model, f"{base_url}/gone/nameless.jpg")]}
    empty = {"_id": _identifier("empty"), "scientificName": "Nulla imago", "images": None}
    rare = {
        "_id": _identifier("rare"),
        "scientificName": "Rara solitaria",
        "distribution": ["ES"],
        "images": [_like(model, f"{base_url}/gone/rare_{at}.jpg") for at in range(2)],
    }
    dirt["document_no_name"] = [nameless["_id"]["$oid"]]
    dirt["document_no_images"] = [empty["_id"]["$oid"]]
    dirt["entry_of_species_with_too_few_images"] = [entry["url"] for entry in rare["images"]]
    dirt["entry_of_nameless_document"] = [entry["url"] for entry in nameless["images"]]
    dirt["name_in_other_case"] = [again["_id"]["$oid"]]
    return [again, nameless, empty, rare]


def _identifier(name: str) -> dict[str, str]:
    return {"$oid": hashlib.sha256(f"odd/{name}".encode()).hexdigest()[:24]}
