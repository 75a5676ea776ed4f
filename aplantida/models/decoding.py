"""Photos on their way to a network that scores: decoded once for all their views, ahead of it where threads help."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import torch

from aplantida.domain.cores import take_short_turns
from aplantida.domain.pixels import Pixels, boxed_square, centre_square, decode_photo
from aplantida.domain.preprocessing import Preprocessing

Box = tuple[float, float, float, float, bool]
_BATCHES_AHEAD = 3


class Decoder:
    """Makes batches of squares from JPEGs.

    Args:
        preprocessing: of the network.
        num_workers: threads that decode ahead; 0 decodes when a batch is asked for.
        pinned: whether batches lie in memory that a GPU can copy from by itself.
    """

    def __init__(self, preprocessing: Preprocessing, num_workers: int, pinned: bool = False) -> None:
        self._preprocessing, self._pinned = preprocessing, pinned
        if num_workers > 0:
            take_short_turns()
        self._pool = ThreadPoolExecutor(num_workers, thread_name_prefix="decoder") if num_workers else None

    def batches(self, jpegs: Sequence[bytes], boxes: Sequence[Box | None], batch_size: int) -> Iterator[torch.Tensor]:
        """(n, S, S, 3) uint8 batches of the rows in order, n being ``batch_size`` but for the last.

        Args:
            jpegs: (N,) files; equal objects in a row are views of one photo, decoded once.
            boxes: (N,) crops; None for the centre crop.
            batch_size: rows in a batch.

        Raises:
            ValueError: when a photo cannot be decoded.
        """
        photos, count = _runs(jpegs), len(jpegs)
        buffers: dict[int, torch.Tensor] = {}
        running = defaultdict[int, list[Future[None]]](list)
        for start in range(0, count, batch_size):
            until = start + batch_size * (_BATCHES_AHEAD if self._pool is not None else 1)
            while photos and photos[-1].start < until:
                rows = photos.pop()
                touched = range(rows.start // batch_size * batch_size, rows.stop, batch_size)
                for first in touched:
                    if first not in buffers:
                        buffers[first] = self._buffer(min(batch_size, count - first))
                squares = [buffers[row // batch_size * batch_size].numpy()[row % batch_size] for row in rows]
                crops = boxes[rows.start : rows.stop]
                if self._pool is None:
                    self._fill(jpegs[rows.start], crops, squares)
                    continue
                future = self._pool.submit(self._fill, jpegs[rows.start], crops, squares)
                for first in touched:
                    running[first].append(future)
            for future in running.pop(start, []):
                future.result()
            yield buffers.pop(start)

    def _buffer(self, count: int) -> torch.Tensor:
        size = self._preprocessing.image_size
        return torch.empty(count, size, size, 3, dtype=torch.uint8, pin_memory=self._pinned)

    def _fill(self, jpeg: bytes, boxes: Sequence[Box | None], squares: Sequence[Pixels]) -> None:
        settings = self._preprocessing
        photo = decode_photo(jpeg)
        for box, square in zip(boxes, squares, strict=True):
            if box is None:
                square[...] = centre_square(photo, settings)
            else:
                boxed_square(photo, box[:4], bool(box[4]), settings.image_size, settings.interpolation, square)


def _runs(jpegs: Sequence[bytes]) -> list[range]:
    """Rows that show one photo, the last ones first."""
    edges = [row for row, jpeg in enumerate(jpegs) if row == 0 or jpegs[row - 1] is not jpeg] + [len(jpegs)]
    return [range(first, last) for first, last in pairwise(edges)][::-1]
