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


def test_large_tensors_are_not_paged_in_again_and_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, told, after = done.stdout.split()
    assert int(before) > 100_000
    assert told == "True"
    assert int(after) < 1_000
