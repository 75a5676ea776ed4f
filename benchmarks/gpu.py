"""Whether the GPU is the one that works: scoring, training and loading against the card's own ceilings, and survival.

Runs under any torch from 2.9 on with torch, timm, numpy, simplejpeg, opencv, pyarrow and pydantic, draws its own photos
and asks no network. What lacks a package says so, and the other rows run. Without a card the rows that a CPU can do are
printed, at small sizes: they exercise the same code.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Row, read_flags, show

Part = Callable[[Path], list[Row]]


def main() -> None:
    """Measure and print."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        for part in ("scoring", "training", "loading", "held", "peer", "memory", "repeat", "ray", "left"):
            started = time.monotonic()
            rows += _carried_out(part, Path(name) / part)
            sys.stderr.write(f"{part}: {time.monotonic() - started:.0f} s\n")
    show(rows)


def _carried_out(part: str, folder: Path) -> list[Row]:
    """The rows of a part; one that says why where it cannot run here."""
    folder.mkdir(parents=True)
    try:
        return _rows(part, folder)
    except ImportError as error:
        reason = f"not measured: {error}"
    except Exception as error:  # one part must not take the others with it
        reason = f"failed: {type(error).__name__}: {error}".splitlines()[0]
    return [Row(part, math.nan, math.nan, "–", math.nan, None, reason)]


def _rows(part: str, folder: Path) -> list[Row]:
    from benchmarks.card.sizes import Sizes

    sizes = Sizes.here()
    if part == "scoring":
        from benchmarks.card.scoring import scoring_rows

        return scoring_rows(folder, sizes)
    if part == "training":
        from benchmarks.card.steps import training_rows

        return training_rows(folder, sizes)
    if part in ("loading", "peer"):
        from benchmarks.card.loading import loading_rows, peer_rows

        return loading_rows(folder, sizes) if part == "loading" else peer_rows(folder, sizes)
    if part == "held":
        from benchmarks.card.held import held_rows

        return held_rows(folder, sizes)
    from benchmarks.card.survival import left_row, memory_rows, ray_rows, repeat_rows

    if part == "memory":
        if not sizes.on_card:
            return [Row("training under a cap", math.nan, math.nan, "–", math.nan, None, "not measured: no card")]
        return memory_rows(folder, sizes)
    if part == "left":
        return [left_row(folder, sizes)]
    return repeat_rows(folder, sizes) if part == "repeat" else ray_rows(folder, sizes)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
