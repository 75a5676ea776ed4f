"""Nearly equal photos that two species claim: one of the two labels is wrong, and only a person can say which.

The pairs go to a list (CSV). What the person decides comes back in the same form, with the column ``decision`` filled:
``keep_both``, ``drop_a``, ``drop_b`` or ``drop_both``. Until then both photos are left out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from aplantida.domain.address_secrets import public_address
from aplantida.domain.escaping import csv_text

DECISIONS: dict[str, tuple[bool, bool]] = {  # whether a and b are dropped
    "": (True, True),
    "keep_both": (False, False),
    "drop_a": (True, False),
    "drop_b": (False, True),
    "drop_both": (True, True),
}


@dataclass(frozen=True, slots=True, order=True)
class ReviewPair:
    """Two photos of different species; ``image_id_a`` is the lower one.

    Attributes:
        distance: bits in which their 64-bit perceptual hashes differ.
        decision: one of ``DECISIONS``; empty while nobody has decided.
    """

    distance: int
    image_id_a: str
    image_id_b: str
    species_a: str
    species_b: str
    url_a: str
    url_b: str
    decision: str = ""

    def dropped(self) -> dict[str, str]:
        """By ``image_id`` of what is left out: why."""
        drops = zip((self.image_id_a, self.image_id_b), (self.image_id_b, self.image_id_a), strict=True)
        others = (self.species_b, self.species_a)
        how = f"decided in the review: {self.decision}" if self.decision else "to be reviewed"
        return {
            own: f"{self.distance} bits from {other} of {species}; {how}"
            for (own, other), species, drop in zip(drops, others, DECISIONS[self.decision], strict=True)
            if drop
        }


def pairs_to_review(
    pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], decisions: Mapping[tuple[str, str], str]
) -> list[ReviewPair]:
    """Nearly equal photos of two species, nearest first, with what was decided.

    Args:
        pairs: of photos, each with image_id, scientific_name, url and perceptual_hash.
        decisions: by (image_id_a, image_id_b).
    """
    found: list[ReviewPair] = []
    for pair in pairs:
        a, b = sorted(pair, key=lambda photo: photo["image_id"])
        found.append(
            ReviewPair(
                distance=(int(a["perceptual_hash"], 16) ^ int(b["perceptual_hash"], 16)).bit_count(),
                image_id_a=a["image_id"],
                image_id_b=b["image_id"],
                species_a=a["scientific_name"],
                species_b=b["scientific_name"],
                url_a=public_address(a["url"]),
                url_b=public_address(b["url"]),
                decision=decisions.get((a["image_id"], b["image_id"]), ""),
            )
        )
    return sorted(found)


def review_csv(pairs: Iterable[ReviewPair]) -> str:
    """The list, to be filled in."""
    return csv_text([field.name for field in fields(ReviewPair)], [asdict(pair) for pair in pairs])


def read_decisions(lines: Iterable[str]) -> dict[tuple[str, str], str]:
    """What was decided, by (image_id_a, image_id_b); lines without a decision are left out.

    Raises:
        ValueError: naming the line, when a column is missing or a decision is none.
    """
    reader = csv.DictReader(lines)
    wanted = {"image_id_a", "image_id_b", "decision"}
    if not wanted <= set(reader.fieldnames or ()):
        raise ValueError(f"line 1: columns are {reader.fieldnames}, want {', '.join(sorted(wanted))}")
    decisions: dict[tuple[str, str], str] = {}
    for row in reader:
        decision = (row["decision"] or "").strip()
        if decision not in DECISIONS:
            known = ", ".join(name for name in DECISIONS if name)
            raise ValueError(f"line {reader.line_num}: decision {decision!r}, want one of {known}, or nothing")
        if decision:
            decisions[row["image_id_a"], row["image_id_b"]] = decision
    return decisions
