"""The same picture twice: exactly (equal decoded pixels), and nearly.

Near duplicates are looked for by perceptual hashes a few bits apart, and what is found so is confirmed by the pixels:
among many photos hashes of different pictures come close by chance, in numbers that grow with the square.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg

from aplantida.domain.pixels import opencv

SIDE = 64  # pixels of the gray pictures that are compared
SAME_PICTURE = 0.75  # likeness of two gray pictures from which they are one; see docs/decisions/0003-data-phases.md
MOST_PARTNERS = 16
_ROWS_AT_A_TIME, _PARTNERS_AT_A_TIME, _PAIRS_AT_A_TIME = 256, 1024, 2048
_MARGIN, _DETAIL_PIXELS, _LEAST_OVERLAP = 4, 2.0, 0.4
_ALIGNING_STEPS, _ALIGNED_WITHIN = 30, 1e-4

Gray = npt.NDArray[np.uint8]


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


def near_pairs(
    hashes: npt.NDArray[np.uint64],
    max_distance: int,
    apart: npt.NDArray[np.integer] | None = None,
    most_partners: int = MOST_PARTNERS,
) -> npt.NDArray[np.int64]:
    """Pairs of rows (i < j) whose 64-bit hashes differ in at most ``max_distance`` bits: (P, 2), in order.

    Not all are compared with all where there are many: hashes that differ in at most d bits are equal in at least one
    of d + 1 bands of their bits (Norouzi et al., 2012, "Fast search in Hamming space with multi-index hashing").

    Args:
        hashes: one a row.
        max_distance: bits.
        apart: of each row what the other row of a pair must differ in.
        most_partners: a row has at most so many with the rows after it, the nearest ones, so that many photos of one
            look give a chain of pairs and not the square of their number.
    """
    many = len(hashes) > _ROWS_AT_A_TIME
    edges = np.linspace(0, 64, max_distance + 2).astype(int) if many else np.zeros(2, int)
    kept = np.empty(0, np.int64)  # of each pair: i * len(hashes) + j
    full = np.zeros(len(hashes), np.bool_)  # rows that have all the partners they may have, none farther than another
    for low, high in pairwise(edges.tolist()):
        bands = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(bands, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(bands[order]) != 0, True])
        found = [kept]
        for start, end in pairwise(starts.tolist()):
            found += _near_among(order[start:end], hashes, max_distance, apart, most_partners, full)
        kept = _nearest(np.unique(np.concatenate(found)), hashes, most_partners)
    return np.stack(np.divmod(kept, max(1, len(hashes))), axis=1)


def _near_among(
    rows: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    max_distance: int,
    apart: npt.NDArray[np.integer] | None,
    most_partners: int,
    full: npt.NDArray[np.bool_],
) -> Iterator[npt.NDArray[np.int64]]:
    """The near pairs among some rising rows, as i * len(hashes) + j: of some i at a time; notes what is ``full``."""
    for first in range(0, len(rows) - 1, _ROWS_AT_A_TIME):
        some, kept = rows[first : first + _ROWS_AT_A_TIME], np.empty(0, np.int64)
        for at in range(first, len(rows), _PARTNERS_AT_A_TIME):
            some, later = some[~full[some]], rows[at : at + _PARTNERS_AT_A_TIME]
            near = np.bitwise_count(hashes[some][:, None] ^ hashes[later][None, :]) <= max_distance
            left, right = np.nonzero(near)
            left, right = some[left], later[right]
            wanted = left < right if apart is None else (left < right) & (apart[left] != apart[right])
            if wanted.any():
                pairs = left[wanted] * len(hashes) + right[wanted]
                kept = _nearest(np.sort(np.concatenate([kept, pairs])), hashes, most_partners)
                full[_satisfied(kept, hashes, most_partners)] = True
        yield kept


def _satisfied(
    pairs: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64], most_partners: int
) -> npt.NDArray[np.int64]:
    """Rows with as many partners of their very hash as they may have: no other is nearer."""
    left, right = np.divmod(pairs, len(hashes))
    rows, counts = np.unique(left[hashes[left] == hashes[right]], return_counts=True)
    return rows[counts >= most_partners]


def _nearest(pairs: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64], most_partners: int) -> npt.NDArray[np.int64]:
    """Of rising pairs (i * len(hashes) + j) those whose j is one of the nearest of its i."""
    left, right = np.divmod(pairs, max(1, len(hashes)))
    starts = np.flatnonzero(np.r_[True, np.diff(left) != 0])
    if not len(pairs) or np.diff(np.r_[starts, len(pairs)]).max() <= most_partners:
        return pairs
    order = np.lexsort((right, np.bitwise_count(hashes[left] ^ hashes[right]), left))
    place = np.arange(len(pairs)) - np.repeat(starts, np.diff(np.r_[starts, len(pairs)]))
    return np.sort(pairs[order[place < most_partners]])


def candidate_pairs(
    hashes: npt.NDArray[np.uint64], species: npt.NDArray[np.integer], within: int, across: int | None
) -> npt.NDArray[np.int64]:
    """Pairs of rows (i < j) that may be one picture: (P, 2).

    Args:
        hashes: one a row.
        species: one a row.
        within: bits in which hashes of one species differ at most.
        across: the same for two species; None = those are not looked for.
    """
    order = np.argsort(species, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(species[order]) != 0, True])
    own = [order[start:end] for start, end in pairwise(starts.tolist())]
    found = [np.empty((0, 2), np.int64), *(rows[near_pairs(hashes[rows], within)] for rows in own)]
    if across is not None:
        found.append(near_pairs(hashes, across, species))
    return np.concatenate(found)


def expected_pairs(found: int, among: int, photos: int) -> int:
    """How many pairs there would be among ``photos``, from those ``found`` among fewer: they grow with the square."""
    return round(found * (photos / max(1, among)) ** 2)


def small_gray(jpeg: bytes) -> Gray:
    """A stored photo as it is compared: (SIDE, SIDE), whatever its shape was."""
    cv = opencv()
    photo = simplejpeg.decode_jpeg(jpeg, "GRAY", min_height=2 * SIDE, min_width=2 * SIDE, min_factor=2)
    return cv.resize(photo[..., 0], (SIDE, SIDE), interpolation=cv.INTER_AREA)


def likeness(one: Gray, other: Gray) -> float:
    """How far two gray pictures are one: the correlation of their fine detail, -1..1.

    Broad light and shade, which pictures of different plants share, is taken away: it is what their hashes agree in.
    A copy may be cropped: where the pictures do not agree as they are, the other one is shifted, scaled and turned
    until both agree best (Evangelidis and Psarakis, 2008, "Parametric image alignment using enhanced correlation
    coefficient maximization", as OpenCV has it).
    """
    cv = opencv()
    left, right, everywhere = one.astype(np.float32), other.astype(np.float32), np.ones((SIDE, SIDE), np.uint8)
    as_they_are = _agreement(left, right, everywhere)
    if as_they_are >= SAME_PICTURE:
        return as_they_are
    start, until = np.eye(2, 3, dtype=np.float32), cv.TERM_CRITERIA_EPS | cv.TERM_CRITERIA_COUNT
    until = (until, _ALIGNING_STEPS, _ALIGNED_WITHIN)
    try:
        move = cv.findTransformECC(one, other, start, cv.MOTION_AFFINE, until, None, 3)[1]
    except cv.error:  # they have nothing in common
        return as_they_are
    where = {"M": move, "dsize": (SIDE, SIDE)}
    moved = cv.warpAffine(right, flags=cv.INTER_LINEAR | cv.WARP_INVERSE_MAP, borderMode=cv.BORDER_REPLICATE, **where)
    inside = cv.warpAffine(everywhere, flags=cv.INTER_NEAREST | cv.WARP_INVERSE_MAP, **where)
    return max(as_they_are, _agreement(left, moved, inside))


def _agreement(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], where: Gray) -> float:
    """Correlation of the fine detail of two pictures where both are, margins left out; 0 where they hardly overlap."""
    inside = where[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] > 0
    if inside.mean() < _LEAST_OVERLAP:
        return 0.0
    one, other = (_detail(picture)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN][inside] for picture in (left, right))
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean()) / spread if spread else 0.0


def _detail(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return picture - opencv().GaussianBlur(picture, (0, 0), _DETAIL_PIXELS)


class SmallPictures:
    """Gray pictures in a file: :meth:`put` them by number, then compare some; none stays in memory."""

    def __init__(self, descriptor: int, pool: ThreadPoolExecutor) -> None:
        self._file = descriptor
        self._pool = pool

    @classmethod
    @contextmanager
    def open(cls, path: Path, num_threads: int) -> Iterator[SmallPictures]:
        """None yet.

        Args:
            path: of the file, which is gone at the end.
            num_threads: that decode and compare.
        """
        with path.open("wb+") as file, ThreadPoolExecutor(num_threads) as pool:
            yield cls(file.fileno(), pool)
        path.unlink()

    def put(self, photos: Iterable[tuple[int, bytes]]) -> None:
        """Keep stored photos: a number from 0 on, and the JPEG."""
        numbers, jpegs = zip(*photos, strict=True)
        for number, gray in zip(numbers, self._pool.map(small_gray, jpegs), strict=True):
            os.pwrite(self._file, gray.tobytes(), number * SIDE * SIDE)

    def same(self, pairs: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.bool_]]:
        """Whether both of a pair of numbers are one picture: for some pairs at a time, in order."""
        for first in range(0, len(pairs), _PAIRS_AT_A_TIME):
            some = pairs[first : first + _PAIRS_AT_A_TIME]
            yield np.fromiter(self._pool.map(self._is_same, some.tolist()), np.bool_, len(some))

    def _is_same(self, pair: tuple[int, int]) -> bool:
        one, other = map(self._get, pair)
        return likeness(one, other) >= SAME_PICTURE

    def _get(self, number: int) -> Gray:
        raw = os.pread(self._file, SIDE * SIDE, number * SIDE * SIDE)
        return np.frombuffer(raw, np.uint8).reshape(SIDE, SIDE)


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
