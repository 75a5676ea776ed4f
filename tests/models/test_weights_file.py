"""Which tensors a file of weights is taken to mean, where it holds more than one state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from aplantida.models.weights_file import read_weights

WANTED, OTHERS = ({"stem.weight": torch.full((2,), value)} for value in (1.0, 2.0))


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path / "weights.pth")
    return path / "weights.pth"


@pytest.mark.parametrize(
    "content",
    [
        WANTED,
        {**WANTED, "epoch": 3, "optimizer": {}},
        {"state_dict": WANTED},
        {"model": WANTED, "optimizer": {"state": {}, "param_groups": []}},
        {"state_dict": {}, "model": WANTED},
        {"state_dict": {"epoch": 3}, "model": WANTED},
        {"state_dict": None, "state_dict_ema": WANTED},
        {"state_dict_ema": WANTED, "arch": "vit"},
        {"model_ema": WANTED, "model": {}},
        {"state_dict": WANTED, "state_dict_ema": OTHERS},
        {"model": WANTED, "model_ema": OTHERS, "state_dict_ema": OTHERS},
        {"params": WANTED, "epoch": 3},
        {"state_dict": WANTED, "running": torch.zeros(1)},
        {**WANTED, "extra": OTHERS},
    ],
)
def test_the_state_dict_with_tensors_is_read(tmp_path: Path, content: Any) -> None:
    (tensor,) = read_weights(saved(tmp_path, content)).values()
    torch.testing.assert_close(tensor, WANTED["stem.weight"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"params": WANTED, "params_ema": OTHERS}, r"several sets of tensors \('params', 'params_ema'\)"),
        ({"state_dict": {}, "model": {}}, "holds no tensors by name"),
        ({"model": {1: torch.zeros(1)}}, "holds no tensors by name"),
        ([torch.zeros(1)], r"holds no tensors by name \(a list\)"),
    ],
)
def test_what_is_not_one_state_dict_is_named(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_weights(saved(tmp_path, content))
