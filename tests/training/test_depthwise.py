from __future__ import annotations

import copy

import pytest
import timm
import torch

from aplantida.models.devices import has_bfloat16
from aplantida.training.depthwise import prefer_float32

CPU = torch.device("cpu")


def test_strided_and_large_depthwise_convolutions_only() -> None:
    model = timm.create_model("mobilenetv2_050", num_classes=0)
    names = prefer_float32(model)
    assert len(names) == 4  # the strided ones; the stem is not depthwise
    for name in names:
        module = model.get_submodule(name)
        assert isinstance(module, torch.nn.Conv2d)
        assert module.stride == (2, 2)
        assert module.groups == module.in_channels
    assert prefer_float32(model) == names
    assert all("Float32Float32" not in type(module).__name__ for module in model.modules())


def test_a_padded_convolution_of_five_pixels_keeps_its_padding() -> None:
    plain = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    changed = copy.deepcopy(plain)
    assert len(prefer_float32(changed)) > 4  # 5 x 5 ones of stride 1 too
    photos = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(plain(photos), changed(photos))
    assert plain.state_dict().keys() == changed.state_dict().keys()


@pytest.mark.skipif(not has_bfloat16(CPU), reason="this processor has no bfloat16")
def test_under_autocast_it_computes_in_float32_and_answers_in_the_input_s_type() -> None:
    layer = torch.nn.Conv2d(8, 8, 3, 2, 1, groups=8)
    changed = copy.deepcopy(layer)
    prefer_float32(changed)
    changed = copy.deepcopy(changed)  # as the model that is evaluated is
    photos = torch.randn(2, 8, 9, 9).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        answer = changed(photos)
    assert answer.dtype == torch.bfloat16
    assert torch.equal(answer, layer(photos.float()).bfloat16())
    answer.float().sum().backward()
    assert changed.weight.grad is not None
    assert changed.weight.grad.dtype == torch.float32
