"""Text from outside, made valid and of one form: done once, where it enters."""

from __future__ import annotations

import re
import unicodedata

_LONE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_BLANK = "\u2800"  # no space for Unicode, and nothing to be seen
_JOINERS = "\u200c\u200d"  # they shape letters in some scripts, and emoji: only useless at an end


def clean_text(text: str) -> str:
    """``text`` as valid Unicode in NFC, without invisible characters; white space is single spaces, none around it.

    What UTF-8 cannot hold (lone surrogates, as JSON and old decoders leave them) becomes U+FFFD; two surrogates that
    belong together become their character. Cleaning twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    if _LONE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = "".join(" " if character == _BLANK else character for character in text if not _is_invisible(character))
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip(f" {_JOINERS}")


def _is_invisible(character: str) -> bool:
    return character not in _JOINERS and unicodedata.category(character) == "Cf"
