"""Names of people and institutions in licence texts: where they end.

A name is words with a capital, initials and particles, in one script each; no word of it limits, forbids or points
elsewhere, but for what institutions bear in their names (``license_holders``). In front of "some rights reserved" and
its like, which iNaturalist writes after a name, words in lower case, numbers and words of scripts without capitals
count too: there an account may stand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from aplantida.domain.license_holders import is_of_holder
from aplantida.domain.license_limits import ENDED_OR_A_NAME, NO_NAME_PAIRS, NO_NAMES_BEGIN
from aplantida.domain.license_tokens import Piece, Token, phrase_at
from aplantida.domain.license_words import PARTICLES, Kind, fold, is_innocent

_SPEAKS_OF_LICENCES = (Kind.COMMONS, Kind.ELEMENT, Kind.STATEMENT, Kind.LICENSE, Kind.SOME_RIGHTS, Kind.COPYRIGHT)
_RIGHTS = re.compile(r"(?:r[ei]serv|vorbehalt)[a-z]*$")
_WITHOUT_CAPITALS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "ARABIC", "HEBREW", "THAI")
_MOST_WORDS, _MOST_LETTERS = 9, 10
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+")


def name_end(tokens: Sequence[Token], start: int, *, alone: bool = False) -> int:
    """The place after the name that begins at ``start``; ``start`` where none does.

    Args:
        tokens: of the text.
        start: where the name may begin.
        alone: nothing says that here is a name: two words at least, none all in capitals.
    """
    end, words = start, 0
    held = _is_behind_copyright(tokens, start)
    for place in range(start, len(tokens)):
        token = tokens[place]
        if (place > start and token.begins_part) or token.piece is not Piece.WORD:
            break
        if _speaks_of_licences(tokens, place) or _script(token.text) != _script(tokens[start].text):
            break
        if _are_no_name(tokens, place):
            break
        may_be_held = not (alone and token.text.isupper()) and token.plain.isascii()
        if is_name_word(token.text, alone=alone) or (
            may_be_held and _is_of_holder(_run(tokens, start), place - start, held=held)
        ):
            end, words = place + 1, words + 1
        elif len(token.text) == 1 and token.text.isupper():
            end = place + 1
        elif token.plain not in PARTICLES:
            break
    return end if words > alone else start


def _run(tokens: Sequence[Token], start: int) -> list[str]:
    """The words from ``start`` to the next sign, or word of licences."""
    end = start + 1
    while end < len(tokens) and tokens[end].piece is Piece.WORD and not tokens[end].begins_part:
        if _speaks_of_licences(tokens, end):
            break
        end += 1
    return [token.text for token in tokens[start:end]]


def _is_of_holder(run: Sequence[str], place: int, *, held: bool) -> bool:
    is_beside_a_name = any(map(is_name_word, (*run[:place], *run[place + 1 :])))
    if held and is_beside_a_name and fold(run[place]) in ENDED_OR_A_NAME:
        return run[place][:1].isupper()
    return is_of_holder(run, place, held=held)


def _is_behind_copyright(tokens: Sequence[Token], start: int) -> bool:
    """Whether a copyright sign, and years, stand before a place."""
    place = start - 1
    while place >= 0 and tokens[place].piece is Piece.NUMBER:
        place -= 1
    return place >= 0 and (tokens[place].piece is Piece.SIGN or tokens[place].plain == "copyright")


def _are_no_name(tokens: Sequence[Token], place: int) -> bool:
    """Whether a word and one beside it say that something ended, or is not yet: "dada de baja", "on hold"."""
    words = [token.plain for token in tokens[max(0, place - 1) : place + 3]]
    if "california" in words:  # Baja California
        return False
    return any(" ".join(pair) in NO_NAME_PAIRS for pair in pairwise(words[: 3 if place else 2]))


def account_end(tokens: Sequence[Token], start: int) -> int:
    """The place after the name or account before "some rights reserved"; ``start`` where there is none."""
    for place in range(start, min(len(tokens), start + _MOST_WORDS)):
        token, phrase = tokens[place], phrase_at(tokens, place)
        if phrase is not None and _RIGHTS.search(phrase.squeezed):
            return place if _is_account(tokens[start:place]) else start
        if (place > start and token.begins_part) or not _may_be_of_account(tokens, place):
            break
    return start


def uploader_end(tokens: Sequence[Token], start: int) -> int:
    """The place after the account that ends a text ("uploaded by ana_perez"); ``start`` where there is none."""
    rest = tokens[start:]
    may_be = all(_may_be_of_account(tokens, place) for place in range(start, len(tokens)))
    return len(tokens) if may_be and _is_account(rest) and _is_unbroken(rest) else start


def leading_name_end(tokens: Sequence[Token]) -> int:
    """The place after the name that a text begins with: "Ana Pérez, CC BY 4.0", "Llez, …, via Wikimedia Commons"."""
    framed = account_end(tokens, 0)
    if framed and (framed == name_end(tokens, 0) or _is_unbroken(tokens[:framed])):
        return framed
    if [token.plain for token in tokens[-3:]] == ["via", "wikimedia", "commons"]:
        end = place = int(tokens[0].plain == "i")  # "I, Luc Viatour"
        while place == end and (place := name_end(tokens, end)) > end:  # one name, or several with commas
            end = place
    else:
        end = name_end(tokens, 0, alone=True) if tokens and tokens[0].plain not in NO_NAMES_BEGIN else 0
    if end == len(tokens) or end == 0:
        return 0
    phrase = phrase_at(tokens, end)
    return end if tokens[end].begins_part or (phrase is not None and phrase.kind is Kind.COMMONS) else 0


def title_end(tokens: Sequence[Token]) -> int:
    """The place after the title that a text begins with, in quotes before "by": '"Rosa canina" by Ana Pérez is …'."""
    if not tokens or not tokens[0].before.endswith('"'):
        return 0
    for place, token in enumerate(tokens[1:], 1):
        if '"' in token.before:
            return place if token.plain == "by" and _is_unlimited(tokens[:place]) else 0
    return 0


def _is_unlimited(tokens: Sequence[Token]) -> bool:
    """Whether words and numbers stand there of which none limits or speaks of licences."""
    return all(
        token.piece in (Piece.WORD, Piece.NUMBER)
        and is_innocent(token.text)
        and fold(token.text).isascii()
        and not (token.piece is Piece.WORD and (_speaks_of_licences(tokens, place) or _are_no_name(tokens, place)))
        for place, token in enumerate(tokens)
    )


def is_name_word(word: str, *, alone: bool = False, framed: bool = False) -> bool:
    """Whether a word may be one of a name: by its script, its capitals, and what it says.

    In scripts without capitals nothing tells a name from a sentence: there it must stand where a site puts names.
    """
    if not is_innocent(word):
        return False
    if fold(word).isascii():
        shouted = word.isupper()
        return len(word) > 1 and word[0].isupper() and _hides_nothing(word) and not (alone and shouted)
    scripts = set(map(_script, word))
    if scripts <= {"CYRILLIC"} or scripts <= {"GREEK"}:
        return len(word) > 1 and word[0].isupper() and word[1:].islower()
    return framed and len(word) <= _MOST_LETTERS and scripts <= set(_WITHOUT_CAPITALS)


def _hides_nothing(word: str) -> bool:
    """Whether no part of "SinVenta" limits, forbids or points elsewhere."""
    return word.isupper() or all(map(is_innocent, _CAMEL.findall(word)))


def _script(word: str) -> str:
    return "LATIN" if fold(word).isascii() else unicodedata.name(word[0], "?").split(" ")[0]


def _may_be_of_account(tokens: Sequence[Token], place: int) -> bool:
    token = tokens[place]
    if token.piece is Piece.NUMBER:
        return token.text.isdigit()
    if token.piece is not Piece.WORD or _speaks_of_licences(tokens, place):
        return False
    return is_name_word(token.text, framed=True) or (
        token.plain.isascii() and is_innocent(token.text) and _hides_nothing(token.text)
    )


def _speaks_of_licences(tokens: Sequence[Token], place: int) -> bool:
    phrase = phrase_at(tokens, place)
    return phrase is not None and phrase.kind in _SPEAKS_OF_LICENCES


def _is_account(tokens: Sequence[Token]) -> bool:
    """Whether there is a word, and pieces that belong together say nothing bad together ("n0n_comm3rcial")."""
    together = "".join((" " if re.search(r"\s", token.before) else "") + token.plain for token in tokens)
    return any(token.piece is Piece.WORD for token in tokens) and all(map(is_innocent, together.split()))


def _is_unbroken(tokens: Sequence[Token]) -> bool:
    """Whether neither a space nor the end of a part stands between tokens."""
    return not any(token.begins_part or re.search(r"\s", token.before) for token in tokens[1:])
