"""People and places in the fields of a collection: texts, lists of them, and mappings that say a name in parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from aplantida.data.field_values import each_text, text_of
from aplantida.domain.text import valid_text

# keys without case, accents and what stands between their words, in the order in which they are asked
_WHOLE = (
    *("fullname", "displayname", "nombrecompleto", "nomcomplet", "nomecompleto", "completename"),
    *(
        "name",
        "nombre",
        "nom",
        "nome",
        "author",
        "autor",
        "creator",
        "photographer",
        "fotografo",
        "fotografa",
        "person",
    ),
)
_FIRST = (
    *("first", "given", "firstname", "firstnames", "givenname", "givennames", "forename", "forenames", "prenom"),
    *("vorname", "nombredepila", "primernombre", "nombres"),
)
_FIRST_BESIDE_A_LAST = (*_FIRST, "nombre", "name", "nom", "nome")
_MIDDLE = ("middle", "middlename", "middlenames", "segundonombre", "nondroppingparticle")
_LAST = (
    *("last", "family", "lastname", "lastnames", "familyname", "surname", "surnames", "apellido", "apellidos"),
    *("primerapellido", "cognom", "cognoms", "cognome", "sobrenome", "nomdefamille", "nachname"),
)
_SECOND_LAST = ("secondlast", "secondlastname", "secondsurname", "segundoapellido")
_ACCOUNT = ("user", "usuario", "observer", "login", "username", "userlogin", "nick", "nickname", "handle")
_NOBODY = frozenset(("id", "uuid", "oid", "type", "role", "email", "mail", "correo", "orcid", "icon", "avatar"))
_LINE_ENDS = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.|mailto:|data:|//)\S*|[^\s@]+@[^\s@]+\.[^\s@]+", re.IGNORECASE)


def people_of(values: Sequence[Any]) -> pa.StringArray:
    """The people, or places, that each value names, between semicolons.

    Of a list it is every text in it; of a mapping a whole name, or its parts put together ("Ana Pérez" of first and
    last), or, where no key says what is a name, every text in it. Addresses among them are nobody's name: they are left
    out, and with them what opens them. Lines of a text are people each.
    """
    return each_text(values, lambda value: "; ".join(dict.fromkeys(_named(value))) or None, _lines_apart)


def _lines_apart(text: str) -> str:
    return "; ".join(filter(None, map(valid_text, _LINE_ENDS.split(text))))


def _named(value: Any, inside: bool = False) -> Iterator[str]:
    """The names in a value; ``inside`` a list or mapping addresses are none."""
    if isinstance(value, Mapping):
        yield from _named_by_key({_folded(key): item for key, item in value.items()})
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, inside=True)
    else:
        text = _lines_apart(value) if isinstance(value, str) else text_of(value)
        if text and not (inside and _ADDRESS.fullmatch(text)):
            yield text


def _named_by_key(value: Mapping[str, Any]) -> list[str]:
    whole = _first_of(value, _WHOLE)
    if name := _of_parts(value):
        said = set(name.casefold().split())
        return [name, *(other for other in whole if not said.issuperset(other.casefold().split()))]
    return (
        whole
        or _first_of(value, (*_FIRST, *_LAST, *_ACCOUNT))
        or [name for key, item in value.items() if key not in _NOBODY for name in _named(item, inside=True)]
    )


def _of_parts(value: Mapping[str, Any]) -> str | None:
    """First and last name with a space between them; None where one of them is missing."""
    last = " ".join((*_first_of(value, _LAST), *_first_of(value, _SECOND_LAST)))
    first = " ".join((*_first_of(value, _FIRST_BESIDE_A_LAST), *_first_of(value, _MIDDLE)))
    if not (first and last):
        return None
    is_whole = f" {first}".casefold().endswith(f" {last}".casefold())  # {"name": "Ana Pérez", "surname": "Pérez"}
    return first if is_whole else f"{first} {last}"


def _first_of(value: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return next((names for key in keys if (names := list(_named(value.get(key), inside=True)))), [])


def _folded(key: Any) -> str:
    letters = unicodedata.normalize("NFD", str(key)).casefold()
    return "".join(letter for letter in letters if letter.isalnum())
