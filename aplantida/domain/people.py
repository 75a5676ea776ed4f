"""People in the texts that say who took a photo: "(c) Ana Pérez, some rights reserved (CC BY)", "Foto: Pérez, Ana"."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

from aplantida.domain.text import clean_text

_BREAK = re.compile(r"</?(?:br|p|li|ul|ol|div|td|tr)\b[^<>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]*>")
_RIGHTS = (
    r"\b(?:some|all|no|algunos|todos los|alguns|todos os|tots els|certains|tous|alle|einige|tutti i|alcuni)\s"
    r"(?:rights|derechos|direitos|drets|droits|rechte|diritti)\s"
    r"(?:reserved|reservados|reservats|réservés|vorbehalten|riservati)\b|\bCC0\b|\bCC[\s-]BY(?:[\s-](?:NC|ND|SA))*\b"
)
_DATE = r"(?<![\w.])\d{1,4}([./-])\d{1,2}\1\d{1,4}(?!\w)"
# what is nobody's name wherever it stands: signs, rights, dates
_NOBODY = re.compile(rf"\(c\)|[©℗Ⓒⓒ]|{_RIGHTS}|{_DATE}", re.IGNORECASE)
_BETWEEN_PEOPLE = re.compile(
    r"[;/|&+·•،؛、\r\n()\[\]{}<>\"«»“”„—]|\s[-–~@]+\s|:(?=\s)|"
    r"(?<![^\s;,()\[\]])(?:and|y|e|i|et|und|och|og|en|with|con|amb|com|avec|mit|feat\.?|ft\.?|via|vía|on|for|from)\s",
    re.IGNORECASE,
)
_YEARS = r"(?:1[89]|20)\d\d\b(?:\s*[-–]\s*(?:(?:1[89]|20)\d\d|\d\d)\b)?"
_WORDS = (
    r"(?:copyright|copr|pictures?|photos?|photograph(?:s|y|ed|er)?|images?|fotos?|fotograf(?:[ií]as?|ías?|o|a|in|ie)?|"
    r"fotógraf[oa]|imagen|imatge|imagem|immagine|bild|photographie|photographe|cr[eé]dit(?:o|os|s)?|courtesy|"
    r"autor(?:a|es|as)?|authors?|auteure?|autore|autrice|urheber(?:in)?|taken|tomada|shot|made|uploaded|subid[oa])\b"
)
_OF = r"(?:by|of|de|del|por|per|par|von|da|di)\b"
# what may stand before a name, and behind it
_BEFORE = re.compile(rf"(?:{_WORDS}(?:[.\s]+{_OF})?|{_YEARS}|(?:by|por)\b|[-–:;.,*]+)\s*", re.IGNORECASE)
_OF_TWO_WORDS = re.compile(rf"{_OF}\s+(?=\S+\s+\S)", re.IGNORECASE)  # "De Ana Pérez", and not "De Vries"
_BEHIND = re.compile(rf"(?:[-–:;.,*]+|\s{_YEARS}|\s{_WORDS})\s*$", re.IGNORECASE)


def names_in(text: str) -> set[str]:
    """All that a text may name, as :func:`name_key` writes it: the whole text, its parts, and these without their frame.

    One comma may stand in one name, in the order of lists ("Pérez, Ana"), or between two people: both are read.
    """
    plain = unicodedata.normalize("NFKC", _NOBODY.sub(";", _without_markup(text)))
    names = {name_key(text), *map(name_key, _unframed(plain))}
    for section in _BETWEEN_PEOPLE.split(plain):
        names.update(name_key(form) for part in section.split(",") for form in _unframed(part))
        names.update(map(name_key, map(in_reading_order, _unframed(section))))
    return names - {""}


def name_key(name: str) -> str:
    """A name in the form in which names are compared: letters without case, each written in one way."""
    folded = unicodedata.normalize("NFKC", clean_text(name)).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).casefold().split())


def in_reading_order(name: str) -> str:
    """``Ana Pérez`` of ``Pérez, Ana``; any other text as it is."""
    last, comma, first = name.partition(",")
    return f"{first} {last}" if comma and "," not in first and first.strip() and last.strip() else name


def _without_markup(text: str) -> str:
    return _MARKUP.sub(" ", _BREAK.sub("\n", html.unescape(text)))


def _unframed(part: str) -> Iterator[str]:
    """A part of a text, and what is left of it each time that a word, sign or year at its ends is taken off."""
    yield (text := part.strip())
    while found := _BEFORE.match(text) or _OF_TWO_WORDS.match(text):
        yield (text := text[found.end() :])
    while found := _BEHIND.search(text):
        yield (text := text[: found.start()].strip())
