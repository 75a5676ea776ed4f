from __future__ import annotations

import pytest
import torch
from torch import nn

from aplantida.models.folding import fold_batch_norm
from aplantida.models.zoo import create_model


def lively(model: nn.Module) -> nn.Module:
    """Random statistics, so that folding has something to do."""
    torch.manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)  # pyright: ignore[reportArgumentType]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # pyright: ignore[reportArgumentType]
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return model.eval()


@pytest.mark.parametrize(("name", "pairs"), [("mobilenetv2", 52), ("mobilenetv3_large_100", 46)])
def test_a_folded_model_answers_the_same(name: str, pairs: int) -> None:
    model = lively(create_model(name, 5))
    photos = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = model(photos)
        assert len(fold_batch_norm(model, 64)) == pairs
        after = model(photos)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert before.std() > 0.01
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


class Awkward(nn.Module):
    """A normalization fed by a sum, and a convolution used twice: neither may be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.twice = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.after_sum, self.after_twice, self.plain = (nn.BatchNorm2d(3) for _ in range(3))
        self.last = nn.Conv2d(3, 2, 3, bias=False)
        self.norm = nn.BatchNorm2d(2, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.after_sum(self.first(x) + self.second(x))
        x = self.after_twice(self.twice(self.twice(x)))
        return self.norm(self.last(self.plain(x)))


def test_only_direct_neighbours_that_run_once_are_folded() -> None:
    torch.manual_seed(2)
    model = lively_plain(Awkward())
    photos = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        before = model(photos)
        assert fold_batch_norm(model, 8) == ["last"]
        torch.testing.assert_close(model(photos), before, rtol=1e-4, atol=1e-5)
    assert isinstance(model.after_sum, nn.BatchNorm2d)
    assert isinstance(model.after_twice, nn.BatchNorm2d)


def lively_plain(model: Awkward) -> Awkward:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean, module.running_var = (
                torch.rand(module.num_features),
                0.5 + torch.rand(module.num_features),
            )
    return model.eval()


def test_a_model_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="eval mode"):
        fold_batch_norm(create_model("mobilenetv2", 5, width=0.35).train(), 32)
