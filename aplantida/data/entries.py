"""From a collection's documents to *entries*: one row per image entry, or per refused document.

The rows are built column by column: a collection holds a hundred times more entries than documents.

An anti-corruption layer. What a collection calls its fields is a :class:`FieldMapping`. What they may hold (strings for
images, nulls, numbers for text, names in any case) is settled here, and never raises: what cannot be read is null, or a
row with a reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from aplantida.domain.licensing import normalize_license
from aplantida.domain.record import RECORD_SCHEMA, Reason, image_id_of
from aplantida.domain.taxonomy import genus_of, normalize_name

_COUNTRY = re.compile(r"[A-Za-z]{2}$")

ENTRY_SCHEMA = pa.schema(
    [
        *(field.with_nullable(True) for field in RECORD_SCHEMA),
        pa.field("synonym", pa.string()),  # the document's name where the synonyms file gave another
        pa.field("position", pa.int32()),  # of the entry inside its document; null for a refused document
        pa.field("reason", pa.string()),  # null while nothing speaks against the entry
        pa.field("detail", pa.string()),
    ]
)
_OF_DOCUMENTS = ("document_id", "scientific_name", "synonym", "family", "genus", "common_names", "distribution")
_OF_ENTRIES = tuple(name for name in ENTRY_SCHEMA.names if name not in _OF_DOCUMENTS)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Where a collection keeps things: dotted paths, tried in order; the first non-null wins.

    An empty tuple says that the collection has no such field. ``images`` is a list of image entries; the ``image_``
    paths start inside one of them.
    """

    scientific_name: tuple[str, ...]
    family: tuple[str, ...]
    genus: tuple[str, ...]
    common_names: tuple[str, ...]
    distribution: tuple[str, ...]
    images: tuple[str, ...]
    image_url: tuple[str, ...]
    image_license: tuple[str, ...]
    image_author: tuple[str, ...]
    image_source: tuple[str, ...]
    image_observation_id: tuple[str, ...]
    image_observed_on: tuple[str, ...]
    image_country: tuple[str, ...]


class EntryBuilder:
    """Gathers the entries of documents into tables of ``ENTRY_SCHEMA``.

    Args:
        mapping: the collection's field names.
        default_license: licence of entries whose shape has no place for one (a bare string, or a mapping without
            ``image_license`` paths). An entry that could name a licence and does not is not covered.
        synonyms: accepted name by normalized name; see :func:`aplantida.domain.taxonomy.read_synonyms`.
    """

    def __init__(
        self, mapping: FieldMapping, default_license: str | None, synonyms: Mapping[str, str] = _NOTHING
    ) -> None:
        self._paths: dict[str, Sequence[str]] = {field.name: getattr(mapping, field.name) for field in fields(mapping)}
        self._names_licenses = bool(mapping.image_license)
        self._default_license = normalize_license(default_license)
        self._synonyms = synonyms
        self._clear()

    def __len__(self) -> int:
        """Rows gathered since the last :meth:`take`."""
        return len(self._owners)

    def add(self, document: Mapping[str, Any]) -> None:
        """Gather one document, as the collection holds it: its image entries, or itself when it is refused."""
        name_text = _text(self._first(document, "scientific_name"))
        name = normalize_name(name_text) if name_text else None
        accepted = self._synonyms.get(name) if name else None
        images = self._first(document, "images")
        if isinstance(images, str | Mapping):
            images = [images]
        owner = {
            "document_id": str(document.get("_id")),
            "scientific_name": accepted or name,
            "synonym": name if accepted else None,
        }
        if name is None:
            self._refuse(owner, Reason.DOCUMENT_NO_NAME, f"name is {name_text!r}")
            self._add_nameless(owner["document_id"], images if isinstance(images, Sequence) else ())
        elif images is None or images == []:
            self._refuse(owner, Reason.DOCUMENT_NO_IMAGES)
        elif not isinstance(images, Sequence):
            self._refuse(owner, Reason.DOCUMENT_INVALID, f"images is a {type(images).__name__}")
        else:
            owner |= {
                "family": _text(self._first(document, "family")),
                "genus": _text(self._first(document, "genus")) or genus_of(accepted or name),
                "common_names": _common_names(self._first(document, "common_names")),
                "distribution": _countries(self._first(document, "distribution")),
            }
            self._own(owner, len(images))
            self._add_images(owner["document_id"], images)

    def take(self) -> pa.Table:
        """The rows gathered so far, in the order they came; the builder is empty afterwards."""
        owners = pa.table({name: pa.array(self._documents[name], _type(name)) for name in _OF_DOCUMENTS})
        owned = owners.take(pa.array(self._owners, pa.int32()))
        columns = {name: owned[name] for name in _OF_DOCUMENTS}
        columns |= {name: pa.array(self._entries[name], _type(name)) for name in _OF_ENTRIES}
        self._clear()
        return pa.table({name: columns[name] for name in ENTRY_SCHEMA.names}, schema=ENTRY_SCHEMA)

    def _clear(self) -> None:
        self._documents: dict[str, list[Any]] = {name: [] for name in _OF_DOCUMENTS}
        self._entries: dict[str, list[Any]] = {name: [] for name in _OF_ENTRIES}
        self._owners: list[int] = []  # of each entry: its document's place in _documents

    def _own(self, owner: Mapping[str, Any], num_entries: int) -> None:
        for name, values in self._documents.items():
            values.append(owner.get(name))
        self._owners += [len(self._documents["document_id"]) - 1] * num_entries

    def _extend(self, num_entries: int, **columns: Iterable[Any]) -> None:
        for name, values in self._entries.items():
            values += columns.get(name) or [None] * num_entries

    def _refuse(self, owner: Mapping[str, Any], reason: Reason, detail: str | None = None) -> None:
        self._own(owner, 1)
        self._extend(1, reason=[reason], detail=[detail])

    def _add_nameless(self, document_id: str, images: Sequence[Any]) -> None:
        urls = self._urls(images)
        self._own({"document_id": document_id}, len(urls))
        self._extend(
            len(urls),
            url=urls,
            image_id=_ids(document_id, urls),
            position=range(len(urls)),
            reason=[Reason.ENTRY_OF_NAMELESS_DOCUMENT] * len(urls),
        )

    def _add_images(self, document_id: str, images: Sequence[Any]) -> None:
        urls = self._urls(images)
        photos = [
            image if url and isinstance(image, dict | Mapping) else _NOTHING
            for image, url in zip(images, urls, strict=True)
        ]
        licenses: list[tuple[str | None, str | None]] = [(None, self._default_license)] * len(urls)
        if self._names_licenses:
            licenses = [
                (None, self._default_license) if isinstance(image, str) else _license(value)
                for image, value in zip(images, self._values("image_license", photos), strict=True)
            ]
        lacking = None in urls
        self._extend(
            len(urls),
            url=urls,
            image_id=_ids(document_id, urls),
            position=range(len(urls)),
            license_text=[text for text, _license_id in licenses],
            license_id=[license_id if url else None for (_text, license_id), url in zip(licenses, urls, strict=True)],
            author=_texts(self._values("image_author", photos)),
            source=_texts(self._values("image_source", photos)),
            observation_id=_texts(self._values("image_observation_id", photos)),
            observed_on=[_iso_date(value) for value in self._values("image_observed_on", photos)],
            country=[_country(value) for value in self._values("image_country", photos)],
            reason=[None if url else Reason.ENTRY_NO_URL for url in urls] if lacking else (),
            detail=[None if url else _shape(image) for url, image in zip(urls, images, strict=True)] if lacking else (),
        )

    def _urls(self, images: Sequence[Any]) -> list[str | None]:
        if all(type(image) is dict for image in images):
            return _texts(self._values("image_url", images))
        return _texts(image if isinstance(image, str) else self._first(image, "image_url") for image in images)

    def _first(self, value: Any, field: str) -> Any:
        return _first(value, self._paths[field])

    def _values(self, field: str, photos: Sequence[Mapping[str, Any]]) -> list[Any]:
        """A field of every photo."""
        paths = self._paths[field]
        if len(paths) == 1 and "." not in paths[0]:  # nearly always: and there are very many photos
            return [photo.get(paths[0]) for photo in photos]
        return [_first(photo, paths) for photo in photos]


