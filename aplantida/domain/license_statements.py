"""What a text says of licences, and the one licence that it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aplantida.domain.license_tokens import Token, phrase_at
from aplantida.domain.license_words import Kind

ELEMENTS = ("by", "nc", "nd", "sa")
_FREE_BUT_NOT_COMMONS = ("GFDL", "LAL")


@dataclass(frozen=True, slots=True)
class CommonsLicense:
    """A Creative Commons licence; the version is None, the port empty, where the text does not say."""

    elements: frozenset[str]
    version: str | None
    port: str

    @property
    def license_id(self) -> str:
        """SPDX's id, and where it has none (no version, a port it does not list) one of the same make."""
        parts = ["CC", *(element.upper() for element in ELEMENTS if element in self.elements)]
        return "-".join(
            [*parts, *([self.version] if self.version else []), *([self.port.upper()] if self.port else [])]
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A licence that stands in a text: the places of its first token and after its last."""

    license: CommonsLicense | str
    start: int
    end: int


class NotUnderstood(ValueError):
    """A word has no place in the text."""


def settle(statements: Sequence[Statement], tokens: Sequence[Token]) -> str:
    """The one licence that all statements mean."""
    if not statements:
        raise NotUnderstood("names no licence")
    commons = [statement.license for statement in statements if isinstance(statement.license, CommonsLicense)]
    others: set[str] = {statement.license for statement in statements if isinstance(statement.license, str)}
    if others == {"CC0-1.0", "PDM-1.0"}:  # "CC0 public domain"
        others = {"CC0-1.0"}
    if commons and all(other.startswith(_FREE_BUT_NOT_COMMONS) for other in others) and _is_choice(statements, tokens):
        others.clear()
    newest = _newest(commons)
    said = sorted({*others, *(item.license_id for item in newest)})
    if len(said) != 1:
        raise NotUnderstood(f"says {' and '.join(said)}")
    return said[0]


def _newest(licenses: Sequence[CommonsLicense]) -> set[CommonsLicense]:
    """Of each set of elements the newest version; a port that one of them names."""
    newest: set[CommonsLicense] = set()
    for elements in {item.elements for item in licenses}:
        same = [item for item in licenses if item.elements == elements]
        version = max((item.version for item in same if item.version), default=None)
        ports = {item.port for item in same if item.version in (version, None) and item.port}
        newest |= {CommonsLicense(elements, version, port) for port in ports or {""}}
    return newest


def _is_choice(statements: Sequence[Statement], tokens: Sequence[Token]) -> bool:
    """Whether the licences beside each other stand apart by "or", a slash or a bar."""
    for left, right in pairwise(statements):
        between = range(left.end, right.start + 1)
        says_or = any((said := phrase_at(tokens, place)) is not None and said.kind is Kind.OR for place in between)
        parted = any(re.search(r"[/|]", tokens[place].before) for place in between)
        if left.start != right.start and not says_or and not parted:
            return False
    return True
