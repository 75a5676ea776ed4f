"""People in the texts that say who took a photo: "(c) Ana Pérez, some rights reserved (CC BY)", "Foto: Pérez, Ana"."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

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
    r"\bpublic domain\b|\bdominio público\b|\bCC(?:0|[\s-]BY(?:[\s-](?:NC|ND|SA))*)\b(?:\s+[1-4]\.[05]\b)?"
)
_DAY = r"(?<![\w.])\d{1,4}([./-])\d{1,2}\1\d{1,4}(?!\w)"
_MONTH = (
    r"(?:jan|ene|gen|feb|fév|mar|mär|apr|abr|avr|may|mai|mag|maig|jun|juin|jul|juil|giu|lug|aug|ago|aoû|ag|set|sep|oct|"
    r"okt|out|ott|nov|dec|dic|des|déc|dez)[^\W\d_]{0,8}\b\.?"
)
_YEAR = r"(?:1[89]|20)\d\d\b"
_DAY_OF_MONTH = r"\b[0-3]?\d(?:st|nd|rd|th|er|º|\.)?"
_DATE = (
    rf"{_DAY}|{_DAY_OF_MONTH}\s+(?:de\s+|of\s+)?{_MONTH},?\s+(?:del?\s+)?{_YEAR}|"
    rf"\b{_MONTH}\s+{_DAY_OF_MONTH},?\s+{_YEAR}"
)
# what is nobody's name wherever it stands: signs, rights, dates
_NOBODY = re.compile(rf"\(c\)|[©℗Ⓒⓒ®™]|{_RIGHTS}|{_DATE}", re.IGNORECASE)
_SIGNS_BETWEEN = re.compile(r"[;/|&+·•،؛、\r\n\u2028\u2029()\[\]{}<>\"«»“”„—]|\s[-–~@]+\s|:(?!/)")
_SENTENCE_ENDS = re.compile(r"(?<=[^\W\d_]{3})\.\s+")  # not behind initials
_WORDS_BETWEEN = re.compile(
    r"(?<![^\s,])(?:and|y|e|i|et|und|och|og|en|em|at|auf|sur|with|con|amb|com|avec|mit|feat\.?|ft\.?|via|vía|on|for|"
    r"from|para|pour|für|under|bajo|sous|unter|sob)(?=\s)",
    re.IGNORECASE,
)
_NAMES_WITH_A_CAPITAL = frozenset(
    ("e", "i", "y", "et", "og", "en", "em", "at", "on", "auf", "sur", "com", "under", "bajo", "sous", "unter", "sob")
)
_ONE_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_YEARS = rf"{_YEAR}(?:\s*[-–]\s*(?:(?:1[89]|20)\d\d|\d\d)\b)?"
_WORDS = (
    r"(?:copyright|copr|pictures?|photos?|photograph(?:s|y|ed|er)?|images?|fotos?|fotograf(?:[ií]as?|o|a|in|ie)?|"
    r"fotógraf[oa]|imagen|imatge|imagem|immagine|bild|photographie|photographe|cr[eé]dit(?:o|os|s)?|courtesy|"
    r"autor(?:a|es|as)?|authors?|auteure?|autore|autrice|urheber(?:in)?|user|taken|tomada|shot|made|uploaded|subid[oa]|"
    r"dra?|prof|mrs?|ms|sra?)\b"
)
_OF = r"(?:(?:by|of|de|del|por|per|par|von|da|di)\b|d['’])"
_SIGNS = "-–:;.,*'’‘`@#!?_ \t\r\n"  # at the ends of a name
# what may stand before a name, and behind it
_BEFORE = re.compile(rf"(?:{_WORDS}(?:[.\s]+{_OF})?|{_YEARS}|(?:by|por)\b)\s*", re.IGNORECASE)
_OF_TWO_WORDS = re.compile(rf"{_OF}\s*(?=\S+\s+\S)", re.IGNORECASE)  # "De Ana Pérez", and not "De Vries"
# whatever ends in these is followed by a name: "Observation by", "Cedida por", "iNaturalist user"
_BY = re.compile(
    r".*\b(?:by|por|par|per|By|Por|BY|POR|(?i:user|usuari[oa]?|utilisat(?:eur|rice)|utilizadora?|(?:be)?nutzer(?:in)?|"
    r"utente|member|miembro|account|cuenta))\s+(?=\S)"
)
# of what is somebody's, which no name ends in: a noun of these, or any word in small letters that is no particle
_OF_SOMEBODY = re.compile(
    r"([^\W\d_]{3,})\s+(?:(?:of|de|del|von|di|da|do)\s+|d['’]\s*)(?=([^\W\d_])\S*(?:\s+([^\W\d_]))?)", re.IGNORECASE
)
_SOMEBODYS = re.compile(
    r"cortes[ií]a|gentil(?:eza|lesse|ezza)|courtoisie|courtesy|obra|trabajo|trabalho|treball|travail|[oœ]uvre|work|"
    r"archivo|arxiu|arquivo|archives?|colecci[oó]n|cole[cç]+[aã]o|collection|collezione|propie[dt]ad|propriedade|"
    r"property|propriété|proprietà|observa\w+|retrato|captura|cesi[oó]n|\w*(?:aufnahme|sammlung|eigentum|beobachtung|"
    r"bild|fotos?|fotografie|archiv)",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    ("del", "los", "las", "dos", "das", "van", "von", "der", "den", "ter", "ten", "della", "delle", "dalla", "degli")
)
_SITE = r"[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|info|eu|cat|es|fr|de|it|pt|uk|mx|ar|cl|co|ch|at|be|nl)"
_LICENSED = r"(?-i:l?li[cz]en\w+|publi\w+|released|available|distribu\w+|shared|disponible|veröffentlicht|verfügbar)"
_BEHIND = re.compile(rf"\s(?:{_MONTH}\s+(?:del?\s+)?{_YEAR}|{_YEARS}|{_WORDS}|{_SITE}|{_LICENSED})$", re.IGNORECASE)
_LISTED_WITH = re.compile(rf"{_WORDS}\s*(?::|[.\s]\s*{_OF})\s*", re.IGNORECASE)
_YEARS_AROUND = re.compile(rf"^{_YEARS}|{_YEARS}$")
_MOST_TAKEN_OFF = 8  # words and years, at either end
_MOST_READ = 1_000  # characters of a text, without its markup
_ONE_LETTER = {
    **dict.fromkeys(map(ord, "’‘ʼʹ`´′＇"), "'"),
    **dict.fromkeys(map(ord, "‐‑‒–—−﹣－"), "-"),
    **str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i"}),
}
_MARKS = re.compile("[\u0300-\u036f]+")
_INITIAL = re.compile(r"(?<![^\W_])([^\W\d_])\.\s*(?=[^\W\d_])")


def names_in(text: str) -> frozenset[str]:
    """All that a text may name, as :func:`name_key` writes it: the text, its parts, and these without their frame.

    One comma may stand in one name, in the order of lists ("Pérez, Ana"), or between two people: both are read, but
    that a word alone on either side of it is somebody. Of a long text what stands first is read.
    """
    plain = _without_markup(text[: 8 * _MOST_READ])[:_MOST_READ]
    addresses = ADDRESS.findall(plain)
    plain = _without_nobody(plain)
    forms = {plain, *addresses}
    for section in _sections(plain):
        forms.update(_people_in(section))
    whole = text[: 8 * _MOST_READ]
    return frozenset({name_key(whole), *map(name_key, forms), *map(name_key, map(in_reading_order, forms))} - {""})


def name_key(name: str) -> str:
    """A name in the form in which names are compared.

    That is letters without case and accents, each written in one way, one apostrophe and one hyphen, and initials
    without their stops: ``J.M. GARCÍA`` and ``J. M. Garcia`` are one.
    """
    plain = " ".join(name.split()) if name.isascii() and name.isprintable() else _without_accents(clean_text(name))
    return " ".join(_INITIAL.sub(r"\1 ", plain.casefold().translate(_ONE_LETTER)).split())


def _without_accents(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.translate(_ONE_LETTER)).casefold())
    bare = _MARKS.sub("", unicodedata.normalize("NFD", folded.casefold()))
    return unicodedata.normalize("NFKC", bare)


def in_reading_order(name: str) -> str:
    """``Ana Pérez`` of ``Pérez, Ana``; any other text as it is."""
    last, comma, first = name.partition(",")
    return f"{first} {last}" if comma and "," not in first and first.strip() and last.strip() else name


def without_frame(name: str) -> str:
    """A name that somebody lists, without what is certainly none: ``Ana Pérez`` of ``© 2020 Ana Pérez`` or ``Foto: …``.

    Nothing is left of what names nobody; what may be a name stays ("Foto Pérez", "2020 Vision").
    """
    plain = _without_nobody(_without_markup(name))
    if ADDRESS.fullmatch(name.strip()):
        return name
    found = [part for part in re.split(r"[;()\[\]]", plain) if part.strip(_SIGNS)]
    if len(found) != 1:
        return "" if not found else name
    text = found[0].strip(_SIGNS)
    if ";" in plain:
        text = _YEARS_AROUND.sub("", text).strip(_SIGNS)
    for _ in range(_MOST_TAKEN_OFF):
        if not (end := max(_end(_LISTED_WITH, text), _end(_BY, text), _end_of_somebodys(text))):
            break
        text = text[end:].strip(_SIGNS)
    return text


def _without_markup(text: str) -> str:
    return _MARKUP.sub(" ", _BREAK.sub("\n", html.unescape(text)))


def _without_nobody(text: str) -> str:
    plain = _NOBODY.sub(";", ADDRESS.sub(";", text)).replace("´", "'")  # which NFKC takes for a space
    return unicodedata.normalize("NFKC", plain)


def _sections(plain: str) -> Iterator[str]:
    """What stands between signs, and its sentences; a word that ends another sentence is nobody."""
    for section in _SIGNS_BETWEEN.split(plain):
        yield section
        first, *others = _SENTENCE_ENDS.split(section)
        if others:
            yield first
            yield from (other for other in others if len(other.split()) > 1)


def _people_in(section: str) -> Iterator[str]:
    """What a section may name: all of it, what is between commas, and between words like "and"."""
    halves, people = section.split(","), _between_words(section)
    for part in (section, *people):
        yield from _unframed(part)
    in_list_order = len(halves) == 2 and len(people) == 1 and all(map(_ONE_WORD.search, halves)) and not _led(halves[1])
    for half in halves if len(halves) > 1 else ():
        for part in (half, *_between_words(half)):
            yield from (
                form for form in _unframed(part) if not (in_list_order and _ONE_WORD.fullmatch(form.strip(_SIGNS)))
            )


def _between_words(section: str) -> list[str]:
    """What stands between words like "and"; ``Ana E Costa`` has an initial, ``ANA Y LUIS GIL`` names two."""
    found = list(_WORDS_BETWEEN.finditer(section))
    parts, start = [], 0
    for at, word in enumerate(found):
        until = found[at + 1].start() if at + 1 < len(found) else len(section)
        in_capitals = section.isupper() and (len(word[0]) > 1 or len(section[word.end() : until].split()) > 1)
        if word[0][0].isupper() and word[0].lower() in _NAMES_WITH_A_CAPITAL and not in_capitals:
            continue
        parts.append(section[start : word.start()])
        start = word.end()
    return [*parts, section[start:]]


def _unframed(part: str) -> Iterator[str]:
    """A part of a text, and what is left of it each time that a word, sign or year at its ends is taken off."""
    yield part
    yield (text := part.strip(_SIGNS))
    for _ in range(_MOST_TAKEN_OFF):
        if not (end := _led(text)):
            break
        yield (text := text[end:].strip(_SIGNS))
    for _ in range(_MOST_TAKEN_OFF):
        if not (found := _BEHIND.search(text[-40:])):
            break
        yield (text := text[: len(text) - len(found[0])].strip(_SIGNS))


def _led(text: str) -> int:
    """Where a name begins that has something before it; 0 where nothing is."""
    text = text.rstrip()
    start = len(text) - len(text.lstrip(_SIGNS))
    text = text[start:]
    end = _end(_BEFORE, text) or _end(_OF_TWO_WORDS, text) or _end(_BY, text) or _end_of_somebodys(text)
    return start + end if end else 0


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


def _end_of_somebodys(text: str) -> int:
    """Where a name begins behind "Cortesía de", "archivo fotográfico de"; 0 in "María de Luis Gil"."""
    for found in _OF_SOMEBODY.finditer(text):
        word, *initials = found.groups()
        is_small = word.islower() and word not in _PARTICLES and all(letter and letter.isupper() for letter in initials)
        if is_small or _SOMEBODYS.fullmatch(word):
            return found.end()
    return 0
