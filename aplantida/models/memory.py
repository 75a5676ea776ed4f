"""When a device has no room: every kind of error that says so, and work that then goes on in smaller portions."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TypeVar

import torch

Part = TypeVar("Part")
# how the driver, CUDA's libraries (their status codes) and the host say it beside torch.OutOfMemoryError; cuBLAS that
# has no room for its handle is not initialized, and cuDNN finds no engine where its workspace has none
_SAYINGS = re.compile(
    r"out[ _]?of[ _]?memory|can.?t allocate|failed to allocate|bad_alloc|alloc(?:ation)?_failed|"
    r"cublas_status_not_initialized|cudnn_status_not_supported|unable to find an engine|find a valid cudnn algorithm",
    re.IGNORECASE,
)
_log = logging.getLogger(__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device had no room, whichever library says so in whatever words."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _SAYINGS.search(str(error)) is not None


class Portions:
    """Work on N photos in portions of at most ``size``, halved for good when one does not fit.

    Attributes:
        size: photos in a portion from here on.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def work(self, count: int, work: Callable[[slice], Part]) -> list[Part]:
        """What ``work`` makes of each portion of 0…``count`` - 1, in order.

        Raises:
            torch.OutOfMemoryError: when not even one photo fits.
        """
        done: list[Part] = []
        start = 0
        while start < count:
            rows, trouble = slice(start, min(start + self.size, count)), ""
            try:
                done.append(work(rows))
                start = rows.stop
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                trouble = str(error)
            if trouble:  # not in the except clause: while that lasts, its traceback holds what is to be given back
                self._halve(rows.stop - rows.start, trouble)
        return done

    def _halve(self, tried: int, trouble: str) -> None:
        if tried == 1:
            raise torch.OutOfMemoryError(f"out of memory with a single photo ({trouble})")
        self.size = (tried + 1) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _log.warning("out of memory with %d photos at a time: going on with %d", tried, self.size)
