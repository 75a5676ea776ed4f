from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aplantida.export.graph_model import match_tensor, read_weights, write_graph_model
from aplantida.export.quantization import Encoding

KERNEL = np.arange(24, dtype=np.float32).reshape(4, 3, 2, 1) / 8  # (O, I, kh, kw), exact in float16
BIAS = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
FLOAT = {"type": "DT_FLOAT"}


def converted(folder: Path) -> Path:
    """What a converter would write: a convolution whose fused "bias" is the residual, and its constants."""
    weights = {"kernel": KERNEL.transpose(2, 3, 1, 0), "bias": BIAS, "axes": np.array([1, 2], np.int32)}
    fused = {
        "T": FLOAT,
        "padding": {"s": base64.b64encode(b"SAME").decode()},
        "strides": {"list": {"i": ["1", "1", "1", "1"]}},
        "fused_ops": {"list": {"s": [base64.b64encode(name).decode() for name in (b"BiasAdd", b"Relu6")]}},
        "num_args": {"i": "1"},
    }
    nodes: list[dict[str, Any]] = [
        {"name": "image", "op": "Placeholder", "attr": {}},
        *({"name": name, "op": "Const", "attr": {}} for name in weights),
        {"name": "plain", "op": "_FusedConv2D", "input": ["image", "kernel", "bias"], "attr": fused},
        {"name": "residual", "op": "_FusedConv2D", "input": ["image", "kernel", "plain"], "attr": fused},
        {"name": "Identity", "op": "Identity", "input": ["residual"], "attr": {}},
    ]
    model = {
        "format": "graph-model",
        "signature": {"inputs": {}, "outputs": {"logits": {"name": "Identity:0"}}},
        "modelTopology": {"node": nodes},
        "weightsManifest": [
            {
                "paths": ["group1-shard1of1.bin"],
                "weights": [
                    {"name": name, "shape": list(value.shape), "dtype": str(value.dtype)}
                    for name, value in weights.items()
                ],
            }
        ],
    }
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(model))
    (folder / "group1-shard1of1.bin").write_bytes(b"".join(value.tobytes() for value in weights.values()))
    return folder


def test_tensors_are_recognized_in_any_layout() -> None:
    tensors = {"other": KERNEL + 1, "kernel": KERNEL, "bias": BIAS}
    assert match_tensor(KERNEL.transpose(2, 3, 1, 0), tensors) == "kernel"
    assert match_tensor(BIAS.reshape(1, 1, 1, 4), tensors) == "bias"
    assert match_tensor(BIAS * 2, tensors) is None


def test_rounded_tensors_keep_their_precision_and_values(tmp_path: Path) -> None:
    tensors = {"conv.weight": KERNEL, "conv.bias": BIAS}
    out = tmp_path / "out"
    matches = write_graph_model(converted(tmp_path / "in"), out, tensors, {"conv.weight": Encoding("float16")})
    assert matches == {"kernel": "conv.weight", "bias": "conv.bias"}
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "weights.bin"]
    assert (out / "weights.bin").stat().st_size == 24 * 2 + 4 * 4 + 2 * 4
    weights = {weight.name: weight for weight in read_weights(out)}
    assert np.array_equal(weights["kernel"].values, KERNEL.transpose(2, 3, 1, 0))
    assert weights["kernel"].encoding == Encoding("float16")
    assert np.array_equal(weights["bias"].values, BIAS)
    assert weights["axes"].values.tolist() == [1, 2]


def test_values_that_were_not_rounded_before_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not rounded before"):
        write_graph_model(converted(tmp_path / "in"), tmp_path / "out", {"b": BIAS}, {"b": Encoding("float16")})


def test_a_residual_in_place_of_a_bias_is_taken_out_and_outputs_get_their_names(tmp_path: Path) -> None:
    write_graph_model(converted(tmp_path / "in"), tmp_path / "out", {}, {})
    model = json.loads((tmp_path / "out/model.json").read_text())
    nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
    assert nodes["plain"]["op"] == "_FusedConv2D"
    assert (nodes["residual/0"]["op"], nodes["residual/0"]["input"]) == ("Conv2D", ["image", "kernel"])
    assert "fused_ops" not in nodes["residual/0"]["attr"]
    assert (nodes["residual/1"]["op"], nodes["residual/1"]["input"]) == ("AddV2", ["residual/0", "plain"])
    assert (nodes["residual"]["op"], nodes["residual"]["input"]) == ("Relu6", ["residual/1"])
    assert nodes["logits"]["input"] == ["residual"]
    assert model["signature"]["outputs"]["logits"]["name"] == "logits:0"


def test_a_file_that_does_not_fit_its_manifest_is_refused(tmp_path: Path) -> None:
    folder = converted(tmp_path / "in")
    with (folder / "group1-shard1of1.bin").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ValueError, match="120 bytes of weights, the files hold 121"):
        read_weights(folder)
