"""One local Ray for the nodes of a graph, each a process of its own: the first that needs it has a keeper start it.

This module imports no Ray: whoever shares one need not have it in memory.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

SHARED_VARIABLE = "APLANTIDA_SHARED_RAY"
ADDRESS_FILE, LOG_FILE = "address", "keeper.log"
_POLL_SECONDS, _GRACE_SECONDS = 0.1, 30.0


@contextmanager
def shared_ray() -> Iterator[None]:
    """Let all processes that are started inside the block share one local Ray; it ends with the block, or with us."""
    with tempfile.TemporaryDirectory(prefix="aplantida-ray-") as name:
        folder = Path(name)
        (folder / "owner").write_text(str(os.getpid()), encoding="utf-8")
        ours = {SHARED_VARIABLE: name}
        if "RAY_AUTH_MODE" not in os.environ:  # Ray asks for a token: one that our processes alone know
            ours |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        before = {key: os.environ.get(key) for key in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for key, value in before.items():
                os.environ.pop(key)
                if value is not None:
                    os.environ[key] = value
            _end_keeper(folder)


def shared_address(folder: Path) -> str:
    """Address of the Ray that the processes of ``folder`` share; started when there is none, or none any more.

    Raises:
        RuntimeError: when it does not start, with the last the keeper said.
    """
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _keeper_pid(folder) is None:
            _start_keeper(folder)
        return _read_address(folder)[0]


def owner_of(folder: Path) -> psutil.Process:
    """The process that shares."""
    return psutil.Process(int((folder / "owner").read_text(encoding="utf-8")))


def note_address(folder: Path, address: str) -> None:
    """Say where the keeper's Ray is."""
    temporary = folder / f"{ADDRESS_FILE}.tmp"
    temporary.write_text(f"{address} {os.getpid()}", encoding="utf-8")
    temporary.replace(folder / ADDRESS_FILE)


def _start_keeper(folder: Path) -> None:
    (folder / ADDRESS_FILE).unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != SHARED_VARIABLE}
    with (folder / LOG_FILE).open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "aplantida.distributed.keeper", str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not (folder / ADDRESS_FILE).exists():
        if keeper.poll() is not None:
            said = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise RuntimeError("Ray did not start: " + "\n".join(said[-5:]))
        time.sleep(_POLL_SECONDS)


def _read_address(folder: Path) -> tuple[str, int]:
    address, pid = (folder / ADDRESS_FILE).read_text(encoding="utf-8").split()
    return address, int(pid)


def _keeper_pid(folder: Path) -> int | None:
    with suppress(FileNotFoundError):
        pid = _read_address(folder)[1]
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return pid
    return None


def _end_keeper(folder: Path) -> None:
    pid = _keeper_pid(folder)
    if pid is None:
        return
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        keeper = psutil.Process(pid)
        keeper.send_signal(signal.SIGTERM)
        with suppress(psutil.TimeoutExpired):
            keeper.wait(_GRACE_SECONDS)
            return
        keeper.kill()
