"""A command that cannot outlive whoever started it: `python -m aplantida.demo.guard COMMAND…`.

The guard holds the read end of a pipe (its standard input). When the starter ends, however it ends, the pipe closes and
the guard stops the command. So a killed driver leaves no mongod behind that would hold the data folder's lock. Ctrl-C
is for the starter, who then closes the pipe; the command never sees it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_GRACE_SECONDS = 20


def main(command: list[str]) -> int:
    """Run ``command`` until it ends or standard input closes; return its exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def stop_when_orphaned() -> None:
        while os.read(0, 4096):
            pass
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()

    # `timeout` signals the whole process group; the command, in a session of its own, would outlive its guard
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=stop_when_orphaned, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
