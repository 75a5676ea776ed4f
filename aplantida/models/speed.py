"""How much arithmetic a model wants, and how much a device can do: what a share of the peak is taken of."""

from __future__ import annotations

import copy
import time
from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from aplantida.models.devices import has_bfloat16

_SIDE_CPU, _SIDE_GPU, _REPEATS = 1024, 8192, 5


def training_flops(model: nn.Module, image_size: int) -> float:
    """Floating point operations of one photo in a training step.

    Backward counts as twice forward, as usual; torch's own count of it is wrong for grouped convolutions. Nothing is
    computed: the model's copy lies on the device ``meta``.
    """
    ghost = copy.deepcopy(model).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ghost(torch.zeros(1, 3, image_size, image_size, device="meta"))
    return 3.0 * counter.get_total_flops()


@cache
def peak_flops(device: torch.device, mixed_precision: bool, num_threads: int) -> float:
    """Floating point operations a second of multiplying two large square matrices, measured once.

    Args:
        device: where.
        mixed_precision: in bfloat16 where the device has it; else in float32.
        num_threads: torch's; they are what a CPU's peak depends on.
    """
    reduced = mixed_precision and has_bfloat16(device)
    side = _SIDE_GPU if device.type == "cuda" else _SIDE_CPU
    factor = torch.ones(side, side, dtype=torch.bfloat16 if reduced else torch.float32, device=device)
    seconds: list[float] = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        torch.mm(factor, factor)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return 2.0 * side**3 / min(seconds)
