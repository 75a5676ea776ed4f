from __future__ import annotations

import itertools

import numpy as np
import pytest

from aplantida.data import duplicates
from aplantida.data.duplicates import components, exact_duplicates, hashes_of, near_pairs


def test_within_a_species_the_lowest_id_stays_and_across_species_none() -> None:
    aside = exact_duplicates(
        ["c", "a", "b", "d", "e", "f"], ["rosa", "rosa", "rosa", "rosa", "tulipa", "tulipa"], list("XXYZZW")
    )
    assert set(aside) == {"c", "d", "e"}
    assert aside["c"] == "same picture as a"
    assert "rosa; tulipa" in aside["d"]


@pytest.mark.parametrize("distance", [0, 3, 6])
def test_near_pairs_equal_a_count_bit_by_bit(distance: int) -> None:
    random = np.random.default_rng(distance)
    hashes = random.integers(0, 2**63, 40, dtype=np.uint64)
    hashes[20:] = hashes[:20] ^ np.array([(1 << bits) - 1 for bits in range(20)], dtype=np.uint64)
    expected = [
        (i, j)
        for i, j in itertools.combinations(range(40), 2)
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]
    assert near_pairs(hashes, distance).tolist() == [list(pair) for pair in expected]
    assert len(expected) >= distance + 1


def test_hashes_are_read_from_hex() -> None:
    assert hashes_of(["ffffffffffffffff", "0000000000000001"]).tolist() == [2**64 - 1, 1]


def test_components_join_pairs_and_keys() -> None:
    assert components(6, [(1, 2), (2, 4)], ["x", None, None, "x", None, None]) == [0, 1, 1, 0, 1, 5]
    # equal values of two kinds of keys have nothing to do with each other
    assert components(4, [], ["x", None, "y", None], [None, "x", "z", "z"]) == [0, 1, 2, 2]


@pytest.mark.parametrize("distance", [0, 1, 4, 6, 12])
def test_pairs_of_many_are_found_without_comparing_all(distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(distance)
    hashes = random.integers(0, 2**64, 600, dtype=np.uint64)
    for row in range(300):  # near copies: some bits of another one turned over, anywhere
        bits = random.choice(64, size=row % 14, replace=False)
        hashes[300 + row] = hashes[row] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    expected = near_pairs(hashes, distance)
    assert len(expected) >= 300 * (distance + 1) // 14
    for block in (7, 100):
        monkeypatch.setattr(duplicates, "_ROWS_AT_A_TIME", block)
        assert near_pairs(hashes, distance).tolist() == expected.tolist()


@pytest.mark.parametrize("count", [0, 1, 1500])
def test_pairs_of_equal_hashes(count: int) -> None:
    assert near_pairs(np.zeros(count, np.uint64), 2).shape == (count * (count - 1) // 2, 2)
