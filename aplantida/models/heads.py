"""Classifier heads: dense, or low-rank for many classes on small devices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class LowRankHead(nn.Module):
    """Two linear maps F → r → C in place of one F → C.

    For 9,000 classes on 1280 features a dense head holds 11.5 M numbers, rank 96 holds 1.0 M.

    Args:
        num_features: F, width of the pooled features.
        num_classes: C.
        rank: r, 1 to min(F, C).
    """

    def __init__(self, num_features: int, num_classes: int, rank: int) -> None:
        super().__init__()
        if not 1 <= rank <= min(num_features, num_classes):
            raise ValueError(
                f"head_rank must lie in 1..{min(num_features, num_classes)} "
                f"({num_features} features, {num_classes} classes), not {rank}"
            )
        self.down = nn.Linear(num_features, rank, bias=False)
        self.up = nn.Linear(rank, num_classes)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """(N, F) pooled features → (N, C) logits."""
        return self.up(self.down(pooled))


def create_head(num_features: int, num_classes: int, rank: int | None) -> nn.Module:
    """A dense head, or a low-rank one when ``rank`` is given; weights N(0, 1/F), biases zero."""
    head: nn.Module
    head = nn.Linear(num_features, num_classes) if rank is None else LowRankHead(num_features, num_classes, rank)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5 * (0.3 if rank is None else 1.0))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return head


def narrow_head(head: nn.Module, positions: Sequence[int]) -> nn.Module:
    """A head of :func:`create_head` that answers for some classes only, their values the very ones they were.

    Args:
        head: (N, F) → (N, C); it is not changed.
        positions: of the K classes, in the order of the new outputs.

    Returns:
        (N, F) → (N, K); of a low-rank head the rank stays, though K may be smaller.
    """
    if isinstance(head, LowRankHead):
        narrowed = LowRankHead(head.down.in_features, head.up.out_features, head.down.out_features)
        narrowed.down, narrowed.up = head.down, _some_outputs(head.up, positions)
        return narrowed
    assert isinstance(head, nn.Linear)
    return _some_outputs(head, positions)


def _some_outputs(linear: nn.Linear, positions: Sequence[int]) -> nn.Linear:
    kept = nn.Linear(linear.in_features, len(positions), bias=linear.bias is not None)
    kept.weight = nn.Parameter(linear.weight.detach()[list(positions)].clone())
    if linear.bias is not None:
        kept.bias = nn.Parameter(linear.bias.detach()[list(positions)].clone())
    return kept
