"""A model's buffers (batch norm's statistics) side by side in memory, so that a step keeps them with one copy."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

_ALIGNED = 64  # bytes: each buffer begins at a multiple, as memory of its own would


class Buffers:
    """Moves the buffers of ``model`` into one block a type, where they go on as views of it.

    The model must be on its device already, and not be moved afterwards.
    """

    def __init__(self, model: nn.Module) -> None:
        places = defaultdict[torch.dtype, list[tuple[nn.Module, str, torch.Tensor]]](list)
        for module in model.modules():
            for name, buffer in module.named_buffers(recurse=False):
                places[buffer.dtype].append((module, name, buffer))
        self._now = [_side_by_side(found) for found in places.values()]
        self._before = [block.clone() for block in self._now]

    def keep(self) -> None:
        """Remember them as they are."""
        for before, now in zip(self._before, self._now, strict=True):
            before.copy_(now)

    def take_back(self) -> None:
        """As they were when they were kept."""
        for before, now in zip(self._before, self._now, strict=True):
            now.copy_(before)

    def take_back_unless(self, good: torch.Tensor) -> None:
        """The same where ``good``, a boolean on the device, is False; nobody waits to see it."""
        for before, now in zip(self._before, self._now, strict=True):
            torch.where(good, now, before, out=now)


def _side_by_side(found: list[tuple[nn.Module, str, torch.Tensor]]) -> torch.Tensor:
    first = found[0][2]
    step = max(1, _ALIGNED // first.element_size())
    sizes = [-(-buffer.numel() // step) * step for _, _, buffer in found]
    block = torch.zeros(sum(sizes), dtype=first.dtype, device=first.device)
    start = 0
    for (module, name, buffer), size in zip(found, sizes, strict=True):
        view = block[start : start + buffer.numel()].view(buffer.shape)
        view.copy_(buffer)
        setattr(module, name, view)
        start += size
    return block
