"""What the training process may use: threads, device, reduced precision."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

import torch
from torch import nn


def set_threads(num_threads: int | None, num_workers: int = 1) -> int:
    """Fix torch's threads for this process and return their number.

    Results are bit-equal only at equal numbers of threads, so it is always set.

    Args:
        num_threads: per worker; None shares the usable cores among the workers.
        num_workers: training processes on this machine.
    """
    chosen = num_threads or max(1, len(os.sched_getaffinity(0)) // max(1, num_workers))
    torch.set_num_threads(chosen)
    return chosen


def make_repeatable() -> None:
    """Have cuDNN choose the same algorithms every time."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def compiler_trouble() -> str | None:
    """Why ``torch.compile`` cannot work here; None when it can."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"a C++ compiler, and there is no {compiler}: install g++, or set CXX"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return f"Python's headers, and there is no {header}: install python3-dev"
    return None


def compiled(model: nn.Module) -> nn.Module:
    """The model with ``torch.compile``'s fused kernels for inputs of one shape; parameters are shared with ``model``.

    Raises:
        ValueError: when the kernels' code cannot be compiled here, be they for a CPU or a GPU.
    """
    trouble = compiler_trouble()
    if trouble is not None:
        raise ValueError(f"training.compile: true wants {trouble}")
    return torch.compile(model, dynamic=False)  # pyright: ignore[reportReturnType]


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16: GPUs since Ampere, CPUs with AVX512-BF16 or AMX.

    Elsewhere it is emulated, which took 1.2 to 2.6 times as long as float32 where it was measured.
    """
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.cuda.is_bf16_supported(including_emulation=False)


def autocast(device: torch.device, enabled: bool) -> torch.autocast:
    """bfloat16 autocast; off where ``enabled`` is False or the device has no bfloat16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled and has_bfloat16(device))
