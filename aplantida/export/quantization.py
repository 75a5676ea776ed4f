"""Which tensors are rounded, to what, and what that costs: decided once, before anything is measured.

Rounding every tensor to float16 loses several times more than rounding the large ones only, for a few kilobytes;
rounding every tensor to uint8 destroys the model. So biases, scales and small tensors keep their float32 values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from aplantida.models.checkpoint import MINIMUM_SUFFIX, SCALE_SUFFIX, WEIGHTS_FILE, ModelCard

Precision = Literal["float32", "float16", "uint8"]
FLOAT16_MAX = 65504.0
BYTES_PER_VALUE = {"float32": 4, "float16": 2, "uint8": 1}


def plan_precision(
    tensors: Mapping[str, torch.Tensor],
    large: Precision,
    min_elements: int,
    overrides: Mapping[str, Precision] | None = None,
) -> dict[str, str]:
    """The precision of every tensor that is rounded: name → ``float16`` or ``uint8``.

    Args:
        tensors: a model's state dict.
        large: precision of weights (two dimensions or more) with at least ``min_elements`` values.
        min_elements: smaller tensors keep float32.
        overrides: precision by shell pattern over tensor names (``head.*``); a later pattern wins over an earlier one
            and over the size rule, but biases and scales (fewer than two dimensions) always stay float32.

    Raises:
        ValueError: when a pattern matches no weight, or a value does not fit float16 (beyond ±65504).
    """
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    shapes = {name: tuple(value.shape) for name, value in floats.items()}
    plan = precision_by_shape(shapes, large, min_elements, overrides)
    for name, precision in plan.items():
        extreme = float(floats[name].abs().max())
        if precision == "float16" and not extreme <= FLOAT16_MAX:
            raise ValueError(f"tensor {name!r} holds {extreme}: float16 ends at {FLOAT16_MAX}; override it to float32")
    return {name: str(precision) for name, precision in sorted(plan.items()) if precision != "float32"}


def precision_by_shape(
    shapes: Mapping[str, Sequence[int]],
    large: Precision,
    min_elements: int,
    overrides: Mapping[str, Precision] | None = None,
) -> dict[str, Precision]:
    """The precision of every weight by the shapes alone: name → precision, without the biases and scales.

    Args:
        shapes: of a model's floating-point tensors, by name.
        large: as :func:`plan_precision` has it; so are the others.
        min_elements: likewise.
        overrides: likewise.

    Raises:
        ValueError: when a pattern matches no weight.
    """
    weights = {name: shape for name, shape in shapes.items() if len(shape) >= 2}
    plan: dict[str, Precision] = {
        name: large if prod(shape) >= min_elements else "float32" for name, shape in weights.items()
    }
    for pattern, precision in (overrides or {}).items():
        matching = [name for name in weights if fnmatchcase(name, pattern)]
        if not matching:
            raise ValueError(
                f"precision override {pattern!r} matches no weight; there are {', '.join(sorted(weights))}"
            )
        plan.update(dict.fromkeys(matching, precision))
    return plan


@dataclass(frozen=True)
class TensorError:
    """What rounding did to one tensor.

    Attributes:
        name: of the tensor.
        precision: how it is stored.
        num_elements: how many values.
        num_bytes: stored size.
        max_error: largest |rounded - exact|.
        relative_error: root mean square error / root mean square value, 0 when all values are 0.
    """

    name: str
    precision: str
    num_elements: int
    num_bytes: int
    max_error: float
    relative_error: float


def rounding_errors(
    exact: Mapping[str, torch.Tensor], rounded: Mapping[str, torch.Tensor], precision: Mapping[str, str]
) -> list[TensorError]:
    """One row per floating-point tensor, in order of name.

    Errors keep six significant digits: the last bits of a sum depend on how many threads shared it, and what is stored
    should not.
    """
    rows: list[TensorError] = []
    for name in sorted(exact):
        if not exact[name].is_floating_point():
            continue
        kind = precision.get(name, "float32")
        before, after = exact[name].double(), rounded[name].double()
        error, size = (after - before).square().mean().sqrt(), before.square().mean().sqrt()
        rows.append(
            TensorError(
                name=name,
                precision=kind,
                num_elements=before.numel(),
                num_bytes=before.numel() * BYTES_PER_VALUE[kind],
                max_error=_six_digits((after - before).abs().max()),
                relative_error=_six_digits(error / size) if float(size) > 0 else 0.0,
            )
        )
    return rows


def _six_digits(value: torch.Tensor) -> float:
    return float(f"{float(value):.6g}")


@dataclass(frozen=True)
class Encoding:
    """How one tensor's values lie in a weights file, in TensorFlow.js' terms.

    ``uint8`` means value = float32(byte x scale + minimum), computed in float64.
    """

    precision: str
    scale: float = 1.0
    minimum: float = 0.0

    def encode(self, values: npt.NDArray[np.float32]) -> bytes:
        """Little-endian bytes of ``values`` in C order.

        Raises:
            ValueError: when a value is not one this encoding can hold exactly.
        """
        if self.precision == "float16":
            stored: npt.NDArray = values.astype("<f2")
        elif self.precision == "uint8":
            stored = np.clip(np.rint((values.astype(np.float64) - self.minimum) / self.scale), 0, 255).astype("u1")
        else:
            stored = values.astype("<f4")
        data = np.ascontiguousarray(stored).tobytes()
        if not np.array_equal(self.decode(data), values.reshape(-1)):
            raise ValueError(f"values are not exactly {self.precision}: they were not rounded before")
        return data

    def decode(self, data: bytes) -> npt.NDArray[np.float32]:
        """The flat float32 values that TensorFlow.js makes of ``data``."""
        if self.precision == "float16":
            return np.frombuffer(data, "<f2").astype(np.float32)
        if self.precision == "uint8":
            return (np.frombuffer(data, "u1").astype(np.float64) * self.scale + self.minimum).astype(np.float32)
        return np.frombuffer(data, "<f4").astype(np.float32)

    def to_manifest(self) -> dict[str, float | str] | None:
        """The ``quantization`` entry of a TensorFlow.js weight; None for float32."""
        if self.precision == "float32":
            return None
        entry: dict[str, float | str] = {"dtype": self.precision, "original_dtype": "float32"}
        return entry if self.precision == "float16" else {**entry, "min": self.minimum, "scale": self.scale}

    @classmethod
    def from_manifest(cls, entry: Mapping[str, float | str] | None) -> Encoding:
        """Inverse of :meth:`to_manifest`."""
        if entry is None:
            return cls("float32")
        return cls(str(entry["dtype"]), float(entry.get("scale", 1.0)), float(entry.get("min", 0.0)))


def read_encodings(folder: Path, card: ModelCard) -> dict[str, Encoding]:
    """How the rounded tensors of the checkpoint in ``folder`` are stored: tensor name → encoding."""
    stored = load_file(folder / WEIGHTS_FILE)
    encodings: dict[str, Encoding] = {}
    for name, precision in card.precision.items():
        if precision == "uint8":
            scale, minimum = float(stored[name + SCALE_SUFFIX]), float(stored[name + MINIMUM_SUFFIX])
            encodings[name] = Encoding(precision, scale, minimum)
        else:
            encodings[name] = Encoding(precision)
    return encodings
