"""What every benchmark prints: one row a comparison, as a table or as JSON lines."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One comparison; ``ratio`` and ``goal`` are oriented so that bigger is better.

    Attributes:
        name: what was measured.
        ours: our figure, in ``unit``; nan when it was not measured, like all figures.
        peer: the peer's figure, in ``unit``.
        unit: images/s, bytes, s …
        ratio: ours against the peer's.
        goal: what ``ratio`` should reach; None where there is no goal.
        note: the peer, and what else a reader must know.
    """

    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    goal: float | None = None
    note: str = ""


def interleaved(functions: Sequence[Callable[[], object]], repeats: int = 5) -> list[float]:
    """Median seconds of each function, called in turns, so that a noisy machine disturbs all alike."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for position, function in enumerate(functions):
            started = time.perf_counter()
            function()
            times[position].append(time.perf_counter() - started)
    return [statistics.median(series) for series in times]


def peak_mb(process_id: int | str = "self") -> float:
    """The most resident memory a process has had, MB; without an id, this one."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) / 1000


def read_flags(description: str | None, *switches: str, **numbers: int) -> argparse.Namespace:
    """The flags of a benchmark; ``--help`` says what it does, and an unknown one is refused: neither measures.

    Args:
        description: of the benchmark.
        switches: its own, e.g. ``--wide``, beside ``--json`` (rows for a program).
        numbers: its own flags with a whole number behind them, and what they are if not given: ``photos=100``.
    """
    wrap = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=wrap, allow_abbrev=False)
    for switch in (*switches, "--json"):
        parser.add_argument(switch, action="store_true")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    return parser.parse_args()


def show(rows: Sequence[Row], headed: bool = True) -> None:
    """Print JSON lines when the command line says ``--json``, else a table, or more rows of one that has its head."""
    if "--json" in sys.argv[1:]:
        for row in rows:
            print(json.dumps(asdict(row)), flush=True)
        return
    print("\n".join(table(rows).splitlines()[0 if headed else _HEAD :]), flush=True)


_HEAD = 2  # lines of a table's head


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = ["| what | ours | peer | unit | ratio | goal | |", "|---|---:|---:|---|---:|---:|---|"]
    for row in rows:
        goal = "–" if row.goal is None else f"≥ {row.goal:g}"
        lines.append(
            f"| {row.name} | {_figure(row.ours, '.4g')} | {_figure(row.peer, '.4g')} | {row.unit} | "
            f"{_figure(row.ratio, '.2f')} | {goal} | {row.note} |"
        )
    return "\n".join(lines)


def _figure(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)
