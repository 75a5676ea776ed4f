"""One writer at a time: a lock on this machine, a lease across machines."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import threading
import time
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any, TextIO

from aplantida.pipeline.artifact import PROGRESS, is_sealed
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.writer import SESSION

REFRESH_SECONDS = 10.0
LEASE_SECONDS = 60.0


@contextlib.contextmanager
def writing_session(path: Path, describe: dict[str, Any]) -> Generator[str]:
    """Hold the right to write ``path`` while the block runs; yields the session's id.

    When the block has sealed the artifact its progress folder is removed, while nobody else can write yet.

    Args:
        path: the artifact's folder.
        describe: facts of this session that are kept with it (environment …).

    Raises:
        BadRequest: when another live session holds it, or nothing can be written there.
    """
    folder = path / PROGRESS
    with _locked(folder / "lock", path):
        _check_lease(path)
        session_id = uuid.uuid4().hex
        facts = {"session_id": session_id, "host": platform.node(), "pid": os.getpid()}
        write_session(path, {**facts, "boot": boot_id()})
        with (folder / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            stream.write(json.dumps({**facts, "started": started, "environment": describe}) + "\n")
        stop = threading.Event()
        refresher = threading.Thread(target=_refresh, args=(path, facts, stop), daemon=True)
        refresher.start()
        try:
            yield session_id
        finally:
            stop.set()
            refresher.join()
        if is_sealed(path):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(file: Path, path: Path) -> Generator[None]:
    """Hold the lock file; one that an earlier holder removed while we opened it is not it."""
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadRequest(f"output {path}: no folder can be made there: {error.strerror}; take another") from None
        try:
            lock = file.open("a+", encoding="utf-8")
        except FileNotFoundError:  # removed with its folder since
            continue
        with lock:
            _acquire(lock, path)
            if _is_same(lock, file):
                yield
                return


def _is_same(lock: TextIO, file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(lock.fileno()), file.stat())
    return False


def write_session(path: Path, facts: dict[str, Any]) -> None:
    """Say who writes ``path`` now, and when it was last alive (Unix seconds)."""
    temporary = path / PROGRESS / f"{SESSION}.{facts['session_id']}"
    temporary.write_text(json.dumps({**facts, "alive": time.time()}), encoding="utf-8")
    temporary.replace(path / PROGRESS / SESSION)


def sessions(path: Path) -> list[dict[str, Any]]:
    """Every session that has worked on ``path``, first to last."""
    file = path / PROGRESS / "sessions.jsonl"
    rows: list[dict[str, Any]] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        with contextlib.suppress(ValueError):  # a line cut short by a kill
            rows.append(json.loads(line))
    return rows


def _acquire(lock: TextIO, path: Path) -> None:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BadRequest(f"{path}: another process of this machine is writing it") from error


def _check_lease(path: Path) -> None:
    last = leased_elsewhere(path)
    if last is not None:
        who = f"process {last.get('pid')} on {last['host']}"
        raise BadRequest(f"{path}: being written by {who} ({last['age']:.0f} s ago)")


def leased_elsewhere(path: Path) -> dict[str, Any] | None:
    """The session of another machine that writes ``path``, with its ``age`` in seconds; None where none lives.

    Ages are by the clock that dates both files, so that machines' clocks may differ; ask with the lock held.
    """
    file = path / PROGRESS / SESSION
    try:
        last: Any = json.loads(file.read_text(encoding="utf-8"))
        whole = {"host": str(last["host"]), "pid": last.get("pid"), "alive": float(last["alive"])}
        os.utime(path / PROGRESS / "lock")
        age = (path / PROGRESS / "lock").stat().st_mtime - file.stat().st_mtime
        boots = [boot for boot in (last.get("boot"), boot_id()) if boot]
        is_here = boots[0] == boots[1] if len(boots) > 1 else whole["host"] == platform.node()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # damaged: of none that lives, which writes it whole
        return None
    return None if is_here or age >= LEASE_SECONDS else {**whole, "age": max(age, 0.0)}


def boot_id() -> str:
    """Of this machine since it was started: two of one name do not see each other's locks, containers of one do."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _refresh(path: Path, facts: dict[str, Any], stop: threading.Event) -> None:
    while not stop.wait(REFRESH_SECONDS):
        with contextlib.suppress(OSError, ValueError):
            current = json.loads((path / PROGRESS / SESSION).read_text(encoding="utf-8"))
            if current["session_id"] != facts["session_id"]:
                return
            write_session(path, {**facts, "boot": boot_id()})
