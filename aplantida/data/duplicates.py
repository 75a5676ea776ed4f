"""The same picture twice: exactly (equal decoded pixels), and nearly (perceptual hashes a few bits apart)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_ROWS_AT_A_TIME = 1024


def exact_duplicates(image_ids: Sequence[str], species: Sequence[str], pixel_digests: Sequence[str]) -> dict[str, str]:
    """Photos to set aside because of equal pixels.

    Within a species the photo of the lowest ``image_id`` stays; a picture that two species claim is set aside for both.

    Returns:
        By ``image_id``: what it equals.
    """
    same: defaultdict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(pixel_digests):
        same[digest].append(row)
    aside: dict[str, str] = {}
    for rows in same.values():
        if len(rows) < 2:
            continue
        ordered = sorted(rows, key=lambda row: image_ids[row])
        names = sorted({species[row] for row in ordered})
        if len(names) > 1:
            aside.update((image_ids[row], f"the same picture is claimed by {'; '.join(names)}") for row in ordered)
        else:
            aside.update((image_ids[row], f"same picture as {image_ids[ordered[0]]}") for row in ordered[1:])
    return aside


def near_pairs(hashes: npt.NDArray[np.uint64], max_distance: int) -> npt.NDArray[np.int64]:
    """Pairs of rows (i < j) whose 64-bit hashes differ in at most ``max_distance`` bits: (P, 2), in order.

    Not all are compared with all where there are many: hashes that differ in at most d bits are equal in at least one
    of d + 1 bands of their bits (Norouzi et al., 2012, "Fast search in Hamming space with multi-index hashing").
    """
    if len(hashes) <= _ROWS_AT_A_TIME:
        near = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= max_distance
        return np.argwhere(np.triu(near, 1))
    edges = np.linspace(0, 64, max_distance + 2).astype(int)
    found = [np.empty((0, 2), np.int64)]
    for low, high in pairwise(edges.tolist()):
        bands = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(bands, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(bands[order]) != 0, True])
        for start, end in pairwise(starts.tolist()):
            rows = order[start:end]
            for first in range(0, len(rows) - 1, _ROWS_AT_A_TIME):
                some = rows[first : first + _ROWS_AT_A_TIME]
                near = np.bitwise_count(hashes[some][:, None] ^ hashes[rows[first:]][None, :]) <= max_distance
                left, right = np.nonzero(near)
                pairs = np.stack([some[left], rows[first:][right]], axis=1)
                found.append(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def hashes_of(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """64-bit hashes from 16 hex digits each."""
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64)


def components(count: int, pairs: Iterable[tuple[int, int]], *keys: Sequence[Hashable | None]) -> list[int]:
    """Connected rows: joined by ``pairs``, or by equal non-null values in one of the ``keys``.

    Returns:
        For each of ``count`` rows the lowest row of its component.
    """
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(left: int, right: int) -> None:
        low, high = sorted((root(left), root(right)))
        parent[high] = low

    for left, right in pairs:
        join(left, right)
    for column in keys:
        first: dict[Hashable, int] = {}
        for row, key in enumerate(column):
            if key is not None:
                join(first.setdefault(key, row), row)
    return [root(row) for row in range(count)]
