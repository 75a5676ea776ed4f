from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from aplantida.models.heads import LowRankHead, create_head, narrow_head
from aplantida.models.zoo import create_model, load_body, timm_name


@pytest.mark.parametrize("architecture", ["mobilenetv2", "tf_efficientnet_lite0", "mobilenetv3_small_100", "test_vit"])
@torch.no_grad()
def test_logits_are_the_head_of_the_pooled_features(architecture: str) -> None:
    width = 0.35 if architecture == "mobilenetv2" else 1.0
    model = create_model(architecture, 7, dropout=0.5, width=width).eval()
    size = 160 if architecture == "test_vit" else 64
    photos = torch.randn(2, 3, size, size)
    pooled = model.pooled(photos)
    assert pooled.shape == (2, model.num_features)
    assert torch.equal(model(photos), model.head(pooled))
    assert model(photos).shape == (2, 7)


def test_a_low_rank_head_is_small() -> None:
    head = LowRankHead(1280, 9000, 96)
    assert sum(value.numel() for value in head.parameters()) == 1280 * 96 + 96 * 9000 + 9000
    model = create_model("mobilenetv2", 9000, head_rank=96)
    assert 2 * sum(value.numel() for value in model.parameters()) < 6.7e6  # bytes in float16


@pytest.mark.parametrize("rank", [0, 8])
def test_a_rank_beyond_classes_or_features_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=r"head_rank must lie in 1\.\.7 \(1280 features, 7 classes\)"):
        create_model("mobilenetv2", 7, width=0.35, head_rank=rank)


def test_names_and_widths() -> None:
    assert timm_name("mobilenetv2") == "mobilenetv2_100"
    assert timm_name("mobilenetv2", 0.35) == "mobilenetv2_035"
    with pytest.raises(ValueError, match=r"must be one of \[0\.35, 0\.5, 0\.75, 1\.0, 1\.4\], not 0\.6"):
        timm_name("mobilenetv2", 0.6)
    with pytest.raises(ValueError, match="'resnet18' has one width"):
        timm_name("resnet18", 0.5)
    with pytest.raises(ValueError, match="'mobilnet' is not a timm model"):
        timm_name("mobilnet")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_weights_file_fills_the_body_and_says_what_it_did_not(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = create_model("test_efficientnet", 3)
    state = {name: value + 0.5 for name, value in source.body.state_dict().items() if value.is_floating_point()}
    del state["bn1.running_mean"]
    state["classifier.weight"] = torch.zeros(1000, source.num_features)
    file = tmp_path / f"weights{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save({"state_dict": state}, file)
    with caplog.at_level(logging.INFO):
        model = create_model("test_efficientnet", 5, pretrained=file)
    assert torch.equal(model.body.state_dict()["conv_stem.weight"], state["conv_stem.weight"])
    assert "missing ['bn1.running_mean'], unused ['classifier.weight']" in caplog.text
    assert load_body(create_model("test_efficientnet", 5).body, file) == (["bn1.running_mean"], ["classifier.weight"])


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({name: value.clone() for name, value in create_model("test_vit", 3).body.state_dict().items()}, file)
    with pytest.raises(ValueError, match=r"weights\.safetensors lacks \d+ of the \d+ tensors of EfficientNet"):
        create_model("test_efficientnet", 3, pretrained=file)
    with pytest.raises(ValueError, match="no such file"):
        create_model("test_efficientnet", 3, pretrained=tmp_path / "absent.pth")


@pytest.mark.parametrize("rank", [None, 3, 6])
@torch.no_grad()
def test_a_narrowed_head_gives_the_very_logits_of_the_classes_that_are_left(rank: int | None) -> None:
    head = create_head(12, 7, rank)
    features, positions = torch.randn(5, 12), [6, 0, 3, 4]
    narrowed = narrow_head(head, positions)
    torch.testing.assert_close(narrowed(features), head(features)[:, positions], rtol=1e-5, atol=1e-6)
    assert head(features).shape == (5, 7)
    last, before = (item if rank is None else item.up for item in (narrowed, head))
    assert torch.equal(last.weight, before.weight[positions])
    assert torch.equal(last.bias, before.bias[positions])
