"""Train, val and test: by hash, by groups that never part, every species in each where it has enough groups.

A group's place is a number in [0, 1) drawn from its key, not from its position: test takes the low end, val the high
end, train the middle. A photo that joins later changes nobody else's number, so that the splits stay as they are; only
where a species would otherwise have no test (val) group at all, the lowest (highest) one is lent, and it goes back when
a real one comes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from aplantida.data.duplicates import components
from aplantida.domain.seeds import derive_seed

TRAIN, VAL, TEST = "train", "val", "test"


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How photos are dealt out.

    Attributes:
        val_fraction: share of a species' groups that goes to val, 0 to below 1.
        test_fraction: the same for test; the two leave something for train.
        min_groups_to_hold_out: a species of fewer groups goes to train as a whole.
    """

    val_fraction: float
    test_fraction: float
    min_groups_to_hold_out: int

    def __post_init__(self) -> None:
        """Refuse fractions that leave nothing to train on."""
        if min(self.val_fraction, self.test_fraction) < 0 or self.val_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"val_fraction {self.val_fraction}, test_fraction {self.test_fraction}: want both >= 0, their sum < 1"
            )


def group_keys(
    image_ids: Sequence[str],
    observation_ids: Sequence[str | None],
    sessions: Sequence[str | None],
    near_duplicates: Iterable[tuple[str, str]],
) -> list[str]:
    """The group of each photo of one species: photos of one observation, one session, and near duplicates share one.

    Args:
        image_ids: the photos.
        observation_ids: which plant, where somebody knows.
        sessions: which photographer on which day, where both are known.
        near_duplicates: pairs of photos; those with another photo than ``image_ids`` count for nothing.

    Returns:
        A key per photo: the least of its members' observation ids (``o:…``), else image ids (``i:…``).
    """
    row = {image_id: at for at, image_id in enumerate(image_ids)}
    pairs = [(row[one], row[other]) for one, other in near_duplicates if one in row and other in row]
    parts = components(len(image_ids), pairs, observation_ids, sessions)
    own = [
        f"o:{observation}" if observation else f"i:{image_id}"
        for image_id, observation in zip(image_ids, observation_ids, strict=True)
    ]
    least: dict[int, str] = {}
    for part, key in zip(parts, own, strict=True):
        # an observation's key goes before a photo's: it stays when photos join
        least[part] = min(least.get(part, key), key, key=lambda text: (text[0] != "o", text))
    return [least[part] for part in parts]


def assign_splits(species: str, groups: Sequence[str], rule: SplitRule, seed: int) -> dict[str, str]:
    """The split of every group of one species.

    Test takes the groups whose number lies below ``test_fraction``, val those at or above ``1 - val_fraction``: each at
    least one (when the species has ``min_groups_to_hold_out``), together at most half of the groups (or two of three).
    """
    distinct = sorted(set(groups))
    numbers = {group: _number(seed, species, group) for group in distinct}
    ordered = sorted(distinct, key=lambda group: (numbers[group], group))
    splits = dict.fromkeys(ordered, TRAIN)
    if len(ordered) < max(rule.min_groups_to_hold_out, 2):
        return splits
    room = min(max(2, len(ordered) // 2), len(ordered) - 1)
    num_test = _count(sum(number < rule.test_fraction for number in numbers.values()), rule.test_fraction)
    num_val = _count(sum(number >= 1 - rule.val_fraction for number in numbers.values()), rule.val_fraction)
    while num_test + num_val > room:
        if num_test >= num_val:
            num_test -= 1
        else:
            num_val -= 1
    splits.update(dict.fromkeys(ordered[:num_test], TEST))
    if num_val:
        splits.update(dict.fromkeys(ordered[-num_val:], VAL))
    return splits


def split_species(
    species: str,
    image_ids: Sequence[str],
    observation_ids: Sequence[str | None],
    sessions: Sequence[str | None],
    near_duplicates: Iterable[tuple[str, str]],
    rule: SplitRule,
    seed: int,
    frozen_test: Set[str] | None = None,
) -> list[tuple[str | None, str]]:
    """(split, group) of each photo of one species.

    With ``frozen_test`` (image ids) exactly these photos are test. Another photo of a group with one of them has no
    split (None): in train it would leak, and in test it would change what is measured.
    """
    groups = group_keys(image_ids, observation_ids, sessions, near_duplicates)
    if frozen_test is None:
        splits = assign_splits(species, groups, rule, seed)
        return [(splits[group], _short(species, group)) for group in groups]
    tested = {group for image_id, group in zip(image_ids, groups, strict=True) if image_id in frozen_test}
    free = [group for group in groups if group not in tested]
    splits = assign_splits(species, free, replace(rule, test_fraction=0.0), seed)
    return [
        ((TEST if image_id in frozen_test else None) if group in tested else splits[group], _short(species, group))
        for image_id, group in zip(image_ids, groups, strict=True)
    ]


def _count(natural: int, fraction: float) -> int:
    return max(1, natural) if fraction > 0 else 0


def _number(seed: int, species: str, group: str) -> float:
    return derive_seed(seed, "split", species, group) / 2**63


def _short(species: str, group: str) -> str:
    return hashlib.sha256(f"{species}\n{group}".encode()).hexdigest()[:16]
