"""Scientific names of plants, read strictly: what is not understood to its last word is refused, and says why.

The form is GBIF's name parser's to judge. It takes the form for the thing ("Flor amarilla" is a genus and an epithet to
it) and passes over words it has no use for, so here each word of the text is accounted for, and genus and epithet must
look Latin.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import nameparser

from aplantida.domain.author_words import PARTICLES, note_among
from aplantida.domain.latin_words import EPITHET, LETTERS, fold_word, is_one_word, why_no_words, why_not_latin
from aplantida.domain.text import clean_text

MARKERS = {"SUBSPECIES": "subsp.", "VARIETY": "var.", "FORM": "f."}
_WRITTEN_MARKERS = {
    **dict.fromkeys(("subsp.", "subsp", "ssp.", "ssp", "subspecies"), "subsp."),
    **dict.fromkeys(("var.", "var", "varietas"), "var."),
    **dict.fromkeys(("f.", "fo.", "fo", "forma", "form."), "f."),
    **{f"notho{rank}": rank for rank in MARKERS.values()},
}
_RANKS = {word: ("subsp.", "var.", "f.").index(rank) for word, rank in _WRITTEN_MARKERS.items() if "notho" not in word}
_HYBRID_SIGNS = str.maketrans("✕✖⨯╳", "××××")
_PLAIN_SIGNS = str.maketrans("\u2010\u2011\u2212`\u00b4", "---''")
_MARKUP = re.compile(r"</?(?:i|em|b|strong|span)>", re.IGNORECASE)
_CONSERVED = re.compile(r",?\s*nom\.\s*cons\.$", re.IGNORECASE)
_GLUED_HYBRID = re.compile(r"×(?=\w)|^x(?=[bcdfghjklmnpqrstvwz][a-z])|^[xX](?=[A-Z][a-z])")
_TITLED_EPITHET = re.compile(
    rf"[{LETTERS}]{{3,}}(?:us|um|is|ii|ae|[bcdfghjklmnpqrstvxz]a|[ei]a|ns|x|oides)$", re.IGNORECASE
)
_LIKE_EPITHETS = ("linnaeus", "medikus", "mutis", "moris", "costa", "ortega", "lagasca", "garcia", "rivera")  # authors
_LONGEST = 500
_IN_A_SENSE = re.compile(r"\bs\.\s?(?:l|lat|str)\.?[\s,;)]*$", re.IGNORECASE)  # not the initials of S.L.Welsh
_AUTHOR = re.compile(r"(?:[dDlLOMT]['’])?[^\W\d_]+(?:[.'’-]+[^\W\d_]+)*\.?$")
_PUNCTUATION = re.compile(r"[\s()\[\],;:]+|(?<=\.)(?=[^\W\d_]{2,})|&")
_YEAR = re.compile(r"1[5-9]\d\d$|20\d\d$")


@dataclass(frozen=True, slots=True)
class ScientificName:
    """A name of a species or of something below it; spellings of one name are equal but for ``authors``.

    Attributes:
        species: genus and epithet, with hybrid signs: ``Mentha × piperita``.
        below: rank and epithet below the species (``subsp. ballota``), or nothing.
        authors: as the parser writes them, or nothing.
    """

    species: str
    below: str
    authors: str

    def __str__(self) -> str:
        """Without authors."""
        return f"{self.species} {self.below}".rstrip()


class NotAName(ValueError):
    """What speaks against a text as the name of a species."""


def read_scientific(text: str, *, trusted: bool = False) -> ScientificName:
    """The scientific name that a text is.

    Args:
        text: as the collection has it: any case and spaces, with or without authors.
        trusted: somebody says that it is a name: only its form is looked at.

    Raises:
        NotAName: for a genus alone, an aggregate, a formula, a cultivar, a name with doubts, anything else.
    """
    if len(text) > _LONGEST:
        raise NotAName("too long for a name")
    words, between = _without_ranks_between(_words_of(text), trusted)
    parsed = _parse(" ".join(words))
    genus, epithet, below = parsed.genus or "", parsed.specific_epithet or "", parsed.infraspecific_epithet
    notho = parsed.notho or ()
    signs = {part: ["×"] if part in notho else [] for part in ("GENERIC", "SPECIFIC")}
    rest = _words_after([*signs["GENERIC"], genus, *signs["SPECIFIC"], epithet], words)
    if below is not None:
        rest = _words_around(below, rest)
    authors = " ".join(rest)
    is_published = parsed.published_in and not authors.lower().startswith("in ")  # "in Britton", but not "in Bloom"
    _check_authors(authors.replace(parsed.published_in or "", "") if is_published else authors, trusted)
    epithets = [epithet] if below is None else [epithet, *between, below]
    if why := why_no_words(genus, epithets) or (None if trusted else why_not_latin(genus, epithets)):
        raise NotAName(why)
    return ScientificName(
        " ".join([*signs["GENERIC"], fold_word(genus), *signs["SPECIFIC"], fold_word(epithet)]),
        f"{'notho' if 'INFRASPECIFIC' in notho else ''}{MARKERS[parsed.rank]} {fold_word(below)}" if below else "",
        parsed.authorship_complete() or "",
    )


def _words_of(text: str) -> list[str]:
    """The text's words: without markup and quotes around it, hybrid signs apart, name and ranks in their usual case."""
    text = clean_text(_MARKUP.sub("", html.unescape(text)).replace("_", " ").translate(_HYBRID_SIGNS | _PLAIN_SIGNS))
    if len(text) > 1 and text[0] + text[-1] in {'""', "''", "“”", "‘’", "«»"}:
        text = text[1:-1].strip()
    text = _CONSERVED.sub("", text)
    shouting = text.upper() == text
    words = [part for word in text.split() for part in _GLUED_HYBRID.sub("× ", word).split()]
    words = ["×" if word in ("x", "X") else word for word in words]
    at = 1 if words[:1] == ["×"] else 0
    if len(words) <= at:
        raise NotAName("no name in it")
    words[at] = words[at].capitalize()
    at += 2 if words[at + 1 : at + 2] == ["×"] else 1
    if len(words) > at + 1 and is_one_word(words[at].lower(), words[at + 1].lower()):
        words[at : at + 2] = [f"{words[at]}-{words[at + 1]}"]
    if len(words) > at and (shouting or _is_titled_epithet(words[at])):
        words[at] = words[at].lower()
    return words[: at + 1] + _in_usual_case(words[at + 1 :], shouting, text.lower() == text)


