"""Words behind a scientific name, where its authors stand: which are people, and which are notes on the plant.

Many surnames are words, and many notes are written like surnames ("Rosa canina Flower"). Doubts, parts and ages of a
plant are nobody. Any other word of plants is somebody who has initials ("A.Wild", "W.J.de Wilde") or "van" and the like
before it, or is named beside an author ("Britton & Wild"), or is a botanist's surname that stands by itself ("Spruce",
and not "Blue Spruce").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aplantida.domain.ordinary_words import MAYBE_NOTES, NO_AUTHORS, SMALL_WORDS, SURNAMES
from aplantida.domain.text import without_accents

_MAY_BE_SMALL = """
ex in et and y e und & al al. f. f fil. fil filius bis hort. hort bin ibn st. st 't de da do dos das del della delle dei
di du des der den dem van von vom zu zur zum ter ten te af av la le las les los el
"""
PARTICLES = frozenset(_MAY_BE_SMALL.split())
# ranks, qualifiers and notes: wherever they stand without what belongs to them, a name is not understood
_DOUBTS = frozenset(
    (
        *("cf", "aff", "agg", "sp", "spp", "ssp", "subsp", "subspecies", "var", "variety", "forma", "cv", "hybrid"),
        *("s.str", "s.lat", "sl", "sensu", "auct", "nomen", "nudum", "dubium"),
    )
)
_BETWEEN_AUTHORS = frozenset(("&", "and", "und", "et", "ex", "y", "e"))
_NEVER_AT_AN_END = frozenset(("&", "and", "und", "et", "ex"))
# Solander, Herbert, Fernald, Bellardi, Champion, Palmer
_ABBREVIATED = frozenset(("sol", "herb", "fern", "bell", "champ", "palm"))
_OF_SURNAMES = frozenset(("van", "von", "vom", "zu", "zum", "zur", "ter", "ten", "af", "av"))  # and of no note
_WITHIN_SURNAMES = PARTICLES - _BETWEEN_AUTHORS - {"al", "al.", "f", "f.", "fil", "fil.", "filius", "bis", "in"}
_WORDS = MAYBE_NOTES | NO_AUTHORS
_TOKEN = re.compile(r"(?P<part>[^\s()\[\],;:&.]+\.?|\S)(?P<space>\s*)")
_INITIAL = re.compile(r"-?[^\W\d_]\.")


def note_among(authors: str) -> str | None:
    """The first word among authors that is a note, or joins nobody to nobody; None where there is none."""
    found = list(_TOKEN.finditer(authors))
    tokens = [token["part"] for token in found]
    for at, token in enumerate(tokens):
        plain = _plain(token)
        if plain in _NEVER_AT_AN_END and at in (0, len(tokens) - 1):
            return token
        if token in PARTICLES:
            continue
        if plain in _DOUBTS or plain in NO_AUTHORS or _is_small(token, plain):
            return token
        if plain in MAYBE_NOTES and not (_has_initials(found, at) or _is_somebody(tokens, at, plain)):
            return token
    return None


def _plain(word: str) -> str:
    return without_accents(word.lower().rstrip("."))


def _is_small(word: str, plain: str) -> bool:
    """Whether it is an article or the like that no author begins with ("Den Hartog", "Des Moul.")."""
    return plain in SMALL_WORDS and plain not in PARTICLES and not word.endswith(".")


def _has_initials(found: Sequence[re.Match[str]], at: int) -> bool:
    """Whether initials, and particles, stand right before a word, or particles of surnames do.

    ``L.`` and a space are Linnaeus.
    """
    first = at
    while first and found[first - 1]["part"] in _WITHIN_SURNAMES:
        first -= 1
    if any(token["part"] in _OF_SURNAMES for token in found[first:at]):
        return True
    before = found[first - 1] if first else None
    if before is None or not _INITIAL.fullmatch(before["part"]) or not before["part"].isupper():
        return False
    alone = first == 1 or not _INITIAL.fullmatch(found[first - 2]["part"])
    return not (before["part"] == "L." and before["space"] and alone)


def _is_somebody(tokens: Sequence[str], at: int, plain: str) -> bool:
    """Whether a word is joined to an author, is one's abbreviation, or a surname with no such word beside it."""
    before, after = [*reversed(tokens[max(0, at - 2) : at])], tokens[at + 1 : at + 3]
    pairs = [(pair[0].lower(), pair[1]) for pair in (before, after) if len(pair) == 2]
    joined = any(word in _BETWEEN_AUTHORS and _is_author(other) for word, other in pairs)
    joined_to_a_surname = any(word in ("&", "ex") and _plain(other) in SURNAMES for word, other in pairs)
    if joined or joined_to_a_surname or (tokens[at].endswith(".") and plain in _ABBREVIATED):
        return True
    return plain in SURNAMES and not any(_plain(word) in MAYBE_NOTES for word in (*before[:1], *after[:1]))


def _is_author(token: str) -> bool:
    return token[:1].isupper() and _plain(token) not in _WORDS
