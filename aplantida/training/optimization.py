"""Optimizer, parameter groups and the learning rate as a function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from timm.models import group_parameters  # pyright: ignore[reportUnknownVariableType]
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """How weights move.

    Attributes:
        optimizer: ``adamw`` (Loshchilov & Hutter, 2019) or ``sgd`` with Nesterov momentum.
        learning_rate: at its peak.
        layer_decay: each layer of the body learns so many times as fast as the one above it (Clark et al., 2020, arXiv
            2003.10555; Bao et al., 2022, arXiv 2106.08254); 1 for all alike.
        head_only_epochs: the body stays as it is so long, with its batch norms' statistics, and the head learns alone
            (Kumar et al., 2022, arXiv 2202.10054); fractions allowed.
        head_learning_rate_factor: the head learns this many times faster (a fresh head on a trained body).
        momentum: of sgd; adamw's betas are 0.9 and 0.999.
        weight_decay: on weights of two or more dimensions; biases and norms have none.
        warmup_epochs: the rate rises linearly over these (fractions allowed), then falls along a cosine.
        final_learning_rate_fraction: of the peak, at the last step.
        gradient_clip: largest norm of all gradients together; None for no limit.
        global_batch_size: photos per step, over all workers.
        micro_batch_size: photos per forward pass; gradients are accumulated. None for the whole batch at once.
    """

    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float
    layer_decay: float = 1.0
    head_only_epochs: float = 0.0
    head_learning_rate_factor: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup_epochs: float = 0.0
    final_learning_rate_fraction: float = 0.01
    gradient_clip: float | None = None
    global_batch_size: int
    micro_batch_size: int | None = None


def learning_rate_factor(step: int, *, num_steps: int, warmup_steps: int, final_fraction: float) -> float:
    """The part of the peak rate used at ``step`` (from 0): linear warm-up, then a cosine down to ``final_fraction``."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, num_steps - 1 - warmup_steps)
    return final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


def create_optimizer(model: nn.Module, settings: Optimization) -> torch.optim.Optimizer:
    """The optimizer over groups of parameters that learn alike: body (or its layers) and head, with and without decay.

    Each group carries its peak rate as ``peak``.
    """
    factors = _layer_factors(model, settings.layer_decay)
    groups: dict[tuple[bool, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        is_head = name.startswith("head.")
        factor = settings.head_learning_rate_factor if is_head else factors.get(name, 1.0)
        groups.setdefault((is_head, factor, parameter.ndim >= 2), []).append(parameter)
    listed = [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "peak": settings.learning_rate * factor,
        }
        for (_, factor, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(listed, lr=settings.learning_rate, momentum=settings.momentum, nesterov=True)
    return torch.optim.AdamW(listed, lr=settings.learning_rate, fused=True)


def _layer_factors(model: nn.Module, layer_decay: float) -> dict[str, float]:
    """By parameter of the body, ``layer_decay`` to the power of the number of layers above its own, as timm counts."""
    if layer_decay == 1.0:
        return {}
    body: Any = model.get_submodule("body")
    layers = cast("dict[str, int]", group_parameters(body, body.group_matcher(coarse=False), reverse=True))
    last = max(layers.values())
    return {f"body.{name}": layer_decay ** (last - layer) for name, layer in layers.items()}


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group ``factor`` times its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def make_room_for_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Take the memory of SGD's first step, and move nothing: momentum, and the sum of gradients and decaying weights.

    Momentum begins as -0.0: a gradient that is added to it stays what it is to the bit, as in SGD's own first step.
    """
    for group in optimizer.param_groups:
        learning: list[nn.Parameter] = [parameter for parameter in group["params"] if parameter.grad is not None]
        for parameter in learning:
            state = optimizer.state[parameter]
            if group["momentum"] and state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.full_like(parameter, -0.0, requires_grad=False)
        _ = [torch.empty_like(parameter) for parameter in learning if group["weight_decay"]]  # given back at once


def forget_half_made(optimizer: torch.optim.Optimizer) -> None:
    """Drop the state of parameters whose moments AdamW could not make to the end: it would take it for whole."""
    for parameter in [parameter for parameter, state in optimizer.state.items() if "exp_avg_sq" not in state]:
        del optimizer.state[parameter]


class MovingAverage:
    """An exponential moving average of a model's parameters and buffers.

    The model's tensors are found once: they must stay where they are, as they do in a training.
    The decay rises with the steps as ``min(decay, (1 + n) / (10 + n))``, so that short trainings have one too.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        followed = {name: value.detach() for name, value in model.state_dict().items()}
        self.state = {name: value.clone() for name, value in followed.items()}
        names = sorted(followed, key=lambda name: not followed[name].is_floating_point())
        self._num_floating = sum(value.is_floating_point() for value in followed.values())
        self._followed = [followed[name] for name in names]
        self._following = [self.state[name] for name in names]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the model after step number ``step`` (from 0)."""
        decay, floating = min(self._decay, (1 + step) / (10 + step)), self._num_floating
        torch._foreach_lerp_(self._following[:floating], self._followed[:floating], 1.0 - decay)
        if len(self._following) > floating:
            torch._foreach_copy_(self._following[floating:], self._followed[floating:])
