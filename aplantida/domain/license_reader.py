"""What a licence text says. A grammar in which every word has a place, or the text is not read.

A text is cleaned (compatibility characters, accents, invisible characters, kinds of dashes) and read from left to
right. What has a place: Creative Commons licences by code, name or address, with their version and national port; the
public domain, "all rights reserved" and some other licences; ©, years, names (``license_names``), sources, addresses;
words that say nothing ("this photo is licensed under"). Anything else ends the reading, and is named: "© Juan Pérez,
CC BY 4.0" is read, "CC BY 4.0, uso docente" and "CC BY 4.0 NC" are not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aplantida.domain.license_addresses import VERSIONS, WITHOUT_PORTS, license_at
from aplantida.domain.license_names import account_end, leading_name_end, name_end, title_end, uploader_end
from aplantida.domain.license_statements import CommonsLicense, NotUnderstood, Statement, settle
from aplantida.domain.license_tokens import Piece, Token, clean, phrase_at, tokens_of
from aplantida.domain.license_words import PORTS, PUBLIC_DOMAIN_TEMPLATE, WHOLE, Kind, is_innocent

LONGEST = 1000  # characters of a text that is read
_NUMBERED = {"CC0-1.0": ("1", "1.0"), "PDM-1.0": ("1", "1.0"), "LAL-1.3": ("1.3",)}
_BEFORE_AN_ADDRESS = ("see", "visit", "ver", "vease", "siehe", "vedi", "voir", "veja")
_YEAR = re.compile(r"1[89]\d\d|20\d\d")


@dataclass(frozen=True, slots=True)
class LicenseReading:
    """What a text says.

    Attributes:
        license_id: SPDX-like; None when the text cannot be read.
        problem: what was not understood; None when the text was read, or when there is none.
    """

    license_id: str | None = None
    problem: str | None = None


def read_license(text: str | None) -> LicenseReading:
    """Read a licence text or address.

    Reads what iNaturalist, GBIF, Wikimedia Commons, Flickr and Europeana write, and the names of the Creative Commons
    licences in English, Spanish, Catalan, Portuguese, French, Italian and German. A version that is not given is not
    in the id (``CC-BY``), a national port is (``CC-BY-3.0-ES``; 4.0 has none). Of several versions of one licence the
    newest counts. A choice between a Creative Commons licence and the GFDL or the Free Art License ("or", "/", "|")
    is the Creative Commons one. Of all other texts that name two licences none is read.
    """
    if text is None or not text.strip():
        return LicenseReading()
    if len(text) > LONGEST:
        return LicenseReading(problem=f"more than {LONGEST} characters")
    return _read(text)


@lru_cache(maxsize=8192)
def _read(text: str) -> LicenseReading:
    tokens = tokens_of(clean(text))
    whole = _whole(tokens)
    if whole is not None:
        return LicenseReading(whole)
    reader = _Reader(tokens)
    try:
        return LicenseReading(reader.read())
    except NotUnderstood as error:
        return LicenseReading(problem=str(error))


def _whole(tokens: Sequence[Token]) -> str | None:
    """The licence that a text means as a whole: Flickr's names, Wikimedia's templates, a bare ©."""
    if any(token.piece in (Piece.ADDRESS, Piece.OTHER) for token in tokens):
        return None
    words = [token.plain for token in tokens]
    if words in (["©"], ["(c)"], ["copyright"]):
        return "LicenseRef-AllRightsReserved"
    if words[:1] == ["pd"] and PUBLIC_DOMAIN_TEMPLATE.issuperset(words[1:]):
        return "PDM-1.0"
    return WHOLE.get("".join(words))


class _Reader:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._statements: list[Statement] = []

    def read(self) -> str:
        """The licence of the text.

        Raises:
            NotUnderstood: naming what has no place.
        """
        place = title_end(self._tokens) or leading_name_end(self._tokens)
        while place < len(self._tokens):
            place = self._step(place)
        return settle(self._statements, self._tokens)

    def _step(self, place: int) -> int:
        """The place after what begins at ``place``."""
        token, phrase = self._tokens[place], phrase_at(self._tokens, place)
        if token.piece is Piece.ADDRESS:
            return self._address(place)
        if token.piece is Piece.SIGN:
            return self._name(place + 1)
        if token.plain in _BEFORE_AN_ADDRESS and self._is_address(place + 1):
            return place + 1
        if phrase is None:
            if _YEAR.fullmatch(token.text):
                return place + 1
            raise NotUnderstood(f"{token.text!r} is not understood")
        if phrase.kind in (Kind.COMMONS, Kind.ELEMENT):
            return self._commons(place)
        if phrase.kind is Kind.STATEMENT:
            return self._numbered(place, phrase.meaning, phrase.end)
        if phrase.kind in (Kind.NAME_LEAD, Kind.COPYRIGHT, Kind.UPLOADER):
            return self._name(phrase.end, may_be_account=phrase.kind is Kind.UPLOADER)
        return phrase.end

    def _name(self, place: int, *, may_be_account: bool = False) -> int:
        """The place after years and a name."""
        tokens = self._tokens
        while place < len(tokens) and _YEAR.fullmatch(tokens[place].text):
            place += 1
        if place == len(tokens) or re.search(r"[,;/|()\[\]{}<>\n]", tokens[place].before):
            return place
        account = uploader_end(tokens, place) if may_be_account else account_end(tokens, place)
        return max(account, name_end(tokens, place))

    def _numbered(self, place: int, license_id: str, end: int) -> int:
        after = self._skip(end, Kind.LICENSE, Kind.VERSION)
        number = self._tokens[after].text if after < len(self._tokens) else ""
        if license_id.startswith("GFDL") and number in ("1.1", "1.2", "1.3"):
            phrase = phrase_at(self._tokens, after + 1)
            later = phrase is not None and "later" in phrase.squeezed
            license_id, end = f"GFDL-{number}-{'or-later' if later else 'only'}", after + 1
        elif number in _NUMBERED.get(license_id, ()):
            end = after + 1
        self._statements.append(Statement(license_id, place, end))
        return end

    def _commons(self, start: int) -> int:
        """``[CC [licence]] element … [licence] [version [port]] …``; else "by" before a name, or "Creative Commons"."""
        said = phrase_at(self._tokens, start)
        named = said is not None and said.kind is Kind.COMMONS
        first = self._skip(start, Kind.COMMONS, Kind.LICENSE) if named else start
        elements, place = self._elements(first)
        if not elements:
            return place
        versions, end = self._versions(place)
        if not named and elements == {"by"}:
            if self._tokens[first].plain == "by":
                return self._name(first + 1)
            if not versions:
                return place  # "attribution": all of them ask for it
        if "by" not in elements or {"nd", "sa"} <= elements:
            text = " ".join(token.text for token in self._tokens[first:place])
            raise NotUnderstood(f"{text!r} is not understood")
        goes_on = place < len(self._tokens) and not self._tokens[place].begins_part
        if not versions and goes_on and self._tokens[place - 1].plain == "by":  # CC BY Ana Pérez
            end = max(end, name_end(self._tokens, place, alone=True))
        for version, port in versions or [(None, "")]:
            self._statements.append(Statement(CommonsLicense(frozenset(elements), version, port), start, end))
        return end

    def _elements(self, place: int) -> tuple[set[str], int]:
        """The elements that stand in a row, and the place after them."""
        elements: set[str] = set()
        while (said := phrase_at(self._tokens, place)) is not None and said.kind is Kind.ELEMENT:
            if said.squeezed == "by" and "by" in elements and name_end(self._tokens, said.end) > said.end:
                break  # CC BY by Ana Pérez
            elements.add(said.meaning)
            place = said.end
        return elements, place

    def _versions(self, place: int) -> tuple[list[tuple[str | None, str]], int]:
        """Versions with their ports, and the place after them: "3.0 Unported, 2.5 Generic"."""
        found: list[tuple[str | None, str]] = []
        after = self._skip(place, Kind.LICENSE, Kind.VERSION)
        while after < len(self._tokens) and self._tokens[after].text in VERSIONS:
            version = VERSIONS[self._tokens[after].text]
            port, place = self._port(after + 1, version)
            found.append((version, "" if version == WITHOUT_PORTS else port))
            after = place
            if after + 1 < len(self._tokens) and self._tokens[after].plain in ("and", "y", "et", "und", "e", "i"):
                after += 1
        if not found:
            phrase = phrase_at(self._tokens, after)
            if phrase is not None and phrase.kind is Kind.PORT and phrase.meaning:
                return [(None, phrase.meaning)], phrase.end
        return found, place

    def _port(self, place: int, version: str) -> tuple[str, int]:
        """A version's port by name or code, and the place after it."""
        phrase = phrase_at(self._tokens, place)
        if phrase is not None and phrase.kind is Kind.PORT:
            return phrase.meaning, phrase.end
        if place == len(self._tokens) or self._tokens[place].plain not in PORTS:
            return "", place
        token = self._tokens[place]
        goes_on = place + 1 < len(self._tokens) and not self._tokens[place + 1].before.strip()
        may_be_a_word = not token.text.isupper() or version == WITHOUT_PORTS
        if may_be_a_word and (goes_on or token.plain == "no"):  # "de Juan Pérez"
            return "", place
        return token.plain, place + 1

    def _is_address(self, place: int) -> bool:
        return place < len(self._tokens) and self._tokens[place].piece is Piece.ADDRESS

    def _address(self, place: int) -> int:
        text = self._tokens[place].text
        said = license_at(text)
        if said is None:
            innocent = text.isascii() and all(map(is_innocent, re.findall(r"[A-Za-z0-9]+", text)))
            if not innocent or "creativecommons" in text.casefold():
                raise NotUnderstood(f"{text!r} is not understood")
            return place + 1
        self._statements.append(Statement(said, place, place + 1))
        return place + 1

    def _skip(self, place: int, *kinds: Kind) -> int:
        while (phrase := phrase_at(self._tokens, place)) is not None and phrase.kind in kinds:
            place = phrase.end
        return place
