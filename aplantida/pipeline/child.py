"""A function in a process of its own: what it takes of the machine, the GPU's memory too, goes back when it returns.

The process is forked from a server that has only imported what is slow to import, and holds nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from aplantida.pipeline.errors import PhaseError
from aplantida.pipeline.logs import LOGGER, configure_console

_ASKED_AGAIN_SECONDS = 0.5


class ChildDied(PhaseError):
    """The process ended without an answer: the system ended it, for want of memory say."""


def run_in_child(
    what: str, function: Callable[..., Any], *arguments: Any, preload: Sequence[str] = (), **named: Any
) -> Any:
    """Call ``function(*arguments, **named)`` in a new process with this one's environment and log level.

    The process ends with this one, however this one ends, and is interrupted with it.

    Args:
        what: it does, for messages.
        function: importable, as are the types of what it is given, returns and raises.
        arguments: of the call.
        preload: modules that the server imports before the first call; later calls find them there.
        named: likewise.

    Returns:
        What the function returned.

    Raises:
        ChildDied: when the process ended in the middle of it.
        BaseException: whatever the function raised.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    receiver, sender = context.Pipe(duplex=False)
    level = logging.getLogger(LOGGER).level
    child = context.Process(target=_work, args=(sender, dict(os.environ), level, function, arguments, named), name=what)
    child.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        child.join()
        raise ChildDied(f"{what}: its process ended {_how(child.exitcode)}") from None
    except KeyboardInterrupt:
        _interrupt(child)
        raise
    finally:
        child.join()
    returned, value = answer
    if returned:
        return value
    raise value


def _interrupt(child: BaseProcess) -> None:
    """Until it has ended: one that is only starting does not hear, one that heard (a Ctrl-C, say) listens no more."""
    while child.pid is not None and child.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)
        child.join(_ASKED_AGAIN_SECONDS)


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"with exit code {code}"
    hint = "; the system does that when memory is short" if code == -signal.SIGKILL else ""
    return f"by {signal.Signals(-code).name}{hint}"


def _work(
    sender: Connection,
    environment: dict[str, str],
    level: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: dict[str, Any],
) -> None:
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    signal.signal(signal.SIGINT, _interrupt_once)
    os.environ.clear()
    os.environ.update(environment)
    if level:
        configure_console(logging.getLevelName(level))
    try:
        answer = (True, function(*arguments, **named))
    except BaseException as error:
        answer = (False, _portable(error))
    with contextlib.suppress(BrokenPipeError):
        sender.send(answer)


def _portable(error: BaseException) -> BaseException:
    """The error with its traceback as a note, for that is lost on the way; itself only if it can be sent."""
    text = "".join(traceback.format_exception(error))
    error.add_note(text)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(text)
    return error


def _end_with_parent() -> None:
    """Die when the process that asked does, whatever this one is at: its children see that and end too."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what tidies up after the first is not interrupted by a second
    raise KeyboardInterrupt
