"""Whether the GPU is the one that works: scoring, training and loading against the card's own ceilings, and survival.

Runs under any torch from 2.9 on with torch, timm, numpy, simplejpeg, opencv, pyarrow and pydantic, draws its own photos
and asks no network. What lacks a package says so, and the other rows run. Without a card the rows that a CPU can do are
printed, at small sizes: they exercise the same code. Each part is printed when it is done.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Row, read_flags, show

PARTS = ("scoring", "training", "memory", "loading", "peer", "repeat", "ray", "left", "held")  # a card's own first


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        for number, part in enumerate(PARTS):
            started = time.monotonic()
            show(_carried_out(part, Path(name) / part), headed=number == 0)
            sys.stderr.write(f"{part}: {time.monotonic() - started:.0f} s\n")


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
