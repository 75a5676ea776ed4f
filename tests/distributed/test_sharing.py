"""Processes of a graph share one local Ray, which nobody starts in vain and which outlives nobody."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aplantida.distributed.session import ADDRESS_VARIABLE
from aplantida.distributed.sharing import SHARED_VARIABLE, shared_ray
from aplantida.pipeline.config import CHECKOUT

USER = """
import json
import ray
from aplantida.distributed.session import ray_session
with ray_session():
    print(ray.get_runtime_context().gcs_address, ray.get(ray.remote(json.dumps).remote(1)))
"""
OWNER = f"""
import os, subprocess, sys, time
from aplantida.distributed.sharing import SHARED_VARIABLE, shared_ray
with shared_ray():
    subprocess.run([sys.executable, "-c", {USER!r}], check=True, stdout=subprocess.DEVNULL)
    print(os.environ[SHARED_VARIABLE], flush=True)
    time.sleep(600)
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout


def wait_for_end(process: psutil.Process) -> None:
    deadline = time.monotonic() + 60
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the keeper goes on alone"
        time.sleep(0.2)


def test_two_processes_use_one_ray_that_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    with shared_ray():
        folder = Path(os.environ[SHARED_VARIABLE])
        assert not (folder / "address").exists()  # nobody needs one yet
        first, second = run(USER), run(USER)
        assert first == second
        keeper = psutil.Process(int((folder / "address").read_text().split()[1]))
        assert keeper.is_running()
    wait_for_end(keeper)
    assert SHARED_VARIABLE not in os.environ
    assert not folder.exists()


def test_it_ends_with_a_killed_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    folder = Path(owner.stdout.readline().strip())  # its process has used Ray
    keeper = psutil.Process(int((folder / "address").read_text().split()[1]))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_for_end(keeper)
    shutil.rmtree(folder)
