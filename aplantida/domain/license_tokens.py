"""A licence text in pieces: words, numbers, addresses, copyright signs, each with what stands before it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from html import unescape

from aplantida.domain.license_words import PHRASES, PREFIXES, Kind, fold

# what turns the order of letters; what stands on or around one (symbols' marks, and all of Unicode's class of overlays)
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OVERLAY = 1
_STRUCK_OUT = re.compile(r"[<\[{]\s*/?\s*(?:del|s|strike|strikethrough)(?:\s[^<>\[\]{}]*)?/?\s*[>\]}]", re.IGNORECASE)
_NOT_AS_SEEN = " (mark) "  # no word of a licence
_DASHES = re.compile("[\u2010-\u2015\u2043\u2212]")
_DOUBLE_QUOTES = re.compile("[\u201c-\u201f]")
_QUOTES = re.compile("[\u2018\u2019\u201a\u201b\u2032`\u00b4]")
_LINK = re.compile(r"<a\s[^<>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"\s(?:(?:href=(?=[\"']?http)|title=(?=[\"']))|(?:rel|target|class)=([\"'])[\w\s-]*\1)", re.IGNORECASE
)
# Creative Commons' button, as its chooser writes it
_BUTTON = re.compile(
    r"<img((?:\s(?:alt|src)=(?:\"[^\"<>]*\"|'[^'<>]*')|\sstyle=(?P<q>[\"'])border-width:\s?0;?(?P=q))*)\s*/?>",
    re.IGNORECASE,
)
_IN_BUTTONS = re.compile(r"\s(?:alt=|src=|style=(?:\"[^\"]*\"|'[^']*'))", re.IGNORECASE)
_LAYOUT = re.compile(r"</?(?:a|b|br|em|i|p|span|strong)\s*/?>", re.IGNORECASE)
_SENTENCE = 20  # letters
_OF_CODES = ("nc", "nd", "n", "c", "d")  # "a nd" is not "and"
_GLUED = re.compile(r"(?<![^\W_])(?:ccby(?:nc|nd|sa)*|by(?:nc|nd|sa)+)(?![^\W\d_])", re.IGNORECASE)  # "CCBYSA"
_TOKEN = re.compile(
    r"(?P<sign>\(c\)|©)|"
    r"(?P<address>https?://[^\s,;()<>\[\]{}|\"']+|(?<![\w./@:-])(?://(?=creativecommons\.org/))?(?:www\.|creativecommons\.org/)[^\s,;()<>\[\]{}|\"']+)|"
    r"(?P<word>[^\W\d_]+)|(?P<number>\d+(?:\.\d+)*)|(?P<between>(?:(?!\(c\))[\s,;.:/|()\[\]{}<>\"'_=+&\u00b7\u2022\u00ab\u00bb-])+)|"
    r"(?P<other>.)",
    re.IGNORECASE,
)
_ENDS_A_PART = re.compile(r"[,;:/|()\[\]{}<>\"=\n\r\u2028\u2029\u00b7\u2022]|\s-+\s|--")


class Piece(Enum):
    """What a token is."""

    WORD = auto()
    NUMBER = auto()
    ADDRESS = auto()
    SIGN = auto()  # © or (c)
    OTHER = auto()  # no letter, no digit, no separator


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text.

    Attributes:
        piece: what it is.
        text: it, cleaned, in its own case.
        plain: it, folded.
        before: the separators between it and the token before.
        begins_part: whether they end what was before: a comma, a bracket, a dash between spaces, a full stop.
    """

    piece: Piece
    text: str
    plain: str
    before: str
    begins_part: bool


@dataclass(frozen=True, slots=True)
class Phrase:
    """A listed phrase in a text: what it is, what it means, and the place after its last token."""

    kind: Kind
    meaning: str
    squeezed: str
    end: int


def clean(text: str) -> str:
    """``text`` in compatibility form, without accents, invisible characters and layout, dashes and quotes plain."""
    bare = unescape(text)
    if not bare.isascii():
        bare = _TURNS.sub(_NOT_AS_SEEN, bare)
        bare = "".join(_NOT_AS_SEEN if _covers(c) else c for c in unicodedata.normalize("NFD", bare))
        seen = "".join(c for c in unicodedata.normalize("NFKC", bare) if unicodedata.category(c) != "Cf")
        bare = "".join(c for c in unicodedata.normalize("NFD", seen) if not unicodedata.category(c).startswith("M"))
        bare = _DASHES.sub("-", unicodedata.normalize("NFC", bare)).replace("\u3001", ",")
    bare = _STRUCK_OUT.sub(_NOT_AS_SEEN, bare)
    if "<" in bare:
        bare = _BUTTON.sub(lambda button: f"\n{_IN_BUTTONS.sub(' ', button[1])}\n", bare)
        bare = _LAYOUT.sub("\n", _LINK.sub(lambda link: _ATTRIBUTE.sub(" ", link[0][2:-1]), bare))
    return _DOUBLE_QUOTES.sub('"', _QUOTES.sub("'", bare)).strip()


def _covers(character: str) -> bool:
    """Whether a mark strikes a letter out, or encloses it: what is read is not what is seen."""
    is_of_symbols = "\u20d0" <= character <= "\u20ff"
    return is_of_symbols or unicodedata.combining(character) == _OVERLAY or unicodedata.category(character) == "Me"


def tokens_of(text: str) -> tuple[Token, ...]:
    """The tokens of a cleaned text."""
    text = re.sub(r"(?<![^\W_])(\d)_(\d)(?!\d)", r"\1.\2", text)  # CC_BY_4_0
    text = _GLUED.sub(lambda codes: " ".join(re.findall("..", codes[0])), text)
    text = re.sub(r"(?<![\d.,])([1-4]),([015])(?![\d.,])", r"\1.\2", text)  # CC BY 4,0
    found: list[Token] = []
    before = ""
    for match in _TOKEN.finditer(text):
        kind, piece = match.lastgroup or "", match[0]
        if kind == "between":
            before = piece
            continue
        if kind == "address":
            piece = piece.rstrip(".:")
        found.append(Token(Piece[kind.upper()], piece, fold(piece), before, _begins_part(before, found)))
        before = ""
    return tuple(found)


def _begins_part(before: str, earlier: Sequence[Token]) -> bool:
    if _ENDS_A_PART.search(before):
        return True
    return "." in before and bool(earlier) and len(earlier[-1].text) > 3  # "J. Smith", "Jr. Smith" go on


def phrase_at(tokens: Sequence[Token], start: int) -> Phrase | None:
    """The longest listed phrase that begins at a token. Words of elements and of whole sentences may be parted."""
    squeezed, whole, longest = "", True, None
    for place in range(start, len(tokens)):
        token = tokens[place]
        if token.piece not in (Piece.WORD, Piece.NUMBER):
            break
        squeezed += token.plain
        if squeezed not in PREFIXES:
            break
        whole &= token.plain not in _OF_CODES and not (place > start and token.begins_part)
        kind, meaning = PHRASES.get(squeezed, (None, ""))
        sentence = kind is Kind.FILLER and len(squeezed) > _SENTENCE
        if kind is not None and (whole or sentence or kind is Kind.ELEMENT):
            longest = Phrase(kind, meaning, squeezed, place + 1)
    return longest
