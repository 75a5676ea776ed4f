from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from aplantida.data.shard_cache import SoftTargets
from aplantida.domain.scores import ScoreTable, tail_at
from aplantida.training.objectives import CrossEntropy, Distillation, soft_divergence

DRAW = torch.Generator().manual_seed(3)
STUDENT = torch.randn(5, 40, generator=DRAW)
TEACHER = (3 * torch.randn(5, 40, generator=DRAW)).half().float()
LABELS = torch.randint(0, 40, (5,), generator=DRAW)


def top_k(k: int, temperature: float) -> SoftTargets:
    table = ScoreTable(
        np.array(list("abcde")),
        np.zeros(5, np.int16),
        tuple(f"{at:02d}" for at in range(40)),
        TEACHER.numpy().astype(np.float16),
    ).to_top_k(k)
    assert table.indices is not None
    assert table.tail_logsumexp is not None
    return SoftTargets(
        torch.from_numpy(table.logits.astype(np.float32)),
        torch.from_numpy(table.indices.astype(np.int64)),
        torch.from_numpy(tail_at(table.tail_logsumexp, temperature).astype(np.float32)),
    )


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_dense_divergence_is_torchs(temperature: float) -> None:
    expected = functional.kl_div(
        functional.log_softmax(STUDENT / temperature, 1),
        functional.softmax(TEACHER / temperature, 1),
        reduction="batchmean",
    )
    assert torch.allclose(soft_divergence(STUDENT, SoftTargets(TEACHER), temperature), expected, rtol=1e-5)


def test_hintons_loss() -> None:
    temperature, alpha = 3.0, 0.7
    loss = Distillation(temperature, alpha)(STUDENT, LABELS, SoftTargets(TEACHER))
    divergence = soft_divergence(STUDENT, SoftTargets(TEACHER), temperature)
    expected = alpha * temperature**2 * divergence + (1 - alpha) * functional.cross_entropy(STUDENT, LABELS)
    assert torch.allclose(loss, expected)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_top_k_sees_k_classes_and_one_bucket(temperature: float) -> None:
    k = 6
    soft = top_k(k, temperature)
    order = TEACHER.argsort(dim=1, descending=True)
    teacher = functional.softmax(TEACHER / temperature, 1).gather(1, order)
    student = functional.softmax(STUDENT / temperature, 1).gather(1, order)
    p = torch.cat([teacher[:, :k], teacher[:, k:].sum(1, keepdim=True)], 1)
    q = torch.cat([student[:, :k], student[:, k:].sum(1, keepdim=True)], 1)
    expected = (p * (p / q).log()).sum(1).mean()
    assert torch.allclose(soft_divergence(STUDENT, soft, temperature), expected, rtol=2e-3)


def test_nearly_all_classes_are_nearly_the_dense_divergence() -> None:
    dense = soft_divergence(STUDENT, SoftTargets(TEACHER), 3.0)
    assert torch.allclose(soft_divergence(STUDENT, top_k(39, 3.0), 3.0), dense, rtol=2e-3)


def test_a_student_equal_to_its_teacher_has_no_divergence_and_no_gradient() -> None:
    student = TEACHER.clone().requires_grad_()
    loss = soft_divergence(student, SoftTargets(TEACHER), 2.0)
    loss.backward()
    assert abs(loss.item()) < 1e-6
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-6


def test_impossible_classes_do_no_harm() -> None:
    teacher = TEACHER.clone()
    teacher[:, 3] = float("-inf")
    assert torch.isfinite(soft_divergence(STUDENT, SoftTargets(teacher), 3.0))


def test_alpha_0_is_cross_entropy_and_needs_no_soft_labels() -> None:
    assert torch.equal(Distillation(3.0, 0.0, 0.1)(STUDENT, LABELS), CrossEntropy(0.1)(STUDENT, LABELS))
    with pytest.raises(ValueError, match=r"alpha 0\.5 needs soft labels"):
        Distillation(3.0, 0.5)(STUDENT, LABELS)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"temperature must lie in 1\.\.8, not 9"):
        Distillation(9.0, 0.5)
    with pytest.raises(ValueError, match=r"alpha must lie in 0\.\.1, not 1\.5"):
        Distillation(2.0, 1.5)
