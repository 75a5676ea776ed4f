from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from aplantida.models.checkpoint import load_card, load_checkpoint, save_checkpoint
from aplantida.phases.quantize_model import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import make_checkpoint, make_images, make_split, seal

BASE = "configs/quantize_model.yaml"
INPUTS = {"images": "images", "split": "split", "checkpoint": "model"}


@pytest.fixture(autouse=True)
def inputs(root: Path) -> None:
    make_images("images")
    make_split("split", "images")
    make_checkpoint("model", {"images": "images", "split": "split"})


def quantize(output: str = "quantized", **values: Any) -> Artifact:
    artifact = execute(
        PHASE, files=[BASE], values={"inputs": INPUTS, "output": output, "resources": {"num_threads": 1}, **values}
    ).artifact
    assert artifact is not None
    return artifact


def test_large_tensors_are_float16_and_all_others_exact(root: Path) -> None:
    artifact = quantize(min_elements=5000)
    card = load_card(artifact.path)
    model, _ = load_checkpoint(artifact.path)
    state = model.state_dict()
    assert card.folded
    assert {name for name, value in state.items() if value.ndim >= 2 and value.numel() >= 5000} == set(card.precision)
    assert 5 < len(card.precision) < len(state) / 2
    for name in card.precision:
        assert torch.equal(state[name], state[name].half().float()), name
    rows = {row["name"]: row for row in json.loads(artifact.file("quantization.json").read_text())["tensors"]}
    for name, row in rows.items():
        assert (row["max_error"] == 0.0) == (name not in card.precision), name
    assert artifact.metrics["num_folded_convolutions"] == 52
    assert artifact.metrics["top1_agreement"] == 1.0
    assert 0 < artifact.metrics["max_probability_difference"] < 1e-3


def test_a_mirrored_model_answers_with_the_mean_of_a_photo_and_its_mirror_image() -> None:
    photos = torch.rand(3, 3, 32, 32)
    plain, _ = load_checkpoint(quantize("plain").path)
    artifact = quantize("mirrored", mirrored=True)
    both, card = load_checkpoint(artifact.path)
    assert card.mirrored
    assert artifact.metrics["top1_agreement"] == 1.0  # rounded against exact, both with mirror images
    with torch.no_grad():
        expected = (plain(photos) + plain(photos.flip(3))) / 2
        torch.testing.assert_close(both(photos), expected)
        assert not torch.allclose(both(photos), plain(photos))
        torch.testing.assert_close(both(photos), both(photos.flip(3)))


def test_the_shipped_input_may_have_another_size(root: Path) -> None:
    before = load_card(root / "model").preprocessing
    after = load_card(quantize(image_size=before.image_size + 16).path).preprocessing
    assert after.image_size == before.image_size + 16
    assert (after.mean, after.std, after.crop_fraction) == (before.mean, before.std, before.crop_fraction)
    assert load_card(quantize("same").path).preprocessing == before


def test_the_folded_model_still_answers_the_same(root: Path) -> None:
    photos = torch.rand(3, 3, 32, 32)
    before, _ = load_checkpoint(root / "model")
    after, card = load_checkpoint(quantize(precision="float32").path)
    assert card.precision == {}
    with torch.no_grad():
        torch.testing.assert_close(after(photos), before(photos), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in after.modules())


def test_uint8_for_chosen_tensors_only(root: Path) -> None:
    artifact = quantize(
        overrides={"head.weight": "uint8", "body.conv_head.weight": "float32"}, gates={"min_top1_agreement": 0}
    )
    card = load_card(artifact.path)
    assert card.precision["head.weight"] == "uint8"
    assert "body.conv_head.weight" not in card.precision
    model, _ = load_checkpoint(artifact.path)
    assert len(model.state_dict()["head.weight"].unique()) <= 256


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"head\.wait"):
        quantize(overrides={"head.wait": "uint8"})


def test_values_are_rounded_once() -> None:
    quantize()
    with pytest.raises(BadRequest, match="quantized already"):
        quantize("again", inputs={**INPUTS, "checkpoint": "quantized"})


def test_rounding_that_changes_answers_is_stopped(root: Path) -> None:
    model, card = load_checkpoint(root / "model")
    state = model.state_dict()
    state["head.weight"][:, 0] = 1e4  # shifts all logits alike, and leaves the other weights one of 256 levels

    def fill(output: ArtifactWriter) -> None:
        save_checkpoint(output.scratch, state, card)
        for name in ("model.safetensors", "model.json"):
            output.publish(output.scratch / name, name)
        for name in ("class_index.json", "history.json"):
            output.write_bytes(name, (root / "model" / name).read_bytes())

    seal("shifted", "checkpoint", fill)
    given = {"inputs": {**INPUTS, "checkpoint": "shifted"}, "gates": {"min_top1_agreement": 1.0}}
    with pytest.raises(GateFailed, match="min_top1_agreement"):
        quantize(overrides={"head.weight": "uint8"}, **given)
    assert quantize("exact", precision="float32", **given).metrics["top1_agreement"] == 1.0


def test_two_runs_give_the_same_bytes() -> None:
    assert quantize("one").digest == quantize("two").digest
