"""Loading, scoring and training on a CPU against an earlier commit of this repository, in turns.

Both read the same drawn photos; each tree has a process of its own. Loader: 224 pixels, threads of the loader alone.
Scoring: a photo's centre and 16 drawn views, 9,000 classes, the best 160 logits kept. Training: a few steps of
`benchmarks.train_step`'s.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from math import nan
from pathlib import Path

from benchmarks import cpu_work, earlier
from benchmarks.photos import draw_jpegs
from benchmarks.report import Row, read_flags, show

NUM_PHOTOS, SHORT_SIDE, NUM_DRAWN = 1025, 384, 192
REPEATS = 7
UNITS = {"scoring": "views/s"}


class Tree:
    """One tree's process."""

    def __init__(self, tree: Path, jpegs: Path, folder: Path) -> None:
        folder.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, cpu_work.__file__, str(jpegs), str(folder)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def rate(self, work: str) -> float:
        """How many a second, of one round of ``work``.

        Raises:
            RuntimeError: when the process is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{work}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("DONE "):
                count, seconds = line.split()[1:]
                return int(count) / float(seconds)
        raise RuntimeError(f"{work}: the process ended with {self._process.wait()}")

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        try:
            before = earlier.write_tree(root / "earlier", "aplantida", "benchmarks")
        except RuntimeError as error:
            show([Row("against the earlier tree", nan, nan, "photos/s", nan, None, f"not measured: {error}")])
            return
        (root / "jpegs").mkdir()
        drawn = draw_jpegs(NUM_DRAWN, SHORT_SIDE)
        for number in range(NUM_PHOTOS):
            (root / "jpegs" / f"{number:05d}.jpg").write_bytes(drawn[number % NUM_DRAWN])
        trees = [
            Tree(earlier.CHECKOUT, root / "jpegs", root / "ours"),
            Tree(before, root / "jpegs", root / "before"),
        ]
        try:
            show([row(work, trees) for work in cpu_work.WORK])
        finally:
            for tree in trees:
                tree.stop()


def row(work: str, trees: list[Tree]) -> Row:
    """Medians of both; a first round of each does not count."""
    rounds = [[tree.rate(work) for tree in trees] for _ in range(REPEATS + 1)][1:]
    ours, theirs = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    goal = 1.0 if work == "scoring" else None
    what = work
    if work.startswith("loader"):
        _, policy, threads = work.split()
        what = f"loader, {policy}, {threads} {'thread' if threads == '1' else 'threads'}"
    return Row(what, ours, theirs, UNITS.get(work, "photos/s"), ours / theirs, goal, f"peer: {earlier.COMMIT}")


if __name__ == "__main__":
    read_flags(__doc__)
    main()
