"""People and places in the fields of a collection: texts, lists of them, and mappings that say a name in parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from aplantida.data.field_values import each_text, text_of
from aplantida.domain.people import ADDRESS
from aplantida.domain.text import valid_text, without_accents


def _keys(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# keys without case, accents, what stands between their words and a number at the end ("apellido1", "author 2")
_NAMES = _keys(
    """
    fullname displayname realname truename nombrecompleto nombrereal nomcomplet nomecompleto completename name nombre
    nom nome
    """
)
_PEOPLE = _keys(
    """
    author autor autora auteur autore creator creador photographer photographe fotografo fotografa fotograf person
    persona observer observador observadora owner artist artista collector colector contributor rightsholder titular
    """
)
_FIRST = _keys(
    """
    first given firstname firstnames givenname givennames forename forenames prenom prenoms vorname nombredepila
    primernombre nombres
    """
)
_FIRST_BESIDE_A_LAST = _keys("nombre name nom nome")
_LAST_BESIDE_A_FIRST = _keys("nom name nome")
_MIDDLE = _keys("middle middlename middlenames segundonombre nondroppingparticle")
_LAST = _keys(
    """
    last family lastname lastnames familyname surname surnames apellido apellidos primerapellido cognom cognoms cognome
    sobrenome nomdefamille nachname
    """
)
_SECOND_LAST = _keys("secondlast secondlastname secondsurname segundoapellido")
_ACCOUNT = _keys("user usuario login username userlogin nick nickname handle screenname")
_NOBODY = _keys("id uuid oid nsid type role roles email mail correo orcid icon avatar pathalias")
_KNOWN = frozenset((*_NAMES, *_PEOPLE, *_FIRST, *_MIDDLE, *_LAST, *_SECOND_LAST, *_ACCOUNT, *_NOBODY))
_LINE_ENDS = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+")


def people_of(values: Sequence[Any]) -> pa.StringArray:
    """The people, or places, that each value names, between semicolons.

    Of a list it is every text in it; of a mapping all whole names, a name in parts put together ("Ana Pérez" of first
    and last), or, where no key says what is a name, every text in it. An account (``login``) is named where nobody is,
    and silences no other text. Addresses among them are nobody's name: they are left out, and with them what opens
    them. Lines of a text are people each.
    """
    return each_text(values, lambda value: "; ".join(dict.fromkeys(_named(value))) or None, _lines_apart)


def _lines_apart(text: str) -> str:
    return "; ".join(filter(None, map(valid_text, _LINE_ENDS.split(text))))


def _named(value: Any, inside: bool = False) -> Iterator[str]:
    """The names in a value; ``inside`` a list or mapping addresses are none."""
    if isinstance(value, Mapping):
        yield from _named_by_key(_by_key(value))
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, inside=True)
    else:
        text = _lines_apart(value) if isinstance(value, str) else text_of(value)
        if text and not (inside and ADDRESS.fullmatch(text)):
            yield text


def _named_by_key(value: Mapping[str, list[str]]) -> list[str]:
    """All whom the keys name, who is named in parts first; parts of a name that is said are nobody beside it."""
    people = [text for key in value if key in _PEOPLE for text in value[key]]
    names = [*_of_parts(value), *(text for key in _NAMES for text in value.get(key, ()))]
    words = [_words(text) for text in (*names, *people)]
    said = [text for text in names if not any(_words(text) < others for others in words)]
    if said or people:
        return [*said, *people]
    accounts = [text for key in value if key in _ACCOUNT for text in value[key]]
    others = [text for key in value if key not in _KNOWN for text in value[key]]
    return [*accounts, *(text for text in others if not (accounts and text[0].isdigit()))]  # dates, counts


def _of_parts(value: Mapping[str, list[str]]) -> list[str]:
    """First and last name with a space between them, or what there is of them."""
    first, last = _first_of(value, _FIRST), _first_of(value, _LAST)
    if last and not first:
        first = _first_of(value, _FIRST_BESIDE_A_LAST)
    elif first and not last:
        last = _first_of(value, _LAST_BESIDE_A_FIRST)
    parts = [" ".join((*first, *_first_of(value, _MIDDLE))), " ".join((*last, *_first_of(value, _SECOND_LAST)))]
    if not (first and last):
        return [*first, *last]
    whole = (one for one, other in (parts, parts[::-1]) if _words(other) <= _words(one))  # of "Ana Pérez" and "Pérez"
    return [next(whole, " ".join(parts))]


def _words(text: str) -> set[str]:
    return set(text.casefold().split())


def _first_of(value: Mapping[str, list[str]], keys: Sequence[str]) -> list[str]:
    return next((names for key in keys if (names := value.get(key))), [])


def _by_key(value: Mapping[Any, Any]) -> dict[str, list[str]]:
    """The texts under each key, as the lists above write it; of numbered keys in the order of their numbers."""
    keyed: dict[str, list[tuple[str, Any]]] = {}
    for written, item in value.items():
        key, number = _folded(written)
        is_person = isinstance(item, Mapping) or (isinstance(item, str) and len(item.split()) > 1)
        keyed.setdefault("person" if key in _ACCOUNT and is_person else key, []).append((number, item))
    return {
        key: [text for _, item in sorted(items, key=lambda pair: pair[0]) for text in _named(item, inside=True)]
        for key, items in keyed.items()
    }


def _folded(key: Any) -> tuple[str, str]:
    """A key without what has no part in its meaning, and the number at its end: ``author_first_name 2``."""
    plain = "".join(letter for letter in without_accents(str(key)).casefold() if letter.isalnum())
    name = plain.rstrip("0123456789")
    if name not in _KNOWN:
        role = next(
            (role for role in (*_PEOPLE, *_ACCOUNT) if name.startswith(role) and name[len(role) :] in _KNOWN), ""
        )
        name = name[len(role) :]
    return name or plain, plain[len(plain.rstrip("0123456789")) :].zfill(3)
