"""Progress of long work: a bar with rate and ETA on a terminal, log lines otherwise.

Clocks start at the first finished item, so that neither the time it takes to get going nor what an earlier session did
(told in one first update) bends the rate; the lines' rate is that of the last minute or so.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from types import TracebackType
from typing import Any

from tqdm import tqdm

from aplantida.pipeline.logs import console_stream

LOG_EVERY_SECONDS = 10.0
RATE_OVER_LINES = 7


class Progress:
    """Counts finished items. Use as a context manager.

    Args:
        log: where lines go when standard error is no terminal.
        total: number of items, or None when unknown.
        unit: what is counted, in the plural.
        description: what is being done.
    """

    def __init__(self, log: logging.Logger, total: int | None, unit: str, description: str) -> None:
        self._log = log
        self._total = total
        self._unit = unit
        self._description = description
        self._count = 0
        self._last = time.monotonic()
        self._seen: deque[tuple[float, int]] = deque(maxlen=RATE_OVER_LINES)
        console = console_stream()
        shows = console.isatty()
        self._bar = tqdm(total=total, unit=f" {unit}", desc=description, leave=True, file=console) if shows else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._count:
            self._say("")

    @property
    def count(self) -> int:
        """Items finished so far."""
        return self._count

    def update(self, n: int = 1, **postfix: Any) -> None:
        """Note ``n`` more finished items; ``postfix`` values are shown beside the rate."""
        self._count += n
        if not self._seen:
            self._start()
        elif self._bar is not None:
            if postfix:
                self._bar.set_postfix_str(", ".join(f"{key} {value}" for key, value in postfix.items()), refresh=False)
            self._bar.update(n)
        elif time.monotonic() - self._last >= LOG_EVERY_SECONDS:
            self._say(", ".join(f"{key} {value}" for key, value in postfix.items()))

    def _start(self) -> None:
        """Start the clocks: what is finished now took no measured time."""
        self._last = time.monotonic()
        self._seen.append((self._last, self._count))
        if self._bar is not None:
            self._bar.reset(self._total)
            self._bar.initial = self._bar.n = self._bar.last_print_n = self._count
            self._bar.refresh()

    def _say(self, extra: str) -> None:
        self._last = time.monotonic()
        since, before = self._seen[0]
        self._seen.append((self._last, self._count))
        rate = (self._count - before) / max(self._last - since, 1e-9)
        parts = [f"{self._count}" + (f"/{self._total}" if self._total else "") + f" {self._unit}"]
        if self._count > before:
            parts.append(f"{rate:.1f}/s" if rate >= 0.5 else f"{60 * rate:.1f}/min")
            if self._total and self._count < self._total:
                parts.append(f"ETA {(self._total - self._count) / rate:.0f} s")
        if extra:
            parts.append(extra)
        self._log.info("%s: %s", self._description, ", ".join(parts))
