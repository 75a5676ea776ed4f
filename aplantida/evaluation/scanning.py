"""Looking once over a dense score table: float32 logits, a few rows at a time, checked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores

CHUNK_ROWS = 1024  # read together: 9,000 float16 logits each are 18 MB
_CELLS = 500_000  # worked on together: what stays in a processor's cache

Logits = npt.NDArray[np.float32]


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
