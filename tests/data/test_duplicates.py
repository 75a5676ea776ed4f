from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from aplantida.data import duplicates
from aplantida.data.duplicates import (
    SAME_PICTURE,
    SIDE,
    SmallPictures,
    candidate_pairs,
    components,
    exact_duplicates,
    expected_pairs,
    hashes_of,
    likeness,
    near_pairs,
    small_gray,
)
from tests.fixtures.artifacts import drawn_jpeg


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
    monkeypatch.setattr(duplicates, "_ROWS_AT_A_TIME", 1000)  # all with all
    expected = near_pairs(hashes, distance)
    assert len(expected) >= 300 * (distance + 1) // 14
    monkeypatch.setattr(duplicates, "_PARTNERS_AT_A_TIME", 50)
    for block in (7, 100):
        monkeypatch.setattr(duplicates, "_ROWS_AT_A_TIME", block)
        assert near_pairs(hashes, distance).tolist() == expected.tolist()


@pytest.mark.parametrize("count", [0, 1, 12])
def test_pairs_of_equal_hashes(count: int) -> None:
    assert near_pairs(np.zeros(count, np.uint64), 2).shape == (count * (count - 1) // 2, 2)


def test_many_photos_of_one_look_give_a_chain_of_pairs_and_not_their_square() -> None:
    hashes = np.zeros(4_000, np.uint64)
    hashes[7] = 1  # as near to all, but not as near as they are to each other
    pairs = near_pairs(hashes, 2, most_partners=3)
    assert len(pairs) <= 3 * len(hashes)
    assert set(components(len(hashes), pairs.tolist())) == {0}
    assert pairs[pairs[:, 0] == 5].tolist() == [[5, 6], [5, 8], [5, 9]]  # the nearest ones


def test_pairs_apart_are_of_two_species_only() -> None:
    species = np.arange(300) % 3
    pairs = near_pairs(np.zeros(300, np.uint64), 0, species)
    assert len(pairs) >= 300
    assert (species[pairs[:, 0]] != species[pairs[:, 1]]).all()


def test_candidates_have_a_distance_within_a_species_and_one_across() -> None:
    hashes = np.array([0, 0b11, 0b1111, 0b1, 0xFFFF], np.uint64)
    species = np.array([1, 1, 1, 0, 0])
    assert sorted(candidate_pairs(hashes, species, 2, 0).tolist()) == [[0, 1], [1, 2]]
    assert sorted(candidate_pairs(hashes, species, 2, 1).tolist()) == [[0, 1], [0, 3], [1, 2], [1, 3]]
    assert sorted(candidate_pairs(hashes, species, 0, None).tolist()) == []


def test_expected_pairs_grow_with_the_square() -> None:
    assert expected_pairs(3, 5_000, 900_000) == 3 * 180**2


def changed(photo: Image.Image) -> dict[str, Image.Image]:
    """What becomes of a picture on its way from one site to another."""
    width, height = photo.size
    captioned = photo.copy()
    captioned.paste("black", (0, height - 12, width, height))
    return {
        "smaller": photo.resize((width // 2, height // 2)),
        "brighter": ImageEnhance.Brightness(photo).enhance(1.3),
        "gray": photo.convert("L").convert("RGB"),
        "cropped": photo.crop((width // 20, height // 25, width, height)),
        "turned": photo.rotate(2),
        "captioned": captioned,
    }


def jpeg(photo: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def test_a_copy_is_the_same_picture_and_another_plant_of_its_kind_is_not() -> None:
    photos = [Image.open(io.BytesIO(drawn_jpeg(1, number, side=192))) for number in range(4)]
    for photo in photos:
        before = small_gray(jpeg(photo))
        likenesses = {how: likeness(before, small_gray(jpeg(copy, 60))) for how, copy in changed(photo).items()}
        assert min(likenesses.values()) >= SAME_PICTURE, likenesses
    grays = [small_gray(jpeg(photo)) for photo in photos]
    assert max(likeness(one, other) for one, other in itertools.combinations(grays, 2)) < SAME_PICTURE
    flat = np.full((SIDE, SIDE), 200, np.uint8)
    assert likeness(flat, grays[0]) < SAME_PICTURE


def test_pictures_are_compared_from_a_file(tmp_path: Path) -> None:
    photos = [drawn_jpeg(2, number, side=96) for number in range(3)]
    with SmallPictures.open(tmp_path / "pictures", 2) as pictures:
        pictures.put([(0, photos[0]), (3, photos[1])])
        pictures.put([(1, photos[0]), (2, photos[2])])
        same = np.concatenate(list(pictures.same(np.array([[0, 1], [0, 2], [1, 3], [2, 3]]))))
    assert same.tolist() == [True, False, False, False]
    assert not list(tmp_path.iterdir())
