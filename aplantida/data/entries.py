"""From a collection's documents to *entries*: one row per image entry, or per refused document.

An anti-corruption layer. What a collection calls its fields is a :class:`FieldMapping`. What they may hold (strings for
images, nulls, numbers for text, names in any case) is settled here, and never raises: what cannot be read is null, or a
row with a reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
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


def entries_of(
    document: Mapping[str, Any],
    mapping: FieldMapping,
    default_license: str | None,
    synonyms: Mapping[str, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Rows of ``ENTRY_SCHEMA`` for one document: its image entries, or the document itself when it is refused.

    Args:
        document: as the collection holds it.
        mapping: the collection's field names.
        default_license: licence of entries whose shape has no place for one (a bare string, or a mapping without
            ``image_license`` paths). An entry that could name a licence and does not is not covered.
        synonyms: accepted name by normalized name; see :func:`aplantida.domain.taxonomy.read_synonyms`.
    """
    document_id = str(document.get("_id"))
    name_text = _text(_first(document, mapping.scientific_name))
    name = normalize_name(name_text) if name_text else None
    images = _first(document, mapping.images)
    if isinstance(images, str | Mapping):
        images = [images]
    accepted = synonyms.get(name) if name else None
    base: dict[str, Any] = {
        "document_id": document_id,
        "scientific_name": accepted or name,
        "synonym": name if accepted else None,
    }
    if name is None:
        refused = [{**base, "reason": Reason.DOCUMENT_NO_NAME, "detail": f"name is {name_text!r}"}]
        return refused + [
            {**base, **_identity(document_id, _url_of(image, mapping)), "position": position}
            | {"reason": Reason.ENTRY_OF_NAMELESS_DOCUMENT}
            for position, image in enumerate(images if isinstance(images, Sequence) else ())
        ]
    if images is None or images == []:
        return [{**base, "reason": Reason.DOCUMENT_NO_IMAGES}]
    if not isinstance(images, Sequence):
        return [{**base, "reason": Reason.DOCUMENT_INVALID, "detail": f"images is a {type(images).__name__}"}]
    name = accepted or name
    base |= {
        "family": _text(_first(document, mapping.family)),
        "genus": _text(_first(document, mapping.genus)) or genus_of(name),
        "common_names": _common_names(_first(document, mapping.common_names)),
        "distribution": _countries(_first(document, mapping.distribution)),
    }
    return [
        {**base, "position": position, **_entry(document_id, image, mapping, default_license)}
        for position, image in enumerate(images)
    ]


def _entry(document_id: str, image: Any, mapping: FieldMapping, default_license: str | None) -> dict[str, Any]:
    url = _url_of(image, mapping)
    if url is None:
        shape = "null" if image is None else type(image).__name__
        return {"reason": Reason.ENTRY_NO_URL, "detail": f"an image entry ({shape}) without a URL"}
    row = _identity(document_id, url)
    if isinstance(image, str):
        return row | {"license_id": normalize_license(default_license)}
    if mapping.image_license:
        row["license_text"], row["license_id"] = _license(_first(image, mapping.image_license))
    else:
        row["license_id"] = normalize_license(default_license)
    return row | {
        "author": _text(_first(image, mapping.image_author)),
        "source": _text(_first(image, mapping.image_source)),
        "observation_id": _text(_first(image, mapping.image_observation_id)),
        "observed_on": _iso_date(_first(image, mapping.image_observed_on)),
        "country": next(iter(_countries(_first(image, mapping.image_country))), None),
    }


def _identity(document_id: str, url: str | None) -> dict[str, Any]:
    return {"url": url, "image_id": image_id_of(document_id, url) if url else None}


def _url_of(image: Any, mapping: FieldMapping) -> str | None:
    return _text(image if isinstance(image, str) else _first(image, mapping.image_url))


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
    try:
        return date.fromisoformat((_text(value) or "")[:10]).isoformat()
    except ValueError:
        return None


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
