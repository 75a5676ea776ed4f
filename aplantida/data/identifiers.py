"""Ids as text: what differs in the collection differs here, and one id written in two ways stays one.

Document ids go into the ids of photos. In a collection whose ``_id`` are all of one BSON type they are what ``str``
makes of them. Where types are mixed the text has to tell them apart: an ObjectId stays its 24 hex digits, an integer
its digits and a text itself, unless it could be read as one of these or as extended JSON; all the rest is canonical
extended JSON. So no id hangs on another document but for the one question whether types are mixed.

Observation ids keep photos of one plant together. Numbers are compared by value and ids by their text: 7, 7.0 and "7"
are one observation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from bson import json_util
from bson.binary import UUID_SUBTYPE, Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId

from aplantida.data.documents import Unreadable
from aplantida.domain.text import valid_text

_OTHERWISE_READ = re.compile(
    r"[0-9a-f]{24}|-?[0-9]+|null|true|false|[{\"].*", re.DOTALL
)  # texts that look like an id of another type
_UUID_SUBTYPES = (3, UUID_SUBTYPE)
_NUMBERS = Context(prec=40)  # more than any BSON number has
_LONGEST_PLAIN = 40  # digits


def document_id_of(value: Any, *, mixed: bool = False) -> str:
    """The id of a document.

    Args:
        value: its ``_id``.
        mixed: whether the collection has ``_id`` of more than one BSON type.
    """
    if isinstance(value, Unreadable):
        return _extended({"$unreadable": value.data.hex()})
    if not mixed:
        return str(value).encode("utf-8", "replace").decode()
    if isinstance(value, ObjectId) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    if isinstance(value, str) and not isinstance(value, Code):
        return json.dumps(value, ensure_ascii=False) if _OTHERWISE_READ.fullmatch(value) else value
    return _extended(value)


_UUID = re.compile(
    r"(?:urn:)?(?:uuid:)? ?\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})\}?", re.IGNORECASE | re.ASCII
)


def observation_id_of(value: Any) -> str | None:
    """The id of an observation; None where the value says none (null, empty, not a number, true or false)."""
    if value is None or isinstance(value, bool):
        return None
    canonical = _canonical(value)
    if canonical is None or isinstance(canonical, str):
        return canonical or None
    return json.dumps(canonical, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if canonical else None


def _canonical(value: Any) -> Any:
    """A value of JSON in which equal ids are equal."""
    if isinstance(value, int | float | Decimal128) and not isinstance(value, bool):
        return _of_one_form(number_text(value) or "") or None
    if isinstance(value, str) and not isinstance(value, Code):
        return _of_one_form(valid_text(value))
    if isinstance(value, UUID | ObjectId):
        return str(value)
    if isinstance(value, Binary) and value.subtype in _UUID_SUBTYPES and len(value) == 16:
        return str(UUID(bytes=bytes(value)))
    if isinstance(value, datetime | DatetimeMS):
        return {"$date": str(int(value if isinstance(value, DatetimeMS) else DatetimeMS(value)))}
    if isinstance(value, DBRef):
        value = value.as_doc()
    if isinstance(value, Mapping):
        return {valid_text(str(key)): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, Unreadable):
        return {"$unreadable": value.data.hex()}
    return value if value is None or isinstance(value, bool) else json.loads(_extended(value))


def _of_one_form(text: str) -> str:
    """A UUID as RFC 9562 writes it (32 digits may be a number's too); any other text as it is."""
    found = _UUID.fullmatch(text)
    return str(UUID(found[1])) if found else text


def number_text(value: int | float | Decimal128) -> str | None:
    """A number in digits, the same for equal numbers of any type; None for what is none."""
    if isinstance(value, Decimal128):
        decimal = value.to_decimal()
    else:
        decimal = Decimal(value if isinstance(value, int) else repr(value))
    if not decimal.is_finite():
        return None
    decimal = decimal.normalize(_NUMBERS) if decimal else Decimal(0)
    return f"{decimal:f}" if abs(decimal.adjusted()) < _LONGEST_PLAIN else str(decimal)


def _extended(value: Any) -> str:
    options = json_util.CANONICAL_JSON_OPTIONS
    try:
        return json_util.dumps(value, json_options=options, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, OverflowError):
        return json.dumps({"$value": repr(value)}, ensure_ascii=False)
