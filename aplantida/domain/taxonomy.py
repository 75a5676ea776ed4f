"""Scientific names: one spelling for a species, whatever case, spaces or author the collection wrote."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable

_RANKS = ("subsp.", "ssp.", "var.", "f.")
_EPITHET = re.compile(r"[a-z][a-z-]+$")
_HYBRID = {"x", "×"}


def normalize_name(text: str) -> str | None:
    """The canonical binomial (or trinomial) of ``text``, without author; None when there is no name in it.

    ``"CARDAMINE CALIFORNICA "`` and ``"Cardamine californica (Nutt.) Greene"`` both give ``"Cardamine californica"``;
    a hybrid sign is kept as ``×``; infraspecific ranks are kept as ``subsp.``, ``var.``, ``f.``. A genus alone stays.
    """
    words = unicodedata.normalize("NFC", text).replace("\u00a0", " ").split()
    words = [word for part in words for word in _split_hybrid(part)]
    hybrid_genus = len(words) > 1 and words[0] == "×"
    if hybrid_genus:
        words = words[1:]
    if not words or not words[0][0].isalpha():
        return None
    shouting = text.upper() == text
    kept = [("× " if hybrid_genus else "") + words[0].capitalize()]
    rest = [word.lower() for word in words[1:]] if shouting else words[1:]
    position = 0
    if position < len(rest) and rest[position] == "×":
        kept.append("×")
        position += 1
    if position < len(rest) and _EPITHET.match(rest[position].lower()) and _is_epithet(rest[position], shouting):
        kept.append(rest[position].lower())
        position += 1
        kept.extend(_infraspecific(rest[position:]))
    return " ".join(kept)


def _split_hybrid(word: str) -> list[str]:
    if word.lower() in _HYBRID:
        return ["×"]
    if word.startswith("×") and len(word) > 1:
        return ["×", word[1:]]
    return [word]


def _is_epithet(word: str, shouting: bool) -> bool:
    return shouting or word[0].islower() or word.isupper() or word.istitle()


def _infraspecific(words: list[str]) -> list[str]:
    for at, word in enumerate(words[:-1]):
        rank = word.lower()
        if rank in _RANKS and _EPITHET.match(words[at + 1].lower()) and words[at + 1][0].islower():
            return ["subsp." if rank == "ssp." else rank, words[at + 1].lower()]
    return []


def genus_of(scientific_name: str) -> str:
    """The genus of a normalized name (``"× Cuprocyparis leylandii"`` → ``"Cuprocyparis"``)."""
    words = scientific_name.split()
    return words[1] if words[0] == "×" and len(words) > 1 else words[0]


def read_synonyms(lines: Iterable[str]) -> dict[str, str]:
    """Accepted name by synonym, both normalized, from CSV with the columns ``synonym`` and ``accepted``.

    A chain (a → b, b → c) is followed to its end.

    Raises:
        ValueError: naming the line: a missing column, a text that is no name, two accepted names for one, a circle.
    """
    reader = csv.DictReader(lines)
    if not {"synonym", "accepted"} <= set(reader.fieldnames or ()):
        raise ValueError(f"line 1: columns are {reader.fieldnames}, want synonym and accepted")
    direct: dict[str, str] = {}
    for row in reader:
        synonym, accepted = (normalize_name(row[key] or "") for key in ("synonym", "accepted"))
        if synonym is None or accepted is None:
            raise ValueError(f"line {reader.line_num}: {row['synonym']!r}, {row['accepted']!r}: want two plant names")
        if direct.setdefault(synonym, accepted) != accepted:
            raise ValueError(f"line {reader.line_num}: {synonym} is {direct[synonym]} in an earlier line")
    return {synonym: _end_of_chain(synonym, direct) for synonym, accepted in direct.items() if synonym != accepted}


def _end_of_chain(name: str, direct: dict[str, str]) -> str:
    seen = [name]
    while seen[-1] in direct and direct[seen[-1]] != seen[-1]:
        following = direct[seen[-1]]
        if following in seen:
            raise ValueError(f"a circle of synonyms: {' → '.join([*seen, following])}")
        seen.append(following)
    return seen[-1]
