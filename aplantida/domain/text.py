"""Text from outside, made valid and of one form: done once, where it enters."""

from __future__ import annotations

import re
import unicodedata

_LONE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_BLANK = "\u2800"  # no space for Unicode, and nothing to be seen
_CONTROLS = re.compile(r" ?[\x00-\x1f\x7f-\x9f\u2028\u2029]+ ?")
_JOINERS = "\u200c\u200d"  # they shape letters in some scripts, and emoji: only useless at an end
_CONTROL = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
# byte order mark, spaces of no width, soft hyphen, and directions, which come along when an address is copied
_UNSEEN = "\ufeff\u200b\u2060\u00ad\u200e\u200f\u061c" + "".join(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)

# what Unicode calls ignorable beside format characters: fillers of Hangul and Khmer, selectors of a letter's variant
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def clean_text(text: str) -> str:
    """``text`` as valid Unicode in NFC, without invisible characters; white space is single spaces, none around it.

    What UTF-8 cannot hold (lone surrogates, as JSON and old decoders leave them) becomes U+FFFD; two surrogates that
    belong together become their character. Cleaning twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return _SPACES.sub(" ", unicodedata.normalize("NFC", _visible(text))).strip(f" {_JOINERS}")


def valid_text(text: str) -> str:
    """As :func:`clean_text`, but spaces inside stay as many as they are; control characters become one space."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _trim(_CONTROLS.sub(" ", unicodedata.normalize("NFC", _visible(text))), _JOINERS)


def valid_address(text: str) -> str:
    """An address as it was written, valid, without what is around it: its spelling is the server's, so no NFC."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _trim(unpaired(text), _CONTROL + _JOINERS + _UNSEEN)


def _trim(text: str, others: str) -> str:
    """``text`` without white space and ``others`` around it."""
    while (trimmed := text.strip().strip(others)) != text:
        text = trimmed
    return text


def seen_letters(text: str) -> str:
    """``text`` without all that a reader does not see, joiners and variation selectors too: to compare names by."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter for letter in text if not is_unseen(letter))


def is_unseen(letter: str) -> bool:
    """Whether a character shows nothing and takes no place, in whatever script."""
    return unicodedata.category(letter) == "Cf" or _IGNORABLE.match(letter) is not None


def _visible(text: str) -> str:
    text = unpaired(text)
    return "".join(" " if character == _BLANK else character for character in text if not is_invisible(character))


def without_accents(text: str, *, compatible: bool = False) -> str:
    """``text`` without the marks on its letters; ``compatible`` has plain letters for ``ª`` and the like too."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD" if compatible else "NFD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def unpaired(text: str) -> str:
    """``text`` with pairs of surrogates joined, and U+FFFD for those that are alone."""
    if _LONE.search(text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def is_invisible(character: str) -> bool:
    """Whether a character formats and nothing else: joiners, which shape what is seen, are none of them."""
    return character not in _JOINERS and unicodedata.category(character) == "Cf"
