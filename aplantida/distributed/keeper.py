"""Keeps one local Ray alive for the processes that share it: ``python -m aplantida.distributed.keeper FOLDER``."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import psutil
import ray

from aplantida.distributed.session import ray_session
from aplantida.distributed.sharing import note_address, owner_of

_LOOK_SECONDS = 1.0


def main(folder: Path) -> int:
    """Start Ray, say where it is, and keep it until told to end or until whoever shares it has ended."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the owner's
    owner = owner_of(folder)
    with ray_session():
        note_address(folder, ray.get_runtime_context().gcs_address)
        while not ended.wait(_LOOK_SECONDS):
            if not owner.is_running() or owner.status() == psutil.STATUS_ZOMBIE:
                break
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
