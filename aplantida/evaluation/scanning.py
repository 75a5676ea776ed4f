"""Looking once over a dense score table: float32 logits, a few rows at a time, checked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from aplantida.domain.cores import usable_cores
from aplantida.domain.scores import DenseScores

CHUNK_ROWS = 1024  # read together: 9,000 float16 logits each are 18 MB
_CELLS = 500_000  # worked on together: what stays in a processor's cache

_MOST_THREADS = 4  # reading feeds no more

Logits = npt.NDArray[np.float32]
Found = TypeVar("Found")


def scan(table: DenseScores, num_rows: int = CHUNK_ROWS) -> Iterator[tuple[slice, Logits]]:
    """All rows in order: which, and their (n, C) logits.

    Args:
        table: dense.
        num_rows: read together.

    Raises:
        ValueError: naming the photo, where a logit is not finite.
    """
    for at, block in table.blocks(num_rows):
        step = max(1, _CELLS // max(block.logits.shape[1], 1))
        for start in range(0, len(block), step):
            logits = block.logits[start : start + step].astype(np.float32)
            finite = np.isfinite(logits.sum(axis=1))
            if not finite.all():
                bad = start + int(np.flatnonzero(~finite)[0])
                raise ValueError(f"photo {block.image_ids[bad]}: its scores hold a value that is not finite")
            first = at.start + start
            yield slice(first, first + len(logits)), logits


def scan_with(
    work: Callable[[slice, Logits], Found], table: DenseScores, num_rows: int = CHUNK_ROWS
) -> Iterator[Found]:
    """What ``work`` makes of each part of :func:`scan`, in order, in a few threads: numpy leaves the interpreter free.

    Args:
        work: given which rows, and their (n, C) logits, which it may overwrite.
        table: dense.
        num_rows: read together.
    """
    workers, waiting = min(usable_cores(), _MOST_THREADS), deque[Future[Found]]()
    with ThreadPoolExecutor(workers) as pool:
        for at, logits in scan(table, num_rows):
            waiting.append(pool.submit(work, at, logits))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
