from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
import torch
from aplantida.domain.memory import keep_freed_memory

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(16 << 20)  # 64 MiB: 16,384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
faults(2)
print(faults(10))
print(keep_freed_memory())
faults(60)  # until the heap has grown to what it needs
print(faults(10))
"""

GIVING_BACK = """
from pathlib import Path
import torch
from aplantida.domain.memory import give_back_freed_memory, keep_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

keep_freed_memory()
kept = [torch.ones(1 << 20) for _ in range(200)]  # 800 MiB
last = torch.ones(1 << 20)  # above them on the heap
full = resident()
del kept
freed = resident()
give_back_freed_memory()
print(full - freed, full - resident())
"""


def test_what_was_kept_can_be_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", GIVING_BACK], capture_output=True, text=True, check=True)
    freed, given_back = done.stdout.split()
    assert int(freed) < 50_000_000
    assert int(given_back) > 700_000_000


def test_large_tensors_are_not_paged_in_again_and_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, told, after = done.stdout.split()
    assert int(before) > 100_000
    assert told == "True"
    assert int(after) < 1_000
