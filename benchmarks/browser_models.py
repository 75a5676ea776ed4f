"""The bundle's model as its peers take it, the weights in float16 as in the bundle: ``model.onnx``, ``model.tflite``.

TensorFlow is held by a process of its own: ``python -m benchmarks.browser_models SAVED_MODEL TFLITE``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.bundle_size import MIN_ELEMENTS


def write_onnx(source: Path, target: Path) -> None:
    """An ONNX file whose large weights are stored in float16 and cast to float32 where they are read.

    Raises:
        ValueError: when a large weight is no number of float16, so that the model would be another.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(source))
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < MIN_ELEMENTS:
            continue
        halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            raise ValueError(
                f"{source}: {tensor.name} holds more than float16 can; want the checkpoint's rounded values"
            )
        name, stored = tensor.name, f"{tensor.name}.half"
        tensor.CopyFrom(numpy_helper.from_array(halves, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def write_tflite(saved_model: Path, target: Path) -> None:
    """LiteRT's file of a SavedModel, its weights in float16 as LiteRT's pages tell.

    The converter rounds small constants too (biases, the normalization), so logits differ in their third place.

    Raises:
        RuntimeError: when the converter fails, with the end of what it said.
    """
    command = [sys.executable, "-m", "benchmarks.browser_models", str(saved_model), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not target.is_file():
        raise RuntimeError(f"{saved_model} cannot be converted to {target.name}: {done.stderr[-1000:]}")


def _convert(saved_model: Path, target: Path) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    target.write_bytes(converter.convert())


if __name__ == "__main__":
    _convert(Path(sys.argv[1]), Path(sys.argv[2]))
