"""Depthwise convolutions whose bfloat16 gradient a CPU computes slowly take float32 inside a bfloat16 network."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn


def prefer_float32(model: nn.Module) -> list[str]:
    """Have the slow depthwise convolutions of ``model`` compute in float32 under CPU autocast, in place.

    oneDNN has vector code for the bfloat16 gradient of a depthwise 3 x 3 convolution of stride 1 only. Any other one
    (strided, or 5 x 5) was 4 to 10 times as slow as in float32 where it was measured
    (``python -m benchmarks.depthwise``). Weights, their names and the shapes
    are as before, and so is a copy of the model.

    Returns:
        The names of the modules changed, in the order of the model.
    """
    names: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and is_slow(module):
            module.__class__ = _in_float32(type(module))
            names.append(name)
    return names


def is_slow(convolution: nn.Conv2d) -> bool:
    """Whether it is depthwise, and strided or larger than 3 x 3."""
    depthwise = convolution.groups > 1 and convolution.groups == convolution.in_channels
    return depthwise and (max(convolution.stride) > 1 or max(convolution.kernel_size) > 3)


@cache
def _in_float32(kind: type[nn.Conv2d]) -> type[nn.Conv2d]:
    """``kind``, computing in float32 and answering in its input's type."""
    if issubclass(kind, _Float32):
        return kind
    return type(f"Float32{kind.__name__}", (_Float32, kind), {})


class _Float32(nn.Conv2d):
    def forward(self, input: Any) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(input.dtype)
