from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import log_softmax, one_hot, softmax

from aplantida.data.augmentation import Mix
from aplantida.data.batch import Batch
from aplantida.data.soft_labels import SoftTargets
from aplantida.models.inference import normalize
from aplantida.training.context import LocalContext
from aplantida.training.loop import train
from aplantida.training.objectives import Distillation
from aplantida.training.step import Stepper
from aplantida.training.task import TrainTask

CPU = torch.device("cpu")
PARTNER = torch.tensor([3, 4, 5, 0, 1, 2])
BOX = (0.25, 0.75, 0.5, 1.0)  # a quarter of the photo: rows 8 to 24, columns 16 to 32


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixed_photos_are_taught_by_mixed_labels_and_mixed_soft_labels(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mix = Mix(PARTNER, 0.25) if kind == "mixup" else Mix(PARTNER, 0.75, BOX)
    monkeypatch.setattr("aplantida.training.step.draw_mix", lambda *_args, **_kwargs: mix)
    temperature, alpha = 2.0, 0.6
    plain = replace(
        task,
        card=replace(task.card, architecture="test_vit", dropout=0.0),
        objective=Distillation(temperature, alpha),
        optimization=replace(task.optimization, gradient_clip=None, micro_batch_size=None),
        mixed_precision=False,
    )
    draw = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (6, 32, 32, 3), generator=draw, dtype=torch.uint8)
    labels, teacher = torch.tensor([0, 1, 2, 3, 4, 5]), 3 * torch.randn(6, 6, generator=draw)
    model = plain.build()

    photos = normalize(pixels, task.card.preprocessing)
    if kind == "mixup":
        mixed = 0.25 * photos + 0.75 * photos[PARTNER]
    else:
        mixed = photos.clone()
        mixed[:, :, 8:24, 16:32] = photos[PARTNER][:, :, 8:24, 16:32]
    logits = model(mixed)
    hard, soft = one_hot(labels, 6).float(), softmax(teacher / temperature, dim=1)
    hard, soft = (mix.weight * part + (1 - mix.weight) * part[PARTNER] for part in (hard, soft))
    divergence = -(soft * log_softmax(logits / temperature, dim=1)).sum(1).mean()  # but for the labels' entropy
    entropy = -(hard * log_softmax(logits, dim=1)).sum(1).mean()
    wanted = torch.autograd.grad(
        alpha * temperature**2 * divergence + (1 - alpha) * entropy, list(model.parameters()), allow_unused=True
    )

    stepper = Stepper(plain, LocalContext(tmp_path, CPU, num_threads=1), model, None)
    stepper.step(Batch(pixels, labels, soft=SoftTargets(teacher)), (0, 0), 0.0, head_only=False)
    gradients = [parameter.grad for parameter in model.parameters()]
    assert sum(gradient is not None for gradient in gradients) > 10
    for gradient, expected in zip(gradients, wanted, strict=True):
        assert (gradient is None) == (expected is None)
        if gradient is not None and expected is not None:
            assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-6)


def test_in_bfloat16_losses_stay_close_and_weights_float32(
    task: TrainTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = list[float]()
    for has_it in (False, True):
        monkeypatch.setattr("aplantida.models.devices.has_bfloat16", lambda _device, has_it=has_it: has_it)
        once = replace(task, epochs=1, mixed_precision=True, card=replace(task.card, dropout=0.0))
        result = train(once, LocalContext(tmp_path / str(has_it), CPU, num_threads=1))
        losses.append(json.loads((result / "history.json").read_text())[0]["train_loss"])
        assert {
            value.dtype for value in load_file(result / "model.safetensors").values() if value.is_floating_point()
        } == {torch.float32}
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
