"""People and places in the fields of a collection: texts, lists of them, and mappings that say a name in parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from aplantida.data.field_values import each_text, text_of
from aplantida.domain.people import ADDRESS
from aplantida.domain.text import valid_text, without_accents


def _keys(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# keys without case, accents, what stands between their words and numbers ("apellido1", "author 2", "author1_first")
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
    primernombre nombres voornaam initials initial iniciales inicials initialen voorletters
    """
)
_FIRST_BESIDE_A_LAST = _keys("nombre name nom nome")
_LAST_BESIDE_A_FIRST = _keys("nom name nome")
_MIDDLE = _keys(
    """
    middle middlename middlenames segundonombre middleinitial middleinitials droppingparticle nondroppingparticle
    particle particles infix tussenvoegsel
    """
)
_LAST = _keys(
    """
    last family lastname lastnames familyname surname surnames apellido apellidos primerapellido cognom cognoms cognome
    sobrenome nomdefamille nachname achternaam
    """
)
_SECOND_LAST = _keys("secondlast secondlastname secondsurname segundoapellido")
_ACCOUNT = _keys("user usuario login username userlogin nick nickname handle screenname")
_NOBODY = _keys("id uuid oid nsid type role roles email mail correo orcid icon avatar pathalias")
_KNOWN = frozenset((*_NAMES, *_PEOPLE, *_FIRST, *_MIDDLE, *_LAST, *_SECOND_LAST, *_ACCOUNT, *_NOBODY))
_ROLES = (*_PEOPLE, *_ACCOUNT, *_NAMES)  # with which keys of a name may begin: "author_first_name", "nameLast"
_LINE_ENDS = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+")


class _Said(NamedTuple):
    """A text of a mapping, and the numbers inside and at the end of its key, which tell people apart."""

    inside: str
    end: str
    text: str


def people_of(values: Sequence[Any]) -> pa.StringArray:
    """The people, or places, that each value names, between semicolons.

    Of a list it is every text in it; of a mapping all whole names, a name in parts put together ("Ana Pérez" of first
    and last), or, where no key says what is a name, every text in it. Numbers in keys (``first2``, ``author1_last``)
    and lists of one length tell people apart. An account (``login``) is named behind them, and silences no other text.
    Addresses among them are nobody's name: they are left out, and with them what opens them. Lines of a text are
    people each.
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


def _named_by_key(value: Mapping[str, list[_Said]]) -> list[str]:
    """All whom the keys name: who is named in parts, who else, accounts; parts of a name that is said are nobody."""
    people = _texts(value, (key for key in value if key in _PEOPLE))
    names = [*_of_parts(value), *_texts(value, _NAMES)]
    words = [_words(text) for text in (*names, *people)]
    said = [text for text in names if not any(_words(text) < others for others in words)]
    accounts = _texts(value, (key for key in value if key in _ACCOUNT))
    if said or people:
        return [*said, *people, *accounts]
    others = _texts(value, (key for key in value if key not in _KNOWN))
    return [*accounts, *(text for text in others if not (accounts and text[0].isdigit()))]  # dates, counts


def _of_parts(value: Mapping[str, list[_Said]]) -> list[str]:
    """Each person's first and last name with a space between them, or what there is of them."""
    first, last = _first_of(value, _FIRST), _first_of(value, _LAST)
    if last and not first:
        first = _first_of(value, _FIRST_BESIDE_A_LAST)
    elif first and not last:
        last = _first_of(value, _LAST_BESIDE_A_FIRST)
    middle = [said for key in _MIDDLE for said in value.get(key, ())]
    parts = (first, middle, last, _first_of(value, _SECOND_LAST))
    return [name for person in _by_person(parts) for name in _put_together(*person)]


def _by_person(parts: Sequence[Sequence[_Said]]) -> Iterator[list[list[str]]]:
    """The parts of each name: people differ in the number inside their keys, and at the end where first names do.

    Numbers at the end of surnames alone ("apellido2") are of one person.
    """
    for inside in sorted({said.inside for part in parts for said in part}):
        mine = [[said for said in part if said.inside == inside] for part in parts]
        if len({said.end for said in mine[0]}) < 2:
            yield from _by_place(mine)
            continue
        for end in sorted({said.end for part in mine for said in part}):
            yield from _by_place([[said for said in part if said.end == end] for part in mine])


def _by_place(parts: Sequence[Sequence[_Said]]) -> Iterator[list[list[str]]]:
    """One name, or one for each place of lists that are of one length ("first": ["Ana", "Luis"], "last": […])."""
    first, middle, last, second = texts = [[said.text for said in part] for part in parts]
    count = len(first)
    are_lists = count > 1 and len(last) == count and len({said.end for said in parts[2]}) == 1
    if are_lists and {len(middle), len(second)} <= {0, count}:
        yield from ([part[at : at + 1] for part in texts] for at in range(count))
    else:
        yield texts


def _put_together(
    first: Sequence[str], middle: Sequence[str], last: Sequence[str], second_last: Sequence[str]
) -> list[str]:
    if not (first and last):
        return [*first, *last]
    parts = [" ".join((*first, *middle)), " ".join((*last, *second_last))]
    whole = (one for one, other in (parts, parts[::-1]) if _words(other) <= _words(one))  # of "Ana Pérez" and "Pérez"
    return [next(whole, " ".join(parts))]


def _words(text: str) -> set[str]:
    return set(text.casefold().split())


def _texts(value: Mapping[str, list[_Said]], keys: Iterable[str]) -> list[str]:
    return [said.text for key in keys for said in value.get(key, ())]


def _first_of(value: Mapping[str, list[_Said]], keys: Sequence[str]) -> list[_Said]:
    return next((said for key in keys if (said := value.get(key))), [])


def _by_key(value: Mapping[Any, Any]) -> dict[str, list[_Said]]:
    """The texts under each key, as the lists above write it; of numbered keys in the order of their numbers."""
    keyed: dict[str, list[tuple[tuple[str, str], Any]]] = {}
    for written, item in value.items():
        key, inside, end = _folded(written)
        is_person = isinstance(item, Mapping) or (isinstance(item, str) and len(item.split()) > 1)
        keyed.setdefault("person" if key in _ACCOUNT and is_person else key, []).append(((inside, end), item))
    return {
        key: [
            _Said(*numbers, text)
            for numbers, item in sorted(items, key=lambda pair: pair[0])
            for text in _named(item, inside=True)
        ]
        for key, items in keyed.items()
    }


def _folded(key: Any) -> tuple[str, str, str]:
    """A key without what has no part in its meaning, and its numbers, inside and at its end: ``author1_surname_2``."""
    plain = "".join(letter for letter in without_accents(str(key)).casefold() if letter.isalnum())
    front = plain.rstrip("0123456789")
    for name, inside in ((front, ""), (re.sub("[0-9]", "", front), re.sub("[^0-9]", "", front))):
        role = next((role for role in _ROLES if name.startswith(role) and name[len(role) :] in _KNOWN), "")
        if name in _KNOWN or role:
            return name if name in _KNOWN else name[len(role) :], inside.zfill(3), plain[len(front) :].zfill(3)
    return front or plain, "".zfill(3), plain[len(front) :].zfill(3)
