from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplantida.data.splitting import SplitRule, assign_splits, group_keys, split_species

RULE = SplitRule(val_fraction=0.1, test_fraction=0.15, min_groups_to_hold_out=3)


def groups(count: int) -> list[str]:
    return [f"i:{number:04d}" for number in range(count)]


@given(count=st.integers(3, 60), seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_every_species_with_enough_groups_is_in_every_split(count: int, seed: int) -> None:
    found = Counter(assign_splits("Rosa canina", groups(count), RULE, seed).values())
    assert found["test"] >= 1
    assert found["val"] >= 1
    assert found["train"] >= 1
    assert found["test"] + found["val"] <= max(2, count // 2)


def test_a_species_of_too_few_groups_trains_as_a_whole() -> None:
    assert set(assign_splits("Rosa canina", groups(2), RULE, 1).values()) == {"train"}


def test_the_shares_are_kept_over_many_species() -> None:
    found: Counter[str] = Counter()
    for number in range(300):
        found.update(assign_splits(f"Species {number}", groups(30), RULE, 42).values())
    assert found["test"] / 9000 == pytest.approx(0.15, abs=0.02)
    assert found["val"] / 9000 == pytest.approx(0.10, abs=0.02)


def test_growth_moves_next_to_nobody() -> None:
    """Each of 200 species grows from 20 to 22 groups: a lent group may go back to train."""
    moved: Counter[tuple[str, str]] = Counter()
    for number in range(200):
        before = assign_splits(f"Species {number}", groups(20), RULE, 42)
        after = assign_splits(f"Species {number}", groups(22), RULE, 42)
        moved.update((before[group], after[group]) for group in before if before[group] != after[group])
    assert sum(moved.values()) <= 0.01 * 200 * 20
    # the limit of one half: the one way in which a trained group can come to be tested
    assert sum(count for (before, _), count in moved.items() if before == "train") <= 0.001 * 200 * 20
    assert moved["test", "val"] == moved["val", "test"] == 0


def test_another_seed_is_another_split() -> None:
    assert assign_splits("Rosa", groups(40), RULE, 1) != assign_splits("Rosa", groups(40), RULE, 2)


def test_an_observation_and_near_duplicates_share_a_group() -> None:
    keys = group_keys(["1", "2", "3", "4", "5"], ["obs", "obs", None, None, None], [None] * 5, [("3", "4")])
    assert keys[0] == keys[1] == "o:obs"
    assert keys[2] == keys[3] == "i:3"
    assert keys[4] == "i:5"


def test_a_near_duplicate_joins_the_group_of_its_observation() -> None:
    assert group_keys(["1", "2", "3"], [None, "obs", "obs"], [None] * 3, [("1", "2")]) == ["o:obs"] * 3


def test_a_pair_with_a_photo_that_is_left_out_joins_nothing() -> None:
    assert group_keys(["1", "3"], [None] * 2, [None] * 2, [("1", "2"), ("2", "3")]) == ["i:1", "i:3"]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.integers(0, 30)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_group_is_ever_in_two_splits(photos: list[tuple[str | None, int]]) -> None:
    ids = [f"{row:032x}" for row in range(len(photos))]
    pairs = [
        (one, other)
        for (one, (_, look)), (other, (_, same)) in combinations(zip(ids, photos, strict=True), 2)
        if look == same
    ]
    dealt = split_species("Rosa", ids, [observation for observation, _ in photos], [None] * len(ids), pairs, RULE, 7)
    splits: defaultdict[object, set[str]] = defaultdict(set)
    for (split, group), (observation, look) in zip(dealt, photos, strict=True):
        for key in (("group", group), ("look", look), *([("observation", observation)] if observation else [])):
            splits[key].add(split)
    assert all(len(found) == 1 for found in splits.values())


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.9, 0.2)])
def test_fractions_that_leave_nothing_to_train_on_are_refused(val: float, test: float) -> None:
    with pytest.raises(ValueError, match="sum < 1"):
        SplitRule(val, test, 3)


def test_a_photographer_s_day_joins_observations() -> None:
    days = ["ana|2024-05-01", "ana|2024-05-01", None, "ana|2024-05-02"]
    keys = group_keys(list("1234"), ["a", "b", None, "c"], days, [])
    assert keys == ["o:a", "o:a", "i:3", "o:c"]


def test_a_frozen_test_set_stays_what_it_was_and_nothing_leaks_into_training() -> None:
    ids = [f"{number:03d}" for number in range(40)]
    observations = [f"obs{number // 2}" for number in range(40)]
    nobody: list[str | None] = [None] * 40
    before = split_species("Rosa", ids[:30], observations[:30], nobody[:30], [], RULE, 7)
    tested = {image_id for image_id, (split, _) in zip(ids, before, strict=False) if split == "test"}
    one = min(tested)  # of its observation only one photo was in the earlier collection
    frozen = tested - {f"{int(one) ^ 1:03d}"}
    after = split_species("Rosa", ids, observations, nobody, [], RULE, 7, frozen)
    places = {image_id: split for image_id, (split, _) in zip(ids, after, strict=True)}
    assert {image_id for image_id, split in places.items() if split == "test"} == frozen
    assert places[f"{int(one) ^ 1:03d}"] is None
    assert Counter(places.values())["val"] >= 1
    groups_of = defaultdict(set)
    for split, group in after:
        groups_of[group].add(split)
    assert all(splits in ({"train"}, {"val"}, {"test"}, {"test", None}) for splits in groups_of.values())
