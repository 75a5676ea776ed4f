"""People in the texts that say who took a photo: "(c) Ana Pérez, some rights reserved (CC BY)", "Foto: Pérez, Ana"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from aplantida.domain.people_frames import ADDRESS, SIGNS, led, unframed, without_markup, without_nobody
from aplantida.domain.text import is_unseen, seen_letters, unpaired

_SIGNS_BETWEEN = re.compile(r"[;/|&+·•،؛、\r\n\u2028\u2029()\[\]{}<>\"«»“”„—]|\s[-–~@]+\s|\s@(?=\S)|:(?!/)")
_BETWEEN_TEXTS = re.compile(r"[;()\[\]\r\n]")
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
_MOST_READ = 10_000  # characters of a text, without its markup
_ONE_LETTER = {
    **dict.fromkeys("’‘ʼʹ`´′＇", "'"),
    **dict.fromkeys("-‐‑‒–—−﹣－_", " "),
    **{"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "\u2800": " "},
}
_PLAIN = str.maketrans("`-_", "'  ")
_MARKS = re.compile("[\u0300-\u036f]+")
_INITIAL = re.compile(r"(?<![^\W_])([^\W\d_])\.\s*(?=[^\W\d_])")


def names_in(text: str) -> frozenset[str]:
    """All that a text may name, as :func:`name_key` writes it: the text, its parts, and these without their frame.

    One comma may stand in one name, in the order of lists ("Pérez, Ana"), or between two people: both are read, but
    that a word alone on either side of it is somebody. Of a long text what stands first is read.
    """
    whole = seen_letters(unpaired(text[: 8 * _MOST_READ]))
    plain = without_markup(whole)[:_MOST_READ]
    addresses = ADDRESS.findall(plain)
    plain = without_nobody(plain)
    forms = {plain, *addresses}
    for text in _BETWEEN_TEXTS.split(plain):
        if _SIGNS_BETWEEN.search(text):  # "Photo: Smith & Wesson" may name one
            forms.update(unframed(text))
    for section in _sections(plain):
        forms.update(_people_in(section))
    forms.update([in_reading_order(form) for form in forms if "," in form])
    return frozenset(map(_key, {whole, *forms})) - {""}


def name_key(name: str) -> str:
    """A name in the form in which names are compared.

    That is letters without case and accents, each written in one way, one apostrophe, hyphens and underscores as
    spaces, and initials without their stops: ``J.M. GARCÍA`` and ``J. M. Garcia`` are one.
    """
    return _key(unpaired(name))


def _key(name: str) -> str:
    if name.isascii() and name.isprintable():
        plain = name.lower().translate(_PLAIN)
    else:
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.translate(_FOLDED)).casefold())
    if "." in plain:
        plain = _INITIAL.sub(r"\1 ", plain)
    return " ".join(plain.split()) or " ".join(name.split())


class _Folded(dict[int, str]):
    """What each character becomes in a key: found when it first comes."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if is_unseen(letter):
            plain = ""
        elif unicodedata.category(letter) == "Cc":
            plain = " "
        else:
            plain = "".join(_ONE_LETTER.get(part, part) for part in _ONE_LETTER.get(letter, _folded(letter)))
        self[code] = plain
        return plain


def _folded(letter: str) -> str:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", letter).casefold())
    return _MARKS.sub("", unicodedata.normalize("NFD", plain.casefold()))


_FOLDED = _Folded()


def in_reading_order(name: str) -> str:
    """``Ana Pérez`` of ``Pérez, Ana``; any other text as it is."""
    last, comma, first = name.partition(",")
    return f"{first} {last}" if comma and "," not in first and first.strip() and last.strip() else name


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
    for part in dict.fromkeys((section, *people)):
        yield from unframed(part)
    in_list_order = len(halves) == 2 and len(people) == 1 and all(map(_ONE_WORD.search, halves)) and not led(halves[1])
    for half in halves if len(halves) > 1 else ():
        for part in (half, *_between_words(half)):
            yield from (
                form for form in unframed(part) if not (in_list_order and _ONE_WORD.fullmatch(form.strip(SIGNS)))
            )


def _between_words(section: str) -> list[str]:
    """What stands between words like "and"; ``Ana E Costa`` has an initial, ``ANA Y LUIS GIL`` names two.

    So does ``Ana Pérez Y Luis Gil``: where two words stand on either side, a capital is no initial.
    """
    found = list(_WORDS_BETWEEN.finditer(section))
    parts: list[str] = []
    start = 0
    for at, word in enumerate(found):
        until = found[at + 1].start() if at + 1 < len(found) else len(section)
        in_capitals = section.isupper() and (len(word[0]) > 1 or len(section[word.end() : until].split()) > 1)
        between_two = all(
            len(side.split()) > 1 for side in (section[start : word.start()], section[word.end() : until])
        )
        may_be_initial = word[0][0].isupper() and word[0].lower() in _NAMES_WITH_A_CAPITAL
        if may_be_initial and not (in_capitals or between_two):
            continue
        parts.append(section[start : word.start()])
        start = word.end()
    return [*parts, section[start:]]
