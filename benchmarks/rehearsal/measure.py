"""What a process and all it starts take: time, memory of the driver and of the largest other process, disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from aplantida.data.collection_address import URI_VARIABLE
from aplantida.demo.mongod import stop_guarded
from aplantida.pipeline.config import CHECKOUT

_LOOK_EVERY_SECONDS, _NOTE_EVERY_SECONDS = 0.25, 3.0


@dataclass
class Attempt:
    """One run of a step; a step that was killed has several.

    Attributes:
        seconds: of wall clock.
        driver_mb: the most resident memory of the step's own process, MB.
        worker_mb: the most of any process below it, MB.
        worker: that process' name.
        disk_bytes: the most its output folder held, unfinished work included.
        exit_code: None while it runs, and of one that was killed with this program.
    """

    seconds: float = 0.0
    driver_mb: float = 0.0
    worker_mb: float = 0.0
    worker: str = ""
    disk_bytes: int = 0
    exit_code: int | None = None


class Measured:
    """The attempts at a step so far, kept in a file that a kill leaves whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        self.attempts = [Attempt(**row) for row in rows]

    @property
    def is_done(self) -> bool:
        """Whether an attempt came to a good end."""
        return any(attempt.exit_code == 0 for attempt in self.attempts)

    def total(self) -> Attempt:
        """All attempts as one: seconds added up, the most of everything else."""
        largest = max(self.attempts, key=lambda attempt: attempt.worker_mb)
        return Attempt(
            seconds=sum(attempt.seconds for attempt in self.attempts),
            driver_mb=max(attempt.driver_mb for attempt in self.attempts),
            worker_mb=largest.worker_mb,
            worker=largest.worker,
            disk_bytes=max(attempt.disk_bytes for attempt in self.attempts),
            exit_code=self.attempts[-1].exit_code,
        )

    def note(self) -> None:
        """Write the attempts down."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps([asdict(attempt) for attempt in self.attempts]), encoding="utf-8")
        temporary.replace(self._path)


def run_measured(
    command: Sequence[str], measured: Measured, output: Path | None, environment: Mapping[str, str], log: Path
) -> int:
    """Run ``command`` below this Python, note what it takes, and return its exit code.

    Args:
        command: what follows ``python``.
        measured: gets one more attempt.
        output: the folder whose size counts; None for a step that writes none.
        environment: variables beside this process's own, whose ``MONGO_URI`` (the user's server) is left out.
        log: gets what the command says, after what is there.
    """
    attempt = Attempt()
    measured.attempts.append(attempt)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "aplantida.demo.guard", sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name != URI_VARIABLE} | dict(environment),
            cwd=CHECKOUT,
        )
        started = noted = time.monotonic()
        try:
            while process.poll() is None:
                _look(process.pid, attempt)
                attempt.seconds = time.monotonic() - started
                if time.monotonic() - noted > _NOTE_EVERY_SECONDS:
                    noted = time.monotonic()
                    attempt.disk_bytes = max(attempt.disk_bytes, folder_bytes(output))
                    measured.note()
                time.sleep(_LOOK_EVERY_SECONDS)
        finally:
            stop_guarded(process)
    attempt.disk_bytes = max(attempt.disk_bytes, folder_bytes(output))
    attempt.exit_code = process.returncode
    measured.note()
    return process.returncode


def folder_bytes(folder: Path | None) -> int:
    """Bytes of all files below a folder that may be changing."""
    total = 0
    for parent, _, names in os.walk(folder) if folder is not None else ():
        for name in names:
            with suppress(OSError):
                total += (Path(parent) / name).stat().st_size
    return total


def _look(guard: int, attempt: Attempt) -> None:
    """Raise the peaks to what the step's processes have had so far: those below the guard, and Ray's workers.

    Ray's belong to the rehearsal and outlive a step, so that theirs is what they have now.
    """
    with suppress(psutil.NoSuchProcess):
        for driver in psutil.Process(guard).children():
            attempt.driver_mb = max(attempt.driver_mb, memory_mb(driver.pid, "VmHWM"))
            for worker in driver.children(recursive=True):
                _compare(worker, memory_mb(worker.pid, "VmHWM"), attempt)
    for process in psutil.Process().children(recursive=True):
        if _title(process).startswith("ray::"):
            _compare(process, memory_mb(process.pid, "VmRSS"), attempt)


def _compare(worker: psutil.Process, peak_mb: float, attempt: Attempt) -> None:
    if peak_mb > attempt.worker_mb:
        attempt.worker_mb, attempt.worker = peak_mb, _title(worker)


def memory_mb(pid: int, which: str) -> float:
    """Resident memory of a process: ``VmRSS`` now, ``VmHWM`` the most so far; 0 for one that is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{which}:"):
                return int(line.split()[1]) / 1000
    return 0.0


def _title(process: psutil.Process) -> str:
    """``ray::NAME`` of a worker of Ray's, else the program's name."""
    with suppress(psutil.Error):
        first = (process.cmdline() or [""])[0]
        return first[:60] if first.startswith("ray::") else process.name()
    return ""
