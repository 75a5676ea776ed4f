"""ONNX: the model with its normalization inside, from raw pixels to logits and pooled features."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from aplantida.domain.preprocessing import Preprocessing

if TYPE_CHECKING:
    from aplantida.models.zoo import PlantModel

OPSET = 17
INPUT_NAME, LOGITS_NAME, POOLED_NAME = "image", "logits", "pooled"


class ServedModel(nn.Module):
    """What ships: (1, 3, S, S) RGB 0..255 → logits (1, C) and pooled features (1, F)."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, model: PlantModel, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(preprocessing.mean).reshape(1, 3, 1, 1) * 255.0)
        self.register_buffer("scale", 1.0 / (torch.tensor(preprocessing.std).reshape(1, 3, 1, 1) * 255.0))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalize, then the model."""
        pooled = self.model.pooled((image - self.mean) * self.scale)
        return self.model.head(pooled), pooled


def export_onnx(model: PlantModel, preprocessing: Preprocessing, path: Path) -> None:
    """Write ``model`` (eval mode) as one ONNX file with weights inside; equal weights give equal bytes.

    Input ``image``: float32 (1, 3, S, S), RGB 0..255. Outputs ``logits`` (1, C) and ``pooled`` (1, F).

    Raises:
        ValueError: when the model is in training mode.
    """
    if model.training:
        raise ValueError("export_onnx wants a model in eval mode")
    size = preprocessing.image_size
    example = torch.full((1, 3, size, size), 127.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the TorchScript exporter announces its successor; ours is an eager-mode CNN
        torch.onnx.export(
            ServedModel(model, preprocessing).eval(),
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[LOGITS_NAME, POOLED_NAME],
        )
    _simplify(path)


def _simplify(path: Path) -> None:
    """Fold what is constant at a fixed image size (the padding of "same" convolutions, say); weights stay.

    The simplifier's rewriting is off: it would multiply the normalization into the first convolution's weights.
    """
    import onnx
    import onnxsim

    simplified, valid = onnxsim.simplify(onnx.load(str(path)), perform_optimization=False)
    if not valid:
        raise ValueError(f"{path}: the simplified graph gives other results than the exported one")
    onnx.save(simplified, str(path))


class OnnxRunner:
    """An ONNX file run by onnxruntime on the CPU."""

    def __init__(self, path: Path, num_threads: int | None = None) -> None:
        import onnxruntime

        logging.getLogger(__name__).debug("onnxruntime %s", onnxruntime.__version__)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if num_threads is not None:
            options.intra_op_num_threads = num_threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(N, S, S, 3) uint8 squares → (N, C) float32 logits, one photo at a time (the graph's batch is 1)."""
        rows = []
        for square in pixels:
            image = square[None].transpose(0, 3, 1, 2).astype(np.float32)
            rows.append(np.asarray(self._session.run([LOGITS_NAME], {INPUT_NAME: image})[0])[0])
        return np.stack(rows)