def _is_titled_epithet(word: str) -> bool:
    word = word.rstrip(",;")
    return bool(_TITLED_EPITHET.match(word)) and word.lower() not in _LIKE_EPITHETS


def _in_usual_case(words: list[str], shouting: bool, whispering: bool) -> list[str]:
    """What follows the epithet: rank markers and what they rank in small letters, authors in capitals."""
    usual: list[str] = []
    below = False
    for at, word in enumerate(words):
        lower, following = word.lower(), words[at + 1].lower() if at + 1 < len(words) else ""
        if below:
            usual.append(lower)
            below = False
        elif lower in _WRITTEN_MARKERS and (shouting or len(lower) > 2) and _is_ranked(following):
            usual.append(lower)
            below = True
        elif shouting:
            is_first_name = lower == "f." and following not in ("", *PARTICLES)
            usual.append(lower if lower in PARTICLES and not is_first_name else _titled(word))
        elif whispering and (word.rstrip(")],;").endswith(".") or usual[-1:] in (["&"], ["ex"])):
            usual.append(word if lower in PARTICLES or lower in _WRITTEN_MARKERS else word.title())
        else:
            usual.append(word)
    return usual


def _titled(author: str) -> str:
    return author if author.strip("(),") == "DC." else author.title()


def _is_ranked(word: str) -> bool:
    return word not in PARTICLES and bool(EPITHET.match(word.rstrip(",;")))


def _without_ranks_between(words: list[str], trusted: bool) -> tuple[list[str], list[str]]:
    """The words without all but the last rank below the species, which alone counts, and the epithets left out.

    "Pinus nigra subsp. salzmannii (Dunal) Franco var. corsicana" is the variety, whatever subspecies somebody puts it
    in (Code of Nomenclature, Art. 24.1). The authors in between are looked at here.
    """
    ranked = [
        at
        for at, word in enumerate(words[:-1])
        if at > 1 and word in _RANKS and _is_ranked(_without_stop(words[at + 1]))
    ]
    order = [_RANKS[words[at]] for at in ranked]
    if len(ranked) < 2 or order != sorted(set(order)):
        return words, []
    for at, end in pairwise(ranked):
        _check_authors(" ".join(words[at + 2 : end]), trusted)
    return words[: ranked[0]] + words[ranked[-1] :], [_without_stop(words[at + 1]) for at in ranked[:-1]]


