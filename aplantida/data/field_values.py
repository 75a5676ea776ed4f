"""What the fields of a collection may hold, read: nothing raises, and what cannot be read is null or empty."""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aplantida.domain.licensing import LicenseTexts

# what collections call the parts of a licence, in the order in which they are read; any other key is read as it stands
_LICENSE_KEYS = {
    key: place
    for place, keys in enumerate(
        (
            "license licence licencia name nombre title titulo text texto label value description",
            "id _id code type spdx spdxid shortname short_name fullname full_name abbreviation",
            "version",
            "jurisdiction port",
            "url uri href link @id",
        )
    )
    for key in keys.split()
}
_LAST = len(_LICENSE_KEYS)
_COUNTRY = re.compile(r"[A-Za-z]{2}$")
_STRINGS = frozenset({str, type(None)})


def license_id_of(value: Any, texts: LicenseTexts) -> str | None:
    """The licence that :func:`license_text_of` the value says."""
    return texts.read(license_text_of(value)).license_id


def license_text_of(value: Any) -> str | None:
    """A text; of a list or a mapping everything in it, so that nothing it says is passed over.

    Keys that say what their values are (``name``, ``url``, ``version``) are left out, and so are numbers by which a
    database knows a licence (``id``). Any other key is part of the text: ``{"name": "CC BY", "commercial": False}``
    is ``CC BY; commercial: false``.
    """
    return "; ".join(_said(value)) or None if isinstance(value, list | Mapping) else text_of(value)


def _said(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
        for key, item in sorted(items, key=lambda pair: _LICENSE_KEYS.get(pair[0].casefold(), _LAST)):
            if key in ("id", "_id") and not re.search(r"[A-Za-z]", item if isinstance(item, str) else ""):
                continue
            prefix = "" if key.casefold() in _LICENSE_KEYS else f"{key}: "
            yield from (prefix + text for text in _said(item))
    elif isinstance(value, list):
        for item in value:
            yield from _said(item)
    elif isinstance(value, bool | bytes):
        yield str(value).lower()
    elif text := text_of(value):
        yield text


def first_of(value: Any, paths: Sequence[str]) -> Any:
    """What the first dotted path leads to that leads to something."""
    for path in paths:
        found = value
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None:
            return found
    return None


def texts_of(values: Sequence[Any]) -> pa.StringArray:
    """:func:`text_of` of every value."""
    if not set(map(type, values)) <= _STRINGS:
        return pa.array(map(text_of, values), pa.string())
    texts = pc.utf8_trim_whitespace(pa.array(values, pa.string()))  # what counts as space is what str.strip takes off
    return pc.if_else(pc.equal(texts, ""), None, texts)


def read_each(values: Sequence[Any], read: Callable[[Any], str | None]) -> pa.StringArray:
    """``read`` of every value, asked once for equal strings: there are few of them. Of None it must be None."""
    if not set(map(type, values)) <= _STRINGS:
        return pa.array(map(read, values), pa.string())
    encoded = pa.array(values, pa.string()).dictionary_encode()
    return pa.array(map(read, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)


def text_of(value: Any) -> str | None:
    """A text without spaces around it, or a number as text."""
    if isinstance(value, str):
        return value.strip() or None
    if value is None or isinstance(value, Mapping | list | bool | bytes):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value)


def iso_date_of(value: Any) -> str | None:
    """The day of a date, or of a text that begins with one."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    text = text_of(value)
    return _iso_day(text[:10]) if text else None


@lru_cache(maxsize=4096)
def _iso_day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def country_of(value: Any) -> str | None:
    """The first of :func:`countries_of`."""
    return _first_country(value) if isinstance(value, str) else next(iter(countries_of(value)), None)


@lru_cache(maxsize=4096)
def _first_country(text: str) -> str | None:
    return next(iter(countries_of(text)), None)


def countries_of(value: Any) -> list[str]:
    """The two-letter codes in a list or a text, in capitals, each once."""
    words = re.split(r"[,;\s]+", value) if isinstance(value, str) else value if isinstance(value, list) else []
    codes = [word.strip().upper() for word in words if isinstance(word, str) and _COUNTRY.match(word.strip())]
    return list(dict.fromkeys(codes))


def common_names_of(value: Any) -> list[str]:
    """``language:name`` of a mapping by language; what has none is of language ``und``."""
    by_language = value if isinstance(value, Mapping) else {"und": value}
    names = [
        f"{language}:{name.strip()}"
        for language, some in sorted(by_language.items())
        for name in (some if isinstance(some, list) else [some])
        if isinstance(name, str) and name.strip()
    ]
    return list(dict.fromkeys(names))