def _type(name: str) -> pa.DataType:
    return ENTRY_SCHEMA.field(name).type


def _ids(document_id: str, urls: Sequence[str | None]) -> list[str | None]:
    return [image_id_of(document_id, url) if url else None for url in urls]


def _shape(image: Any) -> str:
    return f"an image entry ({'null' if image is None else type(image).__name__}) without a URL"


def _license(value: Any) -> tuple[str | None, str | None]:
    """Text and id; several licences count only when they say the same."""
    if not isinstance(value, list):
        text = _text(value)
        return text, normalize_license(text)
    texts = [text for text in map(_text, value) if text]
    ids = {normalize_license(text) for text in texts}
    return "; ".join(texts) or None, ids.pop() if len(ids) == 1 else None


def _first(value: Any, paths: Sequence[str]) -> Any:
    for path in paths:
        found = value
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None:
            return found
    return None


def _texts(values: Iterable[Any]) -> list[str | None]:
    return [value.strip() or None if type(value) is str else _text(value) for value in values]


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if value is None or isinstance(value, Mapping | list | bool | bytes):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value)


def _iso_date(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.date().isoformat()
    text = _text(value)
    return _iso_day(text[:10]) if text else None


@lru_cache(maxsize=4096)
def _iso_day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _country(value: Any) -> str | None:
    return _first_country(value) if isinstance(value, str) else next(iter(_countries(value)), None)


@lru_cache(maxsize=4096)
def _first_country(text: str) -> str | None:
    return next(iter(_countries(text)), None)


def _countries(value: Any) -> list[str]:
    words = re.split(r"[,;\s]+", value) if isinstance(value, str) else value if isinstance(value, list) else []
    codes = [word.strip().upper() for word in words if isinstance(word, str) and _COUNTRY.match(word.strip())]
    return list(dict.fromkeys(codes))


def _common_names(value: Any) -> list[str]:
    by_language = value if isinstance(value, Mapping) else {"und": value}
    names = [
        f"{language}:{name.strip()}"
        for language, some in sorted(by_language.items())
        for name in (some if isinstance(some, list) else [some])
        if isinstance(name, str) and name.strip()
    ]
    return list(dict.fromkeys(names))
