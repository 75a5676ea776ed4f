"""What the fields of a collection may hold, read: nothing raises, and what cannot be read is null or empty."""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId
from bson.timestamp import Timestamp

from aplantida.domain.countries import read_countries, read_country
from aplantida.domain.dates import DateOrder, ReadDate, read_date
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.text import valid_address, valid_text

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
_STRINGS = frozenset({str, type(None)})
_NOT_PLAIN = r"[^\x20-\x7e]"
_SCALARS = (int, float, datetime, Decimal128, ObjectId, UUID)
_LONGEST_UNREAD = 120  # characters that are kept of what could not be read
_NO_DATE = ReadDate()


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
        items = [(valid_text(str(key)), item) for key, item in value.items()]
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


def texts_of(values: Sequence[Any]) -> pa.StringArray:
    """:func:`text_of` of every value."""
    return each_text(values, text_of, valid_text)


def addresses_of(values: Sequence[Any]) -> pa.StringArray:
    """The address in every value: a text as it was written."""
    return each_text(values, lambda value: _address(value) if isinstance(value, str) else text_of(value), _address)


def each_text(
    values: Sequence[Any], read: Callable[[Any], str | None], clean: Callable[[str], str | None]
) -> pa.StringArray:
    """``read`` of every value; where all are strings, ``clean`` of those that are not plain."""
    try:
        if not set(map(type, values)) <= _STRINGS:
            return pa.array(map(read, values), pa.string())
        texts = pa.array(values, pa.string())
    except UnicodeEncodeError:  # surrogates
        return pa.array(map(read, values), pa.string())
    odd = pc.fill_null(pc.match_substring_regex(texts, _NOT_PLAIN), False)
    if pc.any(odd).as_py():
        cleaned = pa.array(map(clean, texts.filter(odd).to_pylist()), pa.string())
        texts = pc.replace_with_mask(texts, odd, cleaned)
    texts = pc.utf8_trim_whitespace(texts)  # what counts as space is what str.strip takes off
    return pc.if_else(pc.equal(texts, ""), None, texts)


def read_each(values: Sequence[Any], read: Callable[[Any], str | None]) -> pa.StringArray:
    """``read`` of every value, asked once for equal strings: there are few of them. Of None it must be None."""
    if not set(map(type, values)) <= _STRINGS:
        return pa.array(map(read, values), pa.string())
    try:
        encoded = pa.array(values, pa.string()).dictionary_encode()
    except UnicodeEncodeError:  # surrogates
        return pa.array(map(read, values), pa.string())
    return pa.array(map(read, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)


def text_of(value: Any) -> str | None:
    """A text, valid and in NFC, without spaces around it, or a number, date or id as text; None for anything else."""
    if isinstance(value, str):
        return valid_text(str(value)) or None
    if isinstance(value, bool) or not isinstance(value, _SCALARS):
        return None
    text = str(value)
    return None if text.lower().lstrip("-").startswith(("nan", "inf", "snan")) else text


def _address(text: str) -> str | None:
    return valid_address(text) or None


def date_of(value: Any, order: DateOrder) -> ReadDate:
    """The day of a date, or of a text that begins with one or is one as people write it."""
    if isinstance(value, Timestamp):
        value = value.as_datetime()
    if isinstance(value, datetime):
        return ReadDate(value.date().isoformat())
    text = text_of(value)
    return read_date(text, order) if text else _NO_DATE


def country_of(value: Any) -> str | None:
    """The country of a text, or the first of :func:`countries_of`."""
    return read_country(valid_text(value)) if isinstance(value, str) else next(iter(countries_of(value)), None)


def countries_of(value: Any) -> list[str]:
    """The two-letter codes of the countries in a list or a text, in capitals, each once."""
    return list(dict.fromkeys(code for text in _countries(value) for code in read_countries(text).codes))


def unread_countries_of(value: Any) -> str | None:
    """What :func:`countries_of` could not read of a value, or None."""
    return cut("; ".join(part for text in _countries(value) for part in read_countries(text).unread))


def unread_of(value: Any) -> str | None:
    """A value that could not be read, for a list of such; None for nothing."""
    if value is None or (isinstance(value, str) and not valid_text(value)):
        return None
    text = text_of(value)
    return cut(type(value).__name__ if text is None else text)


def _countries(value: Any) -> list[str]:
    values = value if isinstance(value, list) else list(value.values()) if isinstance(value, Mapping) else [value]
    return [valid_text(text) for text in values if isinstance(text, str)]


def cut(text: str) -> str | None:
    """A text as lists of what could not be read have it: not too long; None for an empty one."""
    return text if 0 < len(text) <= _LONGEST_UNREAD else f"{text[:_LONGEST_UNREAD]}…" if text else None


def common_names_of(value: Any) -> list[str]:
    """``language:name`` of a mapping by language; what has none is of language ``und``."""
    by_language = value if isinstance(value, Mapping) else {"und": value}
    names = [
        f"{valid_text(str(language))}:{valid_text(name)}"
        for language, some in sorted(by_language.items(), key=lambda item: str(item[0]))
        for name in (some if isinstance(some, list) else [some])
        if isinstance(name, str) and valid_text(name)
    ]
    return list(dict.fromkeys(names))
