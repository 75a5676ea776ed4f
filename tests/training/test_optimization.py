from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from aplantida.models.zoo import create_model
from aplantida.training.meters import Meter
from aplantida.training.optimization import (
    MovingAverage,
    Optimization,
    create_optimizer,
    learning_rate_factor,
    set_learning_rate,
)


def test_the_rate_rises_then_falls_along_a_cosine() -> None:
    factors = [learning_rate_factor(step, num_steps=100, warmup_steps=10, final_fraction=0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert factors[10] == 1.0
    assert factors[54] == pytest.approx(0.55, abs=0.02)
    assert factors[99] == pytest.approx(0.1)
    assert all(a > b for a, b in pairwise(factors[10:]))


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_biases_and_norms_do_not_decay_and_the_head_is_faster(name: str) -> None:
    model = create_model("test_efficientnet", 3)
    settings = Optimization(
        optimizer=name,  # pyright: ignore[reportArgumentType]
        learning_rate=0.1,
        head_learning_rate_factor=10.0,
        weight_decay=0.5,
        global_batch_size=1,
    )
    optimizer = create_optimizer(model, settings)
    set_learning_rate(optimizer, 0.5)
    names = {id(parameter): key for key, parameter in model.named_parameters()}
    seen = set()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            key = names[id(parameter)]
            seen.add(key)
            assert group["weight_decay"] == (0.5 if parameter.ndim >= 2 else 0.0)
            assert group["lr"] == pytest.approx(0.5 if key.startswith("head.") else 0.05)
    assert seen == set(names.values())


def test_the_moving_average_follows() -> None:
    model = create_model("test_efficientnet", 3)
    average = MovingAverage(model, 0.9)
    start = average.state["head.weight"].clone()
    with torch.no_grad():
        model.head.weight.add_(1.0)
        model.body.bn1.num_batches_tracked.add_(4)
    average.update(step=0)
    assert torch.allclose(average.state["head.weight"], start + 0.9)  # the first decays are small: 1 / 10
    average.update(step=10_000)
    assert torch.allclose(average.state["head.weight"], start + 0.91)
    assert int(average.state["body.bn1.num_batches_tracked"]) == 4


def test_meters_weigh_batches_by_their_photos() -> None:
    meter = Meter(torch.device("cpu"))
    logits = torch.eye(7)
    meter.add(torch.tensor(1.0), logits[:3], torch.tensor([0, 1, 6]))
    meter.add(torch.tensor(4.0), logits[:1], torch.tensor([0]))
    assert meter.means()["loss"] == pytest.approx(7 / 4)
    assert meter.means()["top1"] == pytest.approx(3 / 4)
    assert meter.means()["top5"] >= 3 / 4
