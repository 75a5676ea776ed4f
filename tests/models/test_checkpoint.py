from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from aplantida.domain.preprocessing import Preprocessing
from aplantida.models.checkpoint import (
    CARD_FILE,
    WEIGHTS_FILE,
    ModelCard,
    build,
    load_card,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)

CARD = ModelCard(
    architecture="test_efficientnet",
    num_classes=4,
    head_rank=2,
    dropout=0.1,
    preprocessing=Preprocessing(image_size=160, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    class_ids=("a", "b", "c", "d"),
    pretrained="weights.pth sha256:00",
    pretrained_license="Apache-2.0",
)


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    model = build(CARD)
    save_checkpoint(tmp_path, model.state_dict(), CARD)
    again, card = load_checkpoint(tmp_path)
    assert card == CARD == load_card(tmp_path)
    assert not again.training
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    state = build(CARD).state_dict()
    save_checkpoint(tmp_path / "a", state, CARD)
    save_checkpoint(tmp_path / "b", dict(reversed(state.items())), replace(CARD, precision={}))
    for name in (WEIGHTS_FILE, CARD_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_tensors_are_rounded_once(tmp_path: Path) -> None:
    state = build(CARD).state_dict()
    card = replace(CARD, precision={"head.up.weight": "uint8", "body.conv_stem.weight": "float16"})
    save_checkpoint(tmp_path, state, card)
    loaded = load_weights(tmp_path, card)
    assert torch.equal(loaded["body.conv_stem.weight"], state["body.conv_stem.weight"].half().float())
    spread = state["head.up.weight"].max() - state["head.up.weight"].min()
    error = (loaded["head.up.weight"] - state["head.up.weight"]).abs().max()
    assert 0 < error <= 0.51 * spread / 255
    assert torch.equal(loaded["head.down.weight"], state["head.down.weight"])
    with safe_open(tmp_path / WEIGHTS_FILE, "pt") as stored:
        kinds = {name: stored.get_tensor(name).dtype for name in ("head.up.weight", "body.conv_stem.weight")}
    assert kinds == {"head.up.weight": torch.uint8, "body.conv_stem.weight": torch.float16}
    save_checkpoint(tmp_path, loaded, card)
    again = load_weights(tmp_path, card)
    assert torch.equal(again["body.conv_stem.weight"], loaded["body.conv_stem.weight"])
    # the scale of bytes is computed anew, and may differ in its last bit
    assert torch.allclose(again["head.up.weight"], loaded["head.up.weight"], rtol=0, atol=float(1e-6 * spread))


def test_a_constant_tensor_survives_bytes(tmp_path: Path) -> None:
    state = build(CARD).state_dict()
    state["head.up.weight"] = torch.full_like(state["head.up.weight"], 0.25)
    card = replace(CARD, precision={"head.up.weight": "uint8"})
    save_checkpoint(tmp_path, state, card)
    assert torch.equal(load_weights(tmp_path, card)["head.up.weight"], state["head.up.weight"])


def test_cards_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_classes 5, but 4 class ids"):
        replace(CARD, num_classes=5)
    with pytest.raises(ValueError, match=r"float16 or uint8, not \{'x': 'int4'\}"):
        replace(CARD, precision={"x": "int4"})
    with pytest.raises(ValueError, match=r"does not have: \['x'\]"):
        save_checkpoint(tmp_path, build(CARD).state_dict(), replace(CARD, precision={"x": "uint8"}))
    with pytest.raises(ValueError, match=r"format None, want 'aplantida\.model/1'"):
        ModelCard.from_json({})


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, build(CARD).state_dict(), CARD)
    value = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps({**value, "head_rank": None}))
    with pytest.raises(ValueError, match="weights do not fit test_efficientnet"):
        load_checkpoint(tmp_path)