def _parse(text: str) -> nameparser.ParsedName:
    try:
        parsed = nameparser.parse(text)
    except nameparser.UnparsableNameError as error:
        is_formula = getattr(error, "name_type", None) == "FORMULA"
        raise NotAName("a formula of hybrids" if is_formula else "no name in it") from None
    if isinstance(parsed, nameparser.Informal):
        raise NotAName("no species is named")
    for speaks_against, why in (
        (parsed.cultivar_epithet or parsed.code == "CULTIVARS", "a cultivar"),
        (parsed.rank in ("SPECIES_AGGREGATE", "CULTIVAR_GROUP"), "an aggregate of species"),
        (parsed.epithet_qualifier, f"qualified: {' '.join((parsed.epithet_qualifier or {}).values())}"),
        (parsed.uninomial or not parsed.genus or not parsed.specific_epithet, "no species is named"),
        (parsed.infraspecific_epithet and parsed.rank not in MARKERS, "a third word without its rank"),
        (parsed.rank not in ("SPECIES", *MARKERS), f"its rank is {parsed.rank.lower()}"),
        (parsed.rank in MARKERS and not parsed.infraspecific_epithet, "nothing follows its rank"),
        (parsed.taxonomic_note or parsed.nomenclatural_note, f"{parsed.taxonomic_note or parsed.nomenclatural_note}"),
        (parsed.unparsed, f"{parsed.unparsed!r} is no part of a name"),
        (parsed.warnings, "; ".join(parsed.warnings)),
        (parsed.doubtful or parsed.manuscript or parsed.extinct or parsed.candidatus, "doubtful"),
        (parsed.phrase or parsed.infrageneric_epithet, "more in it than genus and epithets"),
        ((parsed.type, parsed.state) != ("SCIENTIFIC", "COMPLETE"), f"{parsed.type.lower()}, {parsed.state.lower()}"),
    ):
        if speaks_against:
            raise NotAName(why)
    return parsed


def _words_after(name: Sequence[str], words: Sequence[str]) -> list[str]:
    """The words after those of the name, which must be the first ones, letter by letter."""
    first = list(words[: len(name)])
    if [*first[:-1], *map(_without_stop, first[-1:])] != name:
        raise NotAName(f"reads as {' '.join(name)!r}")
    return list(words[len(name) :])


def _words_around(epithet: str, words: Sequence[str]) -> list[str]:
    """The words before and after a rank and the epithet of that rank."""
    for at, word in enumerate(words):
        if word in _WRITTEN_MARKERS and list(map(_without_stop, words[at + 1 : at + 2])) == [epithet]:
            return [*words[:at], *words[at + 2 :]]
    raise NotAName(f"reads with {epithet!r}, which follows no rank")


def _without_stop(word: str) -> str:
    """Without a comma after it, nor a full stop that ends no abbreviation."""
    word = word.rstrip(",;:")
    return word[:-1] if word.endswith(".") and len(word) > 5 and _TITLED_EPITHET.match(word[:-1]) else word


def _check_authors(rest: str, trusted: bool) -> None:
    """Authors begin with a capital, or are particles, and are no notes; years may stand among them."""
    if not trusted and (sense := _IN_A_SENSE.search(rest)):
        raise NotAName(f"{sense[0]!r} is no author")
    for word in _PUNCTUATION.split(rest):
        if word and word not in PARTICLES and not _YEAR.match(word):
            first = word[2:] if word[1:2] in ("'", "’") else word
            if not (_AUTHOR.match(word) and first[:1].isupper() and _is_latin(word)):
                raise NotAName(f"{word!r} is no author")
    if not trusted and (note := note_among(rest)):
        raise NotAName(f"{note!r} is a word, and no author")


def _is_latin(word: str) -> bool:
    return all(unicodedata.name(letter, "").startswith("LATIN") for letter in word if letter.isalpha())
