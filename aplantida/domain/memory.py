"""How the C library treats memory that tensors on a CPU have freed."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_LARGEST_KEPT = 1 << 30
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have this process keep freed memory for its next allocations. Returns whether the C library could be told.

    Left alone, glibc gives every large freed block back to the system, which then hands out zeroed pages for the same
    activations of the next batch: where this was measured, half of the time of scoring and a quarter of a training step
    went into page faults (``benchmarks/kept_memory.py``). The process keeps what it once held at its peak; results are
    the same bytes. Other C libraries, and other systems, are left as they are.
    """
    if sys.platform != "linux":
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:
        return False
    return tell(_MMAP_THRESHOLD, _LARGEST_KEPT) == 1 and tell(_TRIM_THRESHOLD, _NEVER) == 1


def give_back_freed_memory() -> None:
    """Return to the system what was freed and is kept, by :func:`keep_freed_memory` or in small pieces."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
