"""Logs: our readable lines on the console, JSON lines in a file, and what libraries say of themselves beside it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

LOGGER = "aplantida"
LEVELS = ("debug", "info", "warning", "error")
LIBRARIES = "libraries.log"
_STANDARD_ERROR = 2


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        return json.dumps(row, ensure_ascii=False)


class _Console(logging.StreamHandler[TextIO]):
    """Our lines on ``sys.stderr`` as it stands at each line, or on what is ``kept`` of it while it leads elsewhere."""

    def __init__(self) -> None:
        self.kept: TextIO | None = None
        logging.Handler.__init__(self)  # a stream handler's own would fix the stream of this moment

    @property
    def stream(self) -> TextIO:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where a line written now goes."""
        return sys.stderr if self.kept is None else self.kept

    @property
    def is_standard_error(self) -> bool:
        """Whether it is the process's, and no stand-in that somebody put into its place."""
        try:
            return self.stream.fileno() == _STANDARD_ERROR
        except (OSError, ValueError):
            return False


def _console() -> _Console | None:
    handlers = logging.getLogger(LOGGER).handlers
    return next((handler for handler in handlers if isinstance(handler, _Console)), None)


def console_stream() -> TextIO:
    """Where lines and bars for a reader go."""
    handler = _console()
    return sys.stderr if handler is None else handler.stream


def configure_console(level: str) -> None:
    """Send our log lines of at least ``level`` to standard error; idempotent."""
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level.upper())
    logger.propagate = False
    if _console() is None:
        handler = _Console()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(name)s: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)


class _LogFile(logging.FileHandler):
    """A full disk ends the work where a result is written; that a line of the log is lost is no news of its own."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        del record

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def log_file(path: Path) -> Generator[None]:
    """Also append JSON lines to ``path`` while the block runs, and keep the console for our own lines.

    What anything else writes to standard error (Ray, torch, their C++ and their processes) is appended to
    ``libraries.log`` beside it; at level debug, and where there is no console of ours, it stays where it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(_JsonLines())
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    console = _console()
    try:
        with contextlib.ExitStack() as stack:
            if console is not None and console.is_standard_error and not logger.isEnabledFor(logging.DEBUG):
                stack.enter_context(_diverted(console, path.with_name(LIBRARIES)))
            yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def _diverted(console: _Console, path: Path) -> Generator[None]:
    """Standard error leads to ``path``, for this process and those it starts; ``console`` alone keeps the old one."""
    console.flush()
    before, number = console.kept, console.stream.fileno()
    with os.fdopen(os.dup(number), "w", encoding="utf-8", errors="backslashreplace", buffering=1) as kept:
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
        console.kept = kept
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept.fileno(), number)
            console.kept = before
    if not path.stat().st_size:
        path.unlink()
