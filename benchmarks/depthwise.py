"""Forward and backward of depthwise convolutions in bfloat16 on a CPU, against the same in float32.

What :func:`aplantida.training.depthwise.prefer_float32` stands on: where the ratio is far below 1, bfloat16 is avoided.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from aplantida.domain.memory import keep_freed_memory
from aplantida.models.devices import has_bfloat16, set_threads
from aplantida.training.depthwise import is_slow
from benchmarks.report import Row, interleaved, read_flags, show

BATCH_SIZE = 32
SHAPES = ((3, 1, 144, 40), (3, 1, 384, 10), (3, 2, 96, 80), (3, 2, 576, 10), (5, 1, 240, 20), (5, 2, 144, 40))


def passes(layer: nn.Conv2d, side: int, dtype: torch.dtype) -> Callable[[], object]:
    """One forward and backward pass of a batch."""
    layer = layer.to(dtype=dtype, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    photos = torch.randn(BATCH_SIZE, layer.in_channels, side, side, dtype=dtype)
    photos = photos.contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.ones_like(layer(photos))
    return lambda: layer(photos).backward(gradient)


def main() -> None:
    """Measure and print."""
    threads = set_threads(None)
    keep_freed_memory()
    if not has_bfloat16(torch.device("cpu")):
        raise SystemExit("this processor has no bfloat16: nothing to compare")
    rows: list[Row] = []
    for kernel, stride, channels, side in SHAPES:
        layers = [
            nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False) for _ in range(2)
        ]
        kept = "float32 is taken" if is_slow(layers[0]) else "bfloat16 is kept"
        functions = [passes(layers[0], side, torch.bfloat16), passes(layers[1], side, torch.float32)]
        interleaved(functions, repeats=2)
        ours, peer = (BATCH_SIZE / seconds for seconds in interleaved(functions, repeats=9))
        note = f"{channels} channels, {side} x {side}, {threads} threads: {kept}"
        name = f"depthwise {kernel} x {kernel}, stride {stride}, bfloat16 against float32"
        rows.append(Row(name, ours, peer, "photos/s", ours / peer, None, note))
    show(rows)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
