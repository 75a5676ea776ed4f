"""Every student that one YAML key may choose, with a low-rank head, through a training and back from its checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aplantida.models.checkpoint import load_checkpoint
from aplantida.models.heads import LowRankHead
from aplantida.training.context import LocalContext
from aplantida.training.loop import train
from aplantida.training.task import TrainTask

STUDENTS = (
    "mobilenetv2_100",
    "mobilenetv4_conv_small",
    "efficientnet_lite0",
    pytest.param("mobilenetv3_large_100", marks=pytest.mark.slow),
    pytest.param("repvit_m0_9", marks=pytest.mark.slow),
)


@pytest.mark.parametrize("architecture", STUDENTS)
def test_it_learns_with_a_low_rank_head_and_comes_back(task: TrainTask, tmp_path: Path, architecture: str) -> None:
    student = replace(
        task,
        card=replace(task.card, architecture=architecture, head_rank=4, dropout=0.0),
        average_decay=None,
        mixup_alpha=0.0,
        cutmix_alpha=0.0,
        keep_best=False,
        batches=replace(task.batches, augmentation="none"),
        optimization=replace(task.optimization, learning_rate=1e-3, micro_batch_size=None),
        epochs=8,
    )
    result = train(student, LocalContext(tmp_path, torch.device("cpu"), num_threads=1))
    history = json.loads((result / "history.json").read_text(encoding="utf-8"))
    assert history[-1]["train_loss"] < 0.9 * history[0]["train_loss"]
    model, card = load_checkpoint(result)
    assert (card.architecture, card.head_rank) == (architecture, 4)
    assert isinstance(model.head, LowRankHead)
    before = dict(student.build().named_parameters())
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert not still, "these weights never moved"
    with torch.inference_mode():
        assert torch.isfinite(model.eval()(torch.randn(2, 3, 32, 32))).all()
