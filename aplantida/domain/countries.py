"""Countries as people write them: ISO 3166-1 codes of two or three letters, and names.

Names are Spanish and English, and those of the neighbours' languages that mean nothing else in these two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import pycountry
from babel import Locale

from aplantida.domain.text import without_accents

LANGUAGES = ("es", "en")
NEIGHBOURS = ("ca", "pt", "fr", "de", "it")
# names there that are other words, people or places elsewhere
_OTHER_WORDS = frozenset(
    (
        *("island", "maurice", "maurici", "maurizio", "dominique", "grenade", "norfolk", "salvador"),
        *("ira", "oma", "japo"),
    )
)
_KOSOVO = "XK"  # no code of ISO's, but the one that is used
_CODE = re.compile(r"[A-Za-z]{2}")
_CODES = re.compile(r"[A-Za-z]{2}(?: +[A-Za-z]{2})+")
_SMALL_WORDS = frozenset(
    (
        *("al", "am", "an", "ao", "as", "at", "be", "by", "ca", "cf", "de", "do", "el", "il", "im", "in", "is", "it"),
        *("la", "me", "my", "na", "ni", "no", "se", "si", "so", "su", "to", "um", "us", "va", "ve"),
    )
)  # codes too, where all are capitals
_LISTED = re.compile(r"[,;/|•·\n]+|\s[-–—]\s")
_MAY_BE_LISTED = (_SMALL_WORDS | {"es"}) - {"de", "it"}  # "es y no" and "es y la" are words; "es y it" are countries
_AND = re.compile(r"\s+(?:y|e|and|&)\s+", re.IGNORECASE)
_ARTICLE = re.compile(
    r"^(?:(?:the|la|el|las|los|(?:republica|federacion|reino|principado|gran ducado|sultanato|emirato|estado)"
    r"(?: federal| plurinacional| bolivariana| oriental| arabe| islamica| popular| unida)? (?:de la|del|de|of)|"
    r"(?:federal |islamic |arab |people s )?republic of|(?:kingdom|principality|state|commonwealth|sultanate) of) )+"
)
_IN_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]")
# what neither CLDR nor ISO lists and people write all the same
_ALSO = {
    "US": "usa; us of a; eeuu; ee uu; e e u u; eua; e u a; u s a; u s; estados unidos de america; "
    "united states of america",
    "GB": "uk; u k; g b; britain; n ireland; "
    "gran bretana; great britain; inglaterra; england; escocia; scotland; gales; wales; "
    "irlanda del norte; northern ireland",
    "GR": "el; hellas",
    "NL": "holanda; holland; nederland",
    "CZ": "republica checa; rep checa; chequia; czech republic; czechia; checa",
    "TR": "turquia; turkey; turkiye",
    "CI": "costa de marfil; ivory coast",
    "MM": "birmania; burma",
    "SZ": "suazilandia; swazilandia; swaziland",
    "CV": "cabo verde; cape verde",
    "RU": "rusia; russia; federacion rusa",
    "KR": "corea del sur; south korea; corea; republica de corea; republic of korea; s korea",
    "KP": "corea del norte; north korea; republica popular democratica de corea; n korea",
    "MK": "macedonia; macedonia del norte; fyrom; antigua republica yugoslava de macedonia",
    "CD": "republica democratica del congo; democratic republic of the congo; dr congo; drc; zaire; rdc; d r congo",
    "CG": "republica del congo; republic of the congo",
    "PS": "palestina; palestine",
    "VA": "vaticano; ciudad del vaticano; vatican; holy see; santa sede",
    "LA": "laos",
    "SY": "siria; syria",
    "TL": "timor oriental; east timor",
    "BN": "brunei",
    "FM": "micronesia",
    "BY": "bielorrusia; belarus",
    "XK": "kosovo",
    "HK": "hong kong",
    "MO": "macao; macau",
    "DO": "republica dominicana; dominican republic; rep dominicana; r dominicana",
    "AE": "emiratos arabes; uae; eau",
    "TW": "republica de china; republic of china",
    "MX": "mejico; estados unidos mexicanos",
    "AR": "republica argentina",
    "CH": "confederacion suiza",
    "FR": "republica francesa",
    "LK": "ceilan; ceylon",
    "IR": "persia",
    "TH": "siam",
    "ZW": "rodesia; rhodesia",
    "BJ": "dahomey",
    "BF": "alto volta; upper volta",
    "ET": "abisinia; abyssinia",
    "IE": "eire",
    "SA": "arabia saudita",
    "ZA": "surafrica; africa del sur",
    "NZ": "nueva zelandia",
    "BA": "bosnia",
    "CN": "china continental; mainland china; republica popular china; people s republic of china; "
    "peoples republic of china; pr china; p r china; prc",
}


@dataclass(frozen=True, slots=True)
class ReadCountries:
    """What was read: ``codes`` of two capital letters, each once, and the parts of the text that are no country."""

    codes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@lru_cache(maxsize=16_384)
def read_countries(text: str) -> ReadCountries:
    """The countries in a list that is a text: ``España, Portugal``, ``ES;PT``, ``es pt``, ``Bosnia y Herzegovina``."""
    whole = code_of(text)
    if whole is not None:
        return ReadCountries((whole,))
    codes: list[str] = []
    unread: list[str] = []
    for piece in filter(None, (piece.strip() for piece in _LISTED.split(text))):
        some = _codes_in(piece)
        codes += some
        if not some:
            unread.append(piece)
    return ReadCountries(tuple(dict.fromkeys(codes)), tuple(unread))


@lru_cache(maxsize=16_384)
def read_country(text: str) -> str | None:
    """The one country of a text: of codes the first, of an address (``Madrid, España``) the only one it names."""
    whole = code_of(text)
    if whole is not None:
        return whole
    read = read_countries(text)
    only_codes = not read.unread and all(map(_CODE.fullmatch, re.findall(r"\w+", text)))
    return read.codes[0] if read.codes and (len(read.codes) == 1 or only_codes) else None


@lru_cache(maxsize=16_384)
def code_of(text: str) -> str | None:
    """The code of two capital letters of a text that is one country's name or code; None for any other text."""
    key = _key(text)
    found = _names().get(key)
    if found is None:
        found = _names().get(_ARTICLE.sub("", _key(_IN_BRACKETS.sub(" ", text))))
    return found


