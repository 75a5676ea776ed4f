"""What the keys of a mapping say of a name: a part of it, the whole, whose it is; in words of several languages."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from aplantida.domain.text import without_accents


def _keys(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# keys without case, accents, what stands between their words and numbers ("apellido1", "author 2", "author1_first")
NAMES = _keys(
    """
    fullname displayname realname truename nombrecompleto nombrereal nomcomplet nomecompleto completename name nombre
    nom nome naam
    """
)
PEOPLE = _keys(
    """
    author autor autora auteur autore creator creador photographer photographe fotografo fotografa fotograf fotograaf
    person persona observer observador observadora owner artist artista collector colector contributor rightsholder
    titular
    """
)
FIRST = _keys(
    """
    first given firstname firstnames givenname givennames forename forenames prenom prenoms vorname vornamen
    nombredepila primernombre nombres voornaam voornamen
    """
)
INITIALS = _keys("initials initial iniciales inicials initialen initiales voorletters")
FIRST_BESIDE_A_LAST = _keys("nombre name nom nome naam")
LAST_BESIDE_A_FIRST = _keys("nom name nome naam")
MIDDLE = _keys("middle middlename middlenames segundonombre middleinitial middleinitials")
PARTICLES = _keys(
    """
    droppingparticle nondroppingparticle particle particles infix infixes tussenvoegsel tussenvoegsels voorvoegsel
    voorvoegsels lastnameprefix surnameprefix familynameprefix prefixlastname prefixsurname
    """
)
LAST = _keys(
    """
    last family lastname lastnames familyname surname surnames apellido apellidos primerapellido cognom cognoms cognome
    sobrenome nomdefamille nachname familienname achternaam
    """
)
SECOND_LAST = _keys("secondlast secondlastname secondsurname segundoapellido")
ACCOUNT = _keys("user usuario login username userlogin nick nickname handle screenname")
_NOBODY = _keys("id uuid oid nsid type role roles email mail correo orcid icon avatar pathalias")
_OF_SOMEBODY = _keys("ids url uri link homepage website country pais license licence licencia count date fecha year")
KNOWN = frozenset((*NAMES, *PEOPLE, *FIRST, *INITIALS, *MIDDLE, *PARTICLES, *LAST, *SECOND_LAST, *ACCOUNT, *_NOBODY))
SOMEBODY = "somebody"  # of keys that say a role in other words: "co_authors", "credit", "taken_by"

_ROLE = re.compile(
    "author|autor|auteur|autric|creator|creador|criador|createur|photographe|fotografo|fotografa|fotografe|fotograaf|"
    "fotograf$|person|people|observer|observador|observateur|beobachter|waarnemer|owner|holder|inhaber|artist|"
    "collector|colector|coletor|contributor|colaborador|collaborator|titular|propietari|credit|byline|copyright|"
    "urheber|attribution|atribucion|licensor|uploader|submitter|recorder|editor|illustrator|[a-z]{4}(by|por|par|von|door)$"
)
_WHOSE = frozenset((*ACCOUNT, *NAMES))  # with which a part's key may begin or end: "nameLast", "user_first_name"
_PARTS = sorted({*KNOWN, *_OF_SOMEBODY} - {*PEOPLE}, key=lambda word: (-len(word), word))
_COUNTING = frozenset(_keys("first last middle given family initial"))  # "first_author" is no first name
_PLAIN = frozenset(
    word for word in (*FIRST, *LAST, *SECOND_LAST, *ACCOUNT) if len(word) > 5 and word not in ("nombres", "family")
)  # that are parts whatever stands before them: "contact_last_name"


class Key(NamedTuple):
    """A key's word, as the lists above write it, and what tells people apart.

    Attributes:
        word: of the lists, :data:`SOMEBODY`, or the whole key where it says nothing of a name.
        number: inside the key.
        whose: the role in a part's key: ``coauthor`` of "coauthor_last_name".
        end: the number at its end.
    """

    word: str
    number: str
    whose: str
    end: str


@lru_cache(maxsize=4_096)
def read_key(text: str) -> Key:
    """What a key says, without what has no part in its meaning: ``author1_surname_2``."""
    plain = "".join(letter for letter in without_accents(text).casefold() if letter.isalnum())
    front = plain.rstrip("0123456789")
    end = plain[len(front) :].zfill(3)
    name, number = re.sub("[0-9]", "", front), re.sub("[^0-9]", "", front).zfill(3)
    if name in KNOWN:
        return Key(name, number, "", end)
    for word in _PARTS:
        if name.endswith(word):
            rest = name.removesuffix(word)
            is_part = rest in _WHOSE or _ROLE.search(rest) or word in _PLAIN
        else:
            rest = name.removeprefix(word)
            is_part = rest != name and word not in _COUNTING and (rest in _WHOSE or _ROLE.search(rest))
        if is_part:
            return Key("id" if word in _OF_SOMEBODY else word, number, rest, end)
    if _ROLE.search(name):
        return Key(SOMEBODY, number, "", end)
    return Key(front or plain, "".zfill(3), "", end)
