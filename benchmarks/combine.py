"""Combining top-k tables over 9,000 classes: over what the tables hold of a row, against a cell for every class.

Two global teachers of 160 logits a row, alone, with a regional one of 160 more, or with a regional one that is stored
dense because it knows few classes. The peer is the form that dense results still take, on the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from aplantida.distillation import dense_ensemble
from aplantida.distillation.ensemble import combine
from aplantida.distillation.opinions import TeacherScores, opinion_of
from aplantida.domain.cores import usable_cores
from aplantida.domain.memory import keep_freed_memory
from aplantida.domain.scores import ScoreTable
from aplantida.phases.combine_teacher_logits import CombineTeacherLogitsConfig
from aplantida.phases.compute_teacher_logits import ComputeTeacherLogitsConfig
from benchmarks.report import Row, interleaved, read_flags, show

NUM_CLASSES, NUM_ROWS, NUM_DENSE_ROWS = 9_000, 2_000, 100
ALL_ROWS, CORES, GOAL, MAX_HOURS = 12_000_000, 8, 20.0, 1.0  # 720,000 training photos x 17 views; the user's machine
NAMES = tuple(f"Planta numero{number:04d}" for number in range(NUM_CLASSES))
TOP_K = CombineTeacherLogitsConfig().top_k


def agreed(seed: int) -> npt.NDArray[np.float32]:
    """(N, C) logits of a teacher who is sure of a species and knows a dozen like it."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.0, 1.0, (NUM_ROWS, NUM_CLASSES)).astype(np.float32)
    alike = random.integers(0, NUM_CLASSES, (NUM_ROWS, 12))
    np.put_along_axis(logits, alike, random.uniform(3.0, 10.0, alike.shape).astype(np.float32), axis=1)
    return logits


def said(logits: npt.NDArray[np.float32], columns: slice, seed: int, depth: int | None) -> ScoreTable:
    """What one teacher says of the classes of ``columns``, dense or top-k."""
    own = logits[:, columns]
    own = own + np.random.default_rng(seed).normal(0.0, 0.5, own.shape).astype(np.float32)
    ids = np.asarray([f"{row:032x}" for row in range(NUM_ROWS)])
    table = ScoreTable(ids, np.zeros(NUM_ROWS, np.int16), NAMES[columns], own.astype(np.float16))
    return table if depth is None else table.to_top_k(depth)


def dense_form(teachers: Sequence[TeacherScores], columns: Sequence[slice]) -> None:
    """The peer, on the first rows."""
    rows = np.arange(NUM_DENSE_ROWS)
    at = [np.arange(NUM_CLASSES)[part] for part in columns]
    opinions = [opinion_of(teacher, part, rows) for teacher, part in zip(teachers, at, strict=True)]
    dense_ensemble.largest(opinions, NUM_CLASSES, TOP_K)


def threaded(teachers: Sequence[TeacherScores], num_threads: int) -> None:
    """Our form in so many threads, each over all rows, as the phase runs its shards."""
    with ThreadPoolExecutor(num_threads) as pool:
        list(pool.map(lambda _: combine(teachers, NAMES, TOP_K), range(num_threads)))


def compare(name: str, tables: Sequence[tuple[slice, ScoreTable]]) -> list[Row]:
    """Rows a second of both forms, and what that makes of the whole collection."""
    columns, teachers = [part for part, _ in tables], [TeacherScores(table) for _, table in tables]
    threads = usable_cores()
    ours, peer, together = interleaved(
        [
            lambda: combine(teachers, NAMES, TOP_K),
            lambda: dense_form(teachers, columns),
            lambda: threaded(teachers, threads),
        ],
        repeats=3,
    )
    sparse, dense = NUM_ROWS / ours, NUM_DENSE_ROWS / peer
    note = f"one thread; {threads} threads do {threads * ours / together:.2f} x as much; peer: the dense form"
    hours = ALL_ROWS / sparse / CORES / 3600
    scaled = f"scaled from one thread to {CORES} cores, arithmetic alone; peer: the limit"
    return [
        Row(f"combining, {name}", sparse, dense, "rows/s", sparse / dense, GOAL, note),
        Row(f"12 million rows, {name}", hours, MAX_HOURS, "hours", MAX_HOURS / hours, 1.0, scaled),
    ]


def main() -> None:
    """Measure and print."""
    keep_freed_memory()
    depth, logits = ComputeTeacherLogitsConfig().top_k, agreed(1)
    every, some, few = slice(None), slice(2_000, 4_000), slice(2_000, 3_000)
    both = [(every, said(logits, every, seed, depth)) for seed in (1, 2)]
    show(
        [
            *compare("two global teachers", both),
            *compare("and one of 2,000 classes", [*both, (some, said(logits, some, 3, depth))]),
            *compare("and one of 1,000 classes, stored dense", [*both, (few, said(logits, few, 3, None))]),
        ]
    )


if __name__ == "__main__":
    read_flags(__doc__)
    main()
