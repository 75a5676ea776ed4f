"""How much of the processor a process may use."""

from __future__ import annotations

import os
import sys

_TURN = 1e-4  # seconds; Python's own is fifty times that


def usable_cores() -> int:
    """Cores this process may run on, which a container or a batch system may have made fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def take_short_turns() -> None:
    """Let the interpreter's lock change hands each tenth of a millisecond in this process, while threads wait for it.

    What one thread draws for a whole batch would keep the others, and a training, waiting.
    """
    sys.setswitchinterval(min(sys.getswitchinterval(), _TURN))
