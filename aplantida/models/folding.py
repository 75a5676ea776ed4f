"""Fold batch normalization into the convolution before it, so that a stored weight is the weight that multiplies.

A converter folds it anyway; doing it first means that the values rounded once are the very values that ship.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def fold_batch_norm(model: nn.Module, image_size: int) -> list[str]:
    """Fold every batch normalization that directly follows a convolution, in place; ``model`` must be in eval mode.

    The pairs are found by running one photo and watching which normalization receives which convolution's output, so no
    naming rule is assumed. With w, b of the convolution and γ, β, μ, σ², ε of the normalization (Ioffe and Szegedy,
    2015): w' = w γ / √(σ² + ε) and b' = β + (b - μ) γ / √(σ² + ε), computed in float64.

    Args:
        model: (N, 3, S, S) in.
        image_size: S of the photo that is run, pixels.

    Returns:
        Names of the convolutions that took a normalization in, sorted.

    Raises:
        ValueError: when the model is in training mode.
    """
    if model.training:
        raise ValueError("fold_batch_norm wants a model in eval mode: running statistics must not change")
    pairs = followed_by(model, image_size, nn.BatchNorm2d)
    for convolution_name, normalization_name in pairs.items():
        convolution, normalization = model.get_submodule(convolution_name), model.get_submodule(normalization_name)
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(normalization, nn.BatchNorm2d)
        _fold(convolution, normalization)
        parent, _, child = normalization_name.rpartition(".")
        setattr(model.get_submodule(parent), child, _what_remains(normalization))
    return sorted(pairs)


def followed_by(model: nn.Module, image_size: int, *kinds: type[nn.Module]) -> dict[str, str]:
    """Convolution → what takes its output, by name, for modules of ``kinds`` of which both run once in a photo.

    Args:
        model: (N, 3, S, S) in.
        image_size: S of the photo that is run, pixels.
        *kinds: classes of what may follow.
    """
    outputs: dict[int, tuple[str, torch.Tensor]] = {}  # the tensor is kept, so that its id is not given away again
    runs: dict[str, int] = {}
    pairs: dict[str, str] = {}

    def after_convolution(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            outputs[id(output)] = (name, output)
            runs[name] = runs.get(name, 0) + 1

        return hook

    def before_follower(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            runs[name] = runs.get(name, 0) + 1
            if id(inputs[0]) in outputs:
                pairs[outputs[id(inputs[0])][0]] = name

        return hook

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(after_convolution(name)))
        elif isinstance(module, kinds):
            handles.append(module.register_forward_pre_hook(before_follower(name)))
    try:
        reference = next(model.parameters())
        with torch.no_grad():
            model(torch.zeros(1, 3, image_size, image_size, device=reference.device, dtype=reference.dtype))
    finally:
        for handle in handles:
            handle.remove()
    return {first: second for first, second in pairs.items() if runs[first] == runs[second] == 1}


def _fold(convolution: nn.Conv2d, normalization: nn.BatchNorm2d) -> None:
    mean, variance = normalization.running_mean, normalization.running_var
    assert mean is not None
    assert variance is not None
    scale = (variance.double() + normalization.eps).rsqrt()
    if normalization.affine:
        scale = scale * normalization.weight.double()
    bias = torch.zeros_like(mean.double()) if convolution.bias is None else convolution.bias.double()
    bias = (bias - mean.double()) * scale
    if normalization.affine:
        bias = bias + normalization.bias.double()
    weight = convolution.weight.double() * scale.reshape(-1, 1, 1, 1)
    dtype = convolution.weight.dtype
    convolution.weight = nn.Parameter(weight.detach().to(dtype))
    convolution.bias = nn.Parameter(bias.detach().to(dtype))


def _what_remains(normalization: nn.BatchNorm2d) -> nn.Module:
    """timm's normalization layers also hold the dropout and the activation that follow."""
    kept = [getattr(normalization, name) for name in ("drop", "act") if hasattr(normalization, name)]
    rest = [module for module in kept if not isinstance(module, nn.Identity)]
    return rest[0] if len(rest) == 1 else nn.Sequential(*rest)
