from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from aplantida.pipeline.child import ChildDied, run_in_child
from aplantida.pipeline.errors import GateFailed

DRIVER = """
import sys, time
from aplantida.pipeline.child import run_in_child
if __name__ == "__main__":
    from tests.pipeline.test_child import deaf_at_first
    run_in_child("a nap", {"sleep": time.sleep, "deaf_at_first": deaf_at_first}[sys.argv[1]], 600)
"""


def refuse(reason: str) -> None:
    raise GateFailed(reason)


def fail() -> None:
    class Strange(Exception):  # a type that the other side cannot know
        pass

    raise Strange("of its own kind")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_it_returns_and_raises_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_in_child("max", max, 3, 5) == 5
    assert run_in_child("pid", os.getpid) != os.getpid()
    for value in ("one", "two"):  # the environment of now, not of when the first was started
        monkeypatch.setenv("APLANTIDA_TEST", value)
        assert run_in_child("environment", os.getenv, "APLANTIDA_TEST") == value
    with pytest.raises(GateFailed, match="too few"):
        run_in_child("refuse", refuse, "too few")
    with pytest.raises(RuntimeError, match="Strange: of its own kind"):
        run_in_child("fail", fail)


def test_one_that_the_system_ends_is_named() -> None:
    with pytest.raises(ChildDied, match="evaluation: its process ended by SIGKILL; the system does that when memory"):
        run_in_child("evaluation", die)


def deaf_at_first(seconds: float) -> None:
    """As a process that is only starting."""
    hearing = signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(3)
    signal.signal(signal.SIGINT, hearing)
    time.sleep(seconds)


def nap(function: str = "sleep") -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, function], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(below := psutil.Process(driver.pid).children(recursive=True)) < 3:  # tracker, server, child
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)
    return driver, below


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_whoever_started_it(number: signal.Signals) -> None:
    driver, below = nap()
    driver.send_signal(number)
    assert driver.wait(30) != 0
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive


def test_an_interrupt_is_said_again_until_it_is_heard() -> None:
    driver, below = nap("deaf_at_first")
    driver.send_signal(signal.SIGINT)
    assert driver.wait(30) != 0
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive
