"""Regions: named sets of countries. A photo belongs by its own country, else by its species' distribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Membership(StrEnum):
    """How a photo came to belong to a region; the two are reported apart."""

    BY_COUNTRY = "country"
    BY_DISTRIBUTION = "distribution"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Region:
    """A named set of ISO 3166-1 alpha-2 country codes (upper case)."""

    name: str
    countries: frozenset[str]

    def membership(self, country: str | None, distribution: Iterable[str]) -> Membership:
        """Whether a photo taken in ``country`` of a species living in ``distribution`` belongs, and why."""
        if country:
            return Membership.BY_COUNTRY if country.upper() in self.countries else Membership.NONE
        if self.countries.intersection(code.upper() for code in distribution):
            return Membership.BY_DISTRIBUTION
        return Membership.NONE


def regions_from_mapping(mapping: Mapping[str, Iterable[str]]) -> tuple[Region, ...]:
    """Build regions from ``{name: [country codes]}`` (the YAML's shape), sorted by name.

    Raises:
        ValueError: for a code that is not two ASCII letters, or an empty region.
    """
    regions: list[Region] = []
    for name, codes in sorted(mapping.items()):
        countries = frozenset(str(code).upper() for code in codes)
        wrong = sorted(code for code in countries if not (len(code) == 2 and code.isascii() and code.isalpha()))
        if wrong or not countries:
            raise ValueError(f"region {name!r}: want ISO 3166-1 alpha-2 country codes, found {wrong or 'none'}")
        regions.append(Region(name, countries))
    return tuple(regions)
