"""How many bytes a model has in the browser, known before it is trained.

``weights.bin`` holds the folded model's tensors as ``quantize_model`` rounds them: they are counted. ``model.json``
names every tensor and operation: it is estimated from above. ``benchmarks/bundle_size.py`` shows both and the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from timm.layers import HardSigmoid
from torch import nn

from aplantida.export.quantization import BYTES_PER_VALUE, Precision, precision_by_shape
from aplantida.models.folding import fold_batch_norm, followed_by
from aplantida.models.zoo import create_model

_HARD_SIGMOIDS = (nn.Hardsigmoid, HardSigmoid)  # x / 6 + 1 / 2, of squeeze and excitation
_GRAPH_BYTES = 8_000  # of model.json apart from the tensors, and of the constants of a photo's mirror image
_GRAPH_BYTES_PER_TENSOR = 900  # a tensor's entry, and the nodes around it
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class BundledModel:
    """A model as the browser gets it, but for its head's rank.

    Attributes:
        body: shapes of the folded body's floating-point tensors, by name.
        scaled: those of them that the converter multiplies by a constant, so that their rounded values are gone and
            they ship as float32.
        num_features: F, width of the pooled features.
        num_classes: C.
        precision: of large weights, as in :func:`~aplantida.export.quantization.plan_precision`.
        min_elements: smaller weights keep float32.
        overrides: precision by pattern over tensor names.
    """

    body: Shapes
    scaled: frozenset[str]
    num_features: int
    num_classes: int
    precision: Precision
    min_elements: int
    overrides: Mapping[str, Precision]

    def num_bytes(self, rank: int | None) -> int:
        """Bytes of ``model.json`` and ``weights.bin`` together, 0 to 2 % too many.

        Args:
            rank: of a low-rank head; None for a dense one.
        """
        shapes = self.body | _head(self.num_features, self.num_classes, rank)
        plan = precision_by_shape(shapes, self.precision, self.min_elements, self.overrides)
        plan.update(dict.fromkeys(self.scaled, "float32"))
        values = sum(prod(shape) * BYTES_PER_VALUE[plan.get(name, "float32")] for name, shape in shapes.items())
        return values + _GRAPH_BYTES + _GRAPH_BYTES_PER_TENSOR * len(shapes)

    def largest_rank(self, max_bytes: int) -> int | None:
        """The rank of the largest head within ``max_bytes``: None for a dense one, which is taken where it fits.

        Raises:
            ValueError: when not even rank 1 fits.
        """
        if self.num_bytes(None) <= max_bytes:
            return None
        for rank in range(min(self.num_features, self.num_classes), 0, -1):
            if self.num_bytes(rank) <= max_bytes:
                return rank
        raise ValueError(f"with a head of rank 1 it has {self.num_bytes(1)} bytes")


def bundled_model(
    architecture: str,
    num_classes: int,
    *,
    width: float,
    image_size: int,
    precision: Precision,
    min_elements: int,
    overrides: Mapping[str, Precision] | None = None,
) -> BundledModel:
    """Lay the model out without a weight in memory, and fold it as ``quantize_model`` does.

    Args:
        architecture: a name :func:`~aplantida.models.zoo.create_model` knows.
        num_classes: C.
        width: channel multiplier.
        image_size: side of the input, pixels.
        precision: of large weights.
        min_elements: smaller weights keep float32.
        overrides: precision by pattern over tensor names.

    Raises:
        ValueError: for an unknown architecture or width.
    """
    with torch.device("meta"):
        model = create_model(architecture, 1, width=width).eval()
        fold_batch_norm(model, image_size)
        scaled = {f"{name}.weight" for name in followed_by(model, image_size, *_HARD_SIGMOIDS)}
    shapes = {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if value.is_floating_point() and not name.startswith("head.")
    }
    return BundledModel(
        shapes, frozenset(scaled), model.num_features, num_classes, precision, min_elements, overrides or {}
    )


def _head(num_features: int, num_classes: int, rank: int | None) -> Shapes:
    """The tensors of :func:`aplantida.models.heads.create_head`."""
    if rank is None:
        return {"head.weight": (num_classes, num_features), "head.bias": (num_classes,)}
    return {
        "head.down.weight": (rank, num_features),
        "head.up.weight": (num_classes, rank),
        "head.up.bias": (num_classes,),
    }