def _codes_in(piece: str) -> list[str]:
    whole = code_of(piece)
    if whole is not None:
        return [whole]
    listed, apart = _AND.split(piece), piece.split() if _CODES.fullmatch(piece) else []
    several: list[list[str]] = []
    if len(listed) > 1 and not (_are_words(listed, _SMALL_WORDS) or _are_words(listed, _MAY_BE_LISTED)):
        several.append(listed)
    if apart and not _are_words(apart, _SMALL_WORDS | {"es"}) and not _has_a_word_among_capitals(apart):
        several.append(apart)
    for parts in (*several, _IN_BRACKETS.findall(piece)):
        codes = [code for code in map(code_of, parts) if code is not None]
        if codes and len(codes) == len(parts):
            return codes
    return []


def _are_words(parts: Sequence[str], words: Set[str]) -> bool:
    """Whether parts that are codes to the eye may all be words: ``no es``."""
    return all(not part.isupper() and part.lower() in words for part in parts)


def _has_a_word_among_capitals(parts: Sequence[str]) -> bool:
    """Whether a code has a small word beside it: ``in ES``."""
    return any(map(str.isupper, parts)) and any(not part.isupper() and part.lower() in _SMALL_WORDS for part in parts)


def _key(text: str) -> str:
    """Small letters without accents, words with one space between them."""
    plain = without_accents(text.casefold(), compatible=True)
    return " ".join(re.findall(r"\w+", plain.replace("'", "").replace("’", "")))


def _of_neighbours(known: Set[str], taken: Mapping[str, Set[str]]) -> dict[str, str]:
    """Code by key of names in further languages that mean one country, and nothing where Spanish and English are."""
    found: dict[str, set[str]] = {}
    for language in NEIGHBOURS:
        territories = cast("Mapping[str, str]", Locale(language).territories)
        for code in known & set(territories):
            found.setdefault(_key(territories[code]), set()).add(code)
    unclear = _OTHER_WORDS | set(taken)
    return {key: next(iter(codes)) for key, codes in found.items() if len(codes) == 1 and key not in unclear}


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Code by key; a name that is two countries' is nobody's."""
    found: dict[str, set[str]] = {}

    def note(name: str | None, code: str) -> None:
        if name:
            found.setdefault(_key(name), set()).add(code)

    known = {country.alpha_2 for country in pycountry.countries} | {_KOSOVO}
    for country in pycountry.countries:
        for field in ("name", "official_name", "common_name", "alpha_3"):
            note(getattr(country, field, None), country.alpha_2)
    for language in LANGUAGES:
        territories = cast("Mapping[str, str]", Locale(language).territories)
        for code in known & set(territories):
            note(territories[code], code)
    names = _of_neighbours(known, found)
    names |= {key: next(iter(codes)) for key, codes in found.items() if len(codes) == 1}
    for code, also in _ALSO.items():
        names |= dict.fromkeys(also.split("; "), code)
    withdrawn = {country.alpha_2: country.alpha_2 for country in pycountry.historic_countries}
    return names | {code.lower(): code for code in {**withdrawn, **dict.fromkeys(known)}} | {"uk": "GB", "el": "GR"}
