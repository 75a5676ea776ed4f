from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from aplantida.domain.preprocessing import Preprocessing
from aplantida.export.quantization import Encoding, plan_precision, read_encodings, rounding_errors
from aplantida.models.checkpoint import ModelCard, build, load_weights, save_checkpoint

TENSORS = {
    "body.weight": torch.linspace(-1, 1, 5000).reshape(50, 100),
    "body.bias": torch.linspace(-1, 1, 20000),
    "small.weight": torch.linspace(-1, 1, 40).reshape(4, 10),
    "count": torch.tensor(3),
}


def test_only_large_weights_are_rounded() -> None:
    assert plan_precision(TENSORS, "float16", 1000) == {"body.weight": "float16"}
    assert plan_precision(TENSORS, "float32", 1) == {}
    assert plan_precision(TENSORS, "uint8", 1) == {"body.weight": "uint8", "small.weight": "uint8"}


def test_later_patterns_win_and_biases_stay() -> None:
    plan = plan_precision(TENSORS, "float16", 1000, {"*": "uint8", "body.*": "float32"})
    assert plan == {"small.weight": "uint8"}
    with pytest.raises(ValueError, match=r"body\.bias"):
        plan_precision(TENSORS, "float16", 1000, {"body.bias": "uint8"})


def test_values_beyond_float16_are_refused() -> None:
    with pytest.raises(ValueError, match="float16 ends at"):
        plan_precision({"w": torch.full((2, 2), 1e6)}, "float16", 1)


def test_errors_of_hand_computed_tensors() -> None:
    rows = rounding_errors(
        {"a": torch.tensor([3.0, 4.0]), "b": torch.zeros(2)},
        {"a": torch.tensor([3.0, 4.5]), "b": torch.zeros(2)},
        {"a": "float16"},
    )
    assert [row.name for row in rows] == ["a", "b"]
    assert rows[0].max_error == 0.5
    assert rows[0].relative_error == pytest.approx(0.5 / 5.0)
    assert (rows[0].num_bytes, rows[1].num_bytes) == (4, 8)
    assert rows[1].relative_error == 0.0


def test_encodings_are_exact_or_refuse() -> None:
    half = np.array([0.5, -1.25, 65504], np.float32)
    assert np.array_equal(Encoding("float16").decode(Encoding("float16").encode(half)), half)
    with pytest.raises(ValueError, match="not rounded before"):
        Encoding("float16").encode(np.array([1.0001], np.float32))
    entry = Encoding("uint8", 0.1, -3.0).to_manifest()
    assert entry == {"dtype": "uint8", "original_dtype": "float32", "min": -3.0, "scale": 0.1}
    assert Encoding.from_manifest(entry) == Encoding("uint8", 0.1, -3.0)
    assert Encoding.from_manifest(None) == Encoding("float32")


def test_a_stored_checkpoint_encodes_to_its_own_values(tmp_path: Path) -> None:
    card = ModelCard(
        architecture="mobilenetv2",
        width=0.35,
        num_classes=7,
        preprocessing=Preprocessing(image_size=32),
        class_ids=tuple("abcdefg"),
        precision={"head.weight": "uint8", "body.conv_head.weight": "float16"},
    )
    torch.manual_seed(1)
    save_checkpoint(tmp_path, build(card).state_dict(), card)
    values = load_weights(tmp_path, card)
    for name, encoding in read_encodings(tmp_path, card).items():
        exact = values[name].numpy()
        data = encoding.encode(exact)
        assert len(data) == exact.size * (1 if name == "head.weight" else 2)
        assert np.array_equal(encoding.decode(data), exact.ravel())
