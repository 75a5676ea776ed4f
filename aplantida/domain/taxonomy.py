"""Names of classes: one spelling for a species, whatever case, spaces or author the collection wrote."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from aplantida.domain.scientific_names import NotAName, ScientificName, read_scientific
from aplantida.domain.text import clean_text

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NAMES_KEPT = 65_536
_LONGEST_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Naming:
    """How names become classes.

    Attributes:
        names: ``scientific``: they are scientific names, and what is none is refused; ``as_written``: the cleaned text
            is the class, its first letter a capital and the others small.
        infraspecific: of scientific names: what is below a species is a class of its ``own``, or its ``species``.
    """

    names: Literal["scientific", "as_written"] = "scientific"
    infraspecific: Literal["own", "species"] = "own"


@dataclass(frozen=True, slots=True)
class ReadName:
    """What a name was read as.

    Attributes:
        name: of the class; None when the text is refused.
        synonym: what the text says, where the synonyms file gave another name.
        authors: of the scientific name, where nothing replaced it.
        refusal: what was read and what speaks against it.
    """

    name: str | None = None
    synonym: str | None = None
    authors: str | None = None
    refusal: str | None = None


class NameReader:
    """Reads the names of a collection; equal texts are read once.

    Args:
        naming: how names become classes.
        synonyms: accepted name by name; see :func:`read_synonyms`.
    """

    def __init__(self, naming: Naming = Naming(), synonyms: Mapping[str, str] = _NOTHING) -> None:
        self._naming = naming
        self._synonyms = synonyms
        self.read = lru_cache(maxsize=_NAMES_KEPT)(self._read)

    def _read(self, text: str) -> ReadName:
        written = name_as_written(text)
        if written is None:
            return ReadName(refusal=_refusal(text, "no letter in it"))
        if self._naming.names == "as_written":
            return self._accepted((written,)) or ReadName(written)
        try:
            scientific = read_scientific(text)
        except NotAName as why:
            return self._accepted((written,)) or ReadName(refusal=_refusal(text, str(why)))
        name = _class_of(scientific, self._naming)
        authors = (scientific.authors or None) if name == str(scientific) else None
        return self._accepted((str(scientific), name)) or ReadName(name, authors=authors)

    def _accepted(self, names: Iterable[str]) -> ReadName | None:
        for name in names:
            if name in self._synonyms:
                accepted = self._synonyms[name]
                return ReadName(accepted, synonym=name if name != accepted else None)
        return None


def _refusal(text: str, why: str) -> str:
    return f"{clean_text(text)[:_LONGEST_SHOWN]!r}: {why}"


def _class_of(name: ScientificName, naming: Naming) -> str:
    return str(name) if naming.infraspecific == "own" else name.species


def normalize_name(text: str) -> str | None:
    """The scientific name that ``text`` is, in its one spelling and without author; None when it is none.

    ``"CARDAMINE CALIFORNICA "`` and ``"Cardamine californica (Nutt.) Greene"`` both give ``"Cardamine californica"``;
    a hybrid sign is kept as ``×``; infraspecific ranks are kept as ``subsp.``, ``var.``, ``f.``.
    """
    return NameReader().read(text).name


def name_as_written(text: str) -> str | None:
    """The cleaned text with a capital first letter and small others, so that case tells no two apart."""
    cleaned = clean_text(text).lower()
    if not any(map(str.isalpha, cleaned)):
        return None
    capital = cleaned[0].upper()
    return clean_text((capital if len(capital) == 1 else cleaned[0]) + cleaned[1:])


def genus_of(name: str) -> str:
    """The genus of a class's name (``"× Cuprocyparis leylandii"`` → ``"Cuprocyparis"``)."""
    words = name.split()
    return words[1] if words[0] == "×" and len(words) > 1 else words[0]


def read_synonyms(lines: Iterable[str], naming: Naming = Naming()) -> dict[str, str]:
    """Accepted name by synonym, both as ``naming`` reads them, from CSV with the columns ``synonym`` and ``accepted``.

    A chain (a → b, b → c) is followed to its end. What is accepted need only have the form of a scientific name, and
    the synonym of one may be any text: so a file can settle what the reader would refuse.

    Raises:
        ValueError: naming the line: a missing column, a text that is no name, two accepted names for one, a circle.
    """
    reader = csv.DictReader((line if line.endswith("\n") else f"{line}\n" for line in lines), strict=True)
    direct: dict[str, str] = {}
    refused: set[str] = set()
    try:
        if not {"synonym", "accepted"} <= set(reader.fieldnames or ()):
            raise ValueError(f"line 1: columns are {reader.fieldnames}, want synonym and accepted")
        for row in reader:
            synonym, accepted = (_name_in_cell(row[key] or "", key, naming) for key in ("synonym", "accepted"))
            if synonym is None or accepted is None:
                raise ValueError(
                    f"line {reader.line_num}: {row['synonym']!r}, {row['accepted']!r}: want two plant names"
                )
            if direct.setdefault(synonym, accepted) != accepted:
                raise ValueError(f"line {reader.line_num}: {synonym} is {direct[synonym]} in an earlier line")
            if naming.names == "scientific" and not _is_read(synonym):
                refused.add(synonym)
    except csv.Error as error:
        raise ValueError(f"line {reader.reader.line_num}: {error}") from None
    return {
        synonym: _end_of_chain(synonym, direct)
        for synonym, accepted in direct.items()
        if synonym != accepted or synonym in refused
    }


def _name_in_cell(text: str, column: str, naming: Naming) -> str | None:
    written = name_as_written(text)
    if naming.names == "as_written":
        return written
    try:
        name = read_scientific(text, trusted=column == "accepted")
    except NotAName:
        return written if column == "synonym" else None
    return str(name) if column == "synonym" else _class_of(name, naming)


def _is_read(name: str) -> bool:
    try:
        read_scientific(name)
    except NotAName:
        return False
    return True


def _end_of_chain(name: str, direct: Mapping[str, str]) -> str:
    seen = [name]
    while seen[-1] in direct and direct[seen[-1]] != seen[-1]:
        following = direct[seen[-1]]
        if following in seen:
            raise ValueError(f"a circle of synonyms: {' → '.join([*seen, following])}")
        seen.append(following)
    return seen[-1]
