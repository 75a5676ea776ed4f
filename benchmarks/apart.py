"""One side of a comparison in a process of its own, where the other side's settings do not reach it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def _serve(make: Callable[..., Callable[[], object]], arguments: tuple[Any, ...], asked: Connection) -> None:
    work = make(*arguments)
    while asked.recv():
        work()
        asked.send(True)


class Apart:
    """Calls what ``make(*arguments)`` returns, over there; ``make`` is a module's function."""

    def __init__(self, make: Callable[..., Callable[[], object]], *arguments: Any) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._ask, asked = spawning.Pipe()
        self._process = spawning.Process(target=_serve, args=(make, arguments, asked), daemon=True)
        self._process.start()
        asked.close()

    def __call__(self) -> None:
        """Have it done once."""
        self._ask.send(True)
        self._ask.recv()

    def stop(self) -> None:
        """End the process."""
        self._ask.send(False)
        self._process.join()
