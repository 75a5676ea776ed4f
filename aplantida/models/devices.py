"""What a process may use: device, threads, compiler, reduced precision."""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from aplantida.domain.cores import usable_cores
from aplantida.models.nvml import installed_driver

_LEAST_DRIVER = {
    "11": "450",
    "12": "525",
    "13": "580",
}  # by CUDA's major version: NVIDIA's "CUDA Compatibility", table 1


def resolve_device(device: str) -> torch.device:
    """``auto`` is the GPU where there is one.

    Raises:
        ValueError: for ``cuda`` where there is none, for a card that torch cannot use, or an unknown word.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, not {device!r}")
    if device == "cpu":
        return torch.device("cpu")
    trouble = card_trouble()
    if trouble is not None:
        raise ValueError(trouble)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if device == "cuda":
        raise ValueError("device: cuda asked for, but torch sees no CUDA device; use auto or cpu")
    return torch.device("cpu")


def card_trouble() -> str | None:
    """Why torch cannot use a card that the driver sees, naming both their versions; None when it can, or there is none.

    Of several cards the first is looked at, which is the one that is used. A ``CUDA_VISIBLE_DEVICES`` that names no
    card hides them all, on purpose.
    """
    if torch.cuda.is_available():
        return _lack_of_kernels()
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return None
    driver = installed_driver()
    if driver is None or (driver.version and not driver.num_cards):
        return None
    if not driver.version:
        return "the NVIDIA driver was updated, but the old one still runs: restart the machine, or set device: cpu"
    has = f"the driver sees {driver.num_cards} GPU, torch sees none: driver {driver.version} runs CUDA {driver.cuda}"
    if torch.version.cuda is None:
        return f"{has}, torch {torch.__version__} is built without CUDA; install one that has it, or set device: cpu"
    least = _LEAST_DRIVER.get(torch.version.cuda.partition(".")[0])
    wants = f"CUDA {torch.version.cuda}" + (f", so driver {least} or newer" if least else "")
    return f"{has}, torch {torch.__version__} wants {wants}; update the driver, or set device: cpu"


def _lack_of_kernels() -> str | None:
    """Why torch's kernels do not run on the card it sees; torch itself says so at the first of them."""
    built = torch.cuda.get_arch_list()
    if torch.version.cuda is None or not built:
        return None
    has = torch.cuda.get_device_capability()
    if any(_runs_on(has, code) for code in built):
        return None
    return (
        f"GPU {torch.cuda.get_device_name()} is of sm_{has[0]}{has[1]}, torch {torch.__version__} has kernels for "
        f"{', '.join(built)} only; install one that has them, hide the card by CUDA_VISIBLE_DEVICES, or set device: cpu"
    )


def _runs_on(card: tuple[int, int], built_for: str) -> bool:
    """Whether a card takes code for ``sm_86`` (8.x from 8.6 on), ``sm_90a`` (9.0) or ``compute_90`` (9.0 and newer).

    "CUDA C++ Programming Guide", Binary Compatibility and PTX Compatibility; a letter binds to a card (``a``) or its
    generation (``f``).
    """
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", built_for)
    if found is None:
        return True  # a word of a later torch: it is torch's to judge
    code = int(found[2]), int(found[3])
    if found[4] == "a":
        return card == code
    if found[1] == "compute" and not found[4]:
        return card >= code
    return card[0] == code[0] and card >= code


def describe_device(device: torch.device) -> str:
    """In a few words, for a log."""
    if device.type == "cpu":
        return f"CPU, {usable_cores()} cores"
    card = torch.cuda.get_device_properties(device)
    return f"GPU {card.name}, {card.total_memory / 2**30:.0f} GiB"


def set_threads(num_threads: int | None, num_workers: int = 1) -> int:
    """Fix torch's threads for this process and return their number.

    Results are bit-equal only at equal numbers of threads, so it is always set.

    Args:
        num_threads: per worker; None shares the usable cores among the workers.
        num_workers: training processes on this machine.
    """
    chosen = num_threads or max(1, usable_cores() // max(1, num_workers))
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


@contextmanager
def full_float32() -> Iterator[None]:
    """What is float32 is computed in float32 on a GPU, too: never in TF32, which keeps 10 bits of a factor.

    cuDNN's convolutions take TF32 unless told otherwise. The switches are the process's: they are back as they were
    when this ends, so that a training keeps its own.
    """
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def autocast(device: torch.device, enabled: bool) -> torch.autocast:
    """bfloat16 autocast; off where ``enabled`` is False or the device has no bfloat16."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled and has_bfloat16(device))
