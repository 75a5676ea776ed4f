"""A TensorFlow.js graph model whose weights file holds exactly a checkpoint's stored values.

The converter writes float32. Each of its tensors is recognized as a transposed checkpoint tensor, value by value, and
written again in the precision the checkpoint was rounded to. So the browser computes with the numbers that were
evaluated and calibrated, to the last bit.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aplantida.export.quantization import Encoding

MODEL_FILE, WEIGHTS_FILE = "model.json", "weights.bin"
_DTYPES: dict[str, str] = {"float32": "<f4", "int32": "<i4", "bool": "u1"}

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weight:
    """One tensor of a weights file: its manifest name, values in graph layout, and how they are stored."""

    name: str
    values: npt.NDArray
    encoding: Encoding


def read_weights(folder: Path) -> list[Weight]:
    """All tensors of a graph model, as TensorFlow.js decodes them, in file order.

    Raises:
        ValueError: when a tensor's type is not understood, or the files hold more or less than the manifest says.
    """
    return list(_weights_of(folder, json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))))


def _weights_of(folder: Path, model: Mapping[str, Any]) -> Iterator[Weight]:
    for group in model["weightsManifest"]:
        data = b"".join((folder / name).read_bytes() for name in group["paths"])
        offset = 0
        for entry in group["weights"]:
            count = int(np.prod(entry["shape"], dtype=np.int64))
            quantization = entry.get("quantization")
            encoding = Encoding.from_manifest(quantization)
            dtype = quantization["dtype"] if quantization else entry["dtype"]
            if dtype not in ("float16", "uint8", *_DTYPES):
                raise ValueError(f"{folder}: weight {entry['name']!r} has type {dtype!r}, want {', '.join(_DTYPES)}")
            width = {"float16": 2, "uint8": 1}.get(dtype) or np.dtype(_DTYPES[dtype]).itemsize
            part = data[offset : offset + count * width]
            offset += count * width
            is_float = entry["dtype"] == "float32"
            values = encoding.decode(part) if is_float else np.frombuffer(part, _DTYPES[dtype])
            yield Weight(entry["name"], values.reshape(entry["shape"]), encoding)
        if offset != len(data):
            raise ValueError(f"{folder}: the manifest describes {offset} bytes of weights, the files hold {len(data)}")


def match_tensor(values: FloatArray, tensors: Mapping[str, FloatArray]) -> str | None:
    """The tensor of ``tensors`` that ``values`` is a transposition of (axes of length 1 apart), or None."""
    given = np.squeeze(values)
    for name, tensor in tensors.items():
        candidate = np.squeeze(tensor)
        if sorted(candidate.shape) != sorted(given.shape):
            continue
        for order in itertools.permutations(range(candidate.ndim)):
            turned = candidate.transpose(order)
            if turned.shape == given.shape and np.array_equal(turned, given):
                return name
    return None


def write_graph_model(
    converted: Path, folder: Path, tensors: Mapping[str, FloatArray], encodings: Mapping[str, Encoding]
) -> dict[str, str]:
    """Write ``model.json`` and one ``weights.bin`` from the converter's float32 output.

    Nodes of outputs get their signature's names (``logits``, ``pooled`` for ``Identity``, ``Identity_1``); equal inputs
    give equal bytes.

    Args:
        converted: the converter's folder.
        folder: where the two files go.
        tensors: the checkpoint's values as float32.
        encodings: how the rounded ones are stored; those not named stay float32.

    Returns:
        weight name → checkpoint tensor name, for every weight that was recognized. A rounded tensor that is missing
        here was merged with a constant by the converter; the product stays float32: nothing is rounded twice.
    """
    model = json.loads((converted / MODEL_FILE).read_text(encoding="utf-8"))
    matches: dict[str, str] = {}
    entries: list[dict[str, Any]] = []
    data = bytearray()
    for weight in sorted(_weights_of(converted, model), key=lambda item: item.name):
        entry: dict[str, Any] = {
            "name": weight.name,
            "shape": list(weight.values.shape),
            "dtype": "float32" if weight.values.dtype == np.float32 else _name_of(weight.values.dtype),
        }
        if weight.values.dtype == np.float32:
            found = match_tensor(weight.values, tensors)
            encoding = encodings.get(found or "", Encoding("float32"))
            if found is not None:
                matches[weight.name] = found
            if encoding.precision != "float32":
                entry["quantization"] = encoding.to_manifest()
            data += encoding.encode(weight.values)
        else:
            data += weight.values.tobytes()
        entries.append(entry)
    model["modelTopology"]["node"] = _split_residual_fusions(model["modelTopology"]["node"])
    _name_outputs(model)
    model["weightsManifest"] = [{"paths": [WEIGHTS_FILE], "weights": entries}]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(bytes(data))
    text = json.dumps(model, sort_keys=True, separators=(",", ":"))
    (folder / MODEL_FILE).write_text(text + "\n", encoding="utf-8")
    return matches


def _name_of(dtype: np.dtype[Any]) -> str:
    return {np.dtype("<i4"): "int32", np.dtype("u1"): "bool"}[dtype]


_FUSED = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative"}
_FUSION_ATTRIBUTES = frozenset({"fused_ops", "num_args", "num_host_args", "epsilon", "leakyrelu_alpha", "TArgs"})


def _split_residual_fusions(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Undo fusions whose "bias" is no constant.

    Where a folded bias is exactly zero the optimizer drops it and fuses the residual sum in its place; TensorFlow.js'
    fused convolution takes a vector there and nothing else.
    """
    constants = {node["name"] for node in nodes if node["op"] == "Const"}
    result: list[dict[str, Any]] = []
    for node in nodes:
        inputs: list[str] = node.get("input", [])
        if node["op"] not in _FUSED or len(inputs) < 3 or inputs[2] in constants:
            result.append(dict(node))
            continue
        attributes = node["attr"]
        activations = [base64.b64decode(text).decode() for text in attributes["fused_ops"]["list"]["s"]][1:]
        name, kind = node["name"], {"T": attributes["T"]}
        plain = {key: value for key, value in attributes.items() if key not in _FUSION_ATTRIBUTES}
        steps = [(_FUSED[node["op"]], inputs[:2], plain), ("AddV2", [inputs[2]], kind)]
        steps += [(activation, list[str](), kind) for activation in activations]
        for at, (operation, own, attribute) in enumerate(steps):
            before = [] if at == 0 else [f"{name}/{at - 1}"]
            label = name if at == len(steps) - 1 else f"{name}/{at}"
            result.append({"name": label, "op": operation, "input": [*before, *own], "attr": attribute})
    return result


def _name_outputs(model: dict[str, Any]) -> None:
    """Give each output node the name its signature has for it."""
    outputs: dict[str, dict[str, Any]] = model["signature"]["outputs"]
    names = {value["name"].partition(":")[0]: key for key, value in outputs.items()}
    for node in model["modelTopology"]["node"]:
        node["name"] = names.get(node["name"], node["name"])
        node["input"] = [names.get(source, source) for source in node.get("input", [])]
    for key, value in outputs.items():
        value["name"] = f"{key}:0"
