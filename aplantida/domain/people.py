"""People in the texts that say who took a photo: "(c) Ana Pérez, some rights reserved (CC BY)", "Foto: Pérez, Ana"."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from aplantida.domain.text import clean_text

# an address or mail: nobody's name
ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.|\bmailto:|\bdata:|(?<!\S)//)\S*|"
    r"(?<![^\s(,;:])[^\s@(,;:]+@[^\s@]+\.[^\s@]+",
    re.IGNORECASE,
)
_BREAK = re.compile(r"</?(?:br|p|li|ul|ol|div|td|tr)\b[^<>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]*>")
_RIGHTS = (
    r"\b(?:(?:some|all|no|algunos|todos los|alguns|todos os|tots els|certains|tous|alle|einige|tutti i|alcuni)\s+)?"
    r"(?:rights|derechos|direitos|drets|droits|rechte|diritti)\s+"
    r"(?:reserved|reservados|reservats|réservés|vorbehalten|riservati)\b|"
    r"\bpublic domain\b|\bdominio público\b|\bCC0\b|\bCC[\s-]BY(?:[\s-](?:NC|ND|SA))*\b"
)
_DATE = r"(?<![\w.])\d{1,4}([./-])\d{1,2}\1\d{1,4}(?!\w)"
# what is nobody's name wherever it stands: signs, rights, dates
_NOBODY = re.compile(rf"\(c\)|[©℗Ⓒⓒ®™]|{_RIGHTS}|{_DATE}", re.IGNORECASE)
_SIGNS_BETWEEN = re.compile(r"[;/|&+·•،؛、\r\n\u2028\u2029()\[\]{}<>\"«»“”„—]|\s[-–~@]+\s|:(?!/)")
_WORDS_BETWEEN = re.compile(
    r"(?<![^\s,])(?:and|y|e|i|et|und|och|og|en|em|at|auf|sur|with|con|amb|com|avec|mit|feat\.?|ft\.?|via|vía|on|for|"
    r"from|para|pour|für)(?=\s)",
    re.IGNORECASE,
)
_YEARS = r"(?:1[89]|20)\d\d\b(?:\s*[-–]\s*(?:(?:1[89]|20)\d\d|\d\d)\b)?"
_WORDS = (
    r"(?:copyright|copr|pictures?|photos?|photograph(?:s|y|ed|er)?|images?|fotos?|fotograf(?:[ií]as?|o|a|in|ie)?|"
    r"fotógraf[oa]|imagen|imatge|imagem|immagine|bild|photographie|photographe|cr[eé]dit(?:o|os|s)?|courtesy|"
    r"autor(?:a|es|as)?|authors?|auteure?|autore|autrice|urheber(?:in)?|user|taken|tomada|shot|made|uploaded|subid[oa]|"
    r"dra?|prof|mrs?|ms|sra?)\b"
)
_OF = r"(?:by|of|de|del|por|per|par|von|da|di)\b"
_SIGNS = "-–:;.,*'’‘`@#!?_ \t\r\n"  # at the ends of a name
# what may stand before a name, and behind it
_BEFORE = re.compile(rf"(?:{_WORDS}(?:[.\s]+{_OF})?|{_YEARS}|(?:by|por)\b)\s*", re.IGNORECASE)
_OF_TWO_WORDS = re.compile(rf"{_OF}\s+(?=\S+\s+\S)", re.IGNORECASE)  # "De Ana Pérez", and not "De Vries"
_BEHIND = re.compile(rf"\s(?:{_YEARS}|{_WORDS})$", re.IGNORECASE)
_MOST_TAKEN_OFF = 8  # words and years, at either end


@lru_cache(maxsize=65_536)
def names_in(text: str) -> frozenset[str]:
    """All that a text may name, as :func:`name_key` writes it: the text, its parts, and these without their frame.

    One comma may stand in one name, in the order of lists ("Pérez, Ana"), or between two people: both are read.
    """
    plain = unicodedata.normalize("NFKC", _NOBODY.sub(";", _without_markup(text)))
    parts = [plain]
    for section in _SIGNS_BETWEEN.split(plain):
        parts += [section, *(person for part in section.split(",") for person in [part, *_WORDS_BETWEEN.split(part)])]
        parts += _WORDS_BETWEEN.split(section)
    forms = {form for part in parts for form in _unframed(part)}
    return frozenset({name_key(text), *map(name_key, forms), *map(name_key, map(in_reading_order, forms))} - {""})


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
    yield part
    yield (text := part.strip(_SIGNS))
    for _ in range(_MOST_TAKEN_OFF):
        if not (found := _BEFORE.match(text) or _OF_TWO_WORDS.match(text)):
            break
        yield (text := text[found.end() :].strip(_SIGNS))
    for _ in range(_MOST_TAKEN_OFF):
        if not (found := _BEHIND.search(text[-40:])):
            break
        yield (text := text[: len(text) - len(found[0])].strip(_SIGNS))
