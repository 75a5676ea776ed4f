from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from aplantida.data.soft_labels import SoftTargets
from aplantida.training.objectives import (
    CrossEntropy,
    Distillation,
    decoupled_divergence,
    jensen_shannon,
    relation_distance,
    soft_divergence,
)
from tests.fixtures.soft_targets import top_k_targets

DRAW = torch.Generator().manual_seed(3)
STUDENT = torch.randn(5, 40, generator=DRAW)
TEACHER = (3 * torch.randn(5, 40, generator=DRAW)).half().float()
LABELS = torch.randint(0, 40, (5,), generator=DRAW)


def top_k(k: int, temperature: float) -> SoftTargets:
    return top_k_targets(TEACHER, k, temperature)


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


# by hand: T = 1; teacher (1/2, 1/4, 1/4), student (1/4, 1/4, 1/2), the target is class 0
HAND_TEACHER = torch.tensor([[0.5, 0.25, 0.25]]).log()
HAND_STUDENT = torch.tensor([[0.25, 0.25, 0.5]]).log()
HAND_LABEL = torch.tensor([0])


def test_decoupled_divergence_by_hand() -> None:
    # target against rest: 1/2 ln(1/2 : 1/4) + 1/2 ln(1/2 : 3/4); among the rest: 1/2 ln(1/2 : 1/3) + 1/2 ln(1/2 : 2/3)
    target = 0.5 * math.log(2.0) + 0.5 * math.log(2 / 3)
    rest = 0.5 * math.log(1.5) + 0.5 * math.log(0.75)
    found = decoupled_divergence(HAND_STUDENT, HAND_LABEL, SoftTargets(HAND_TEACHER), 1.0, beta=8.0)
    assert found.item() == pytest.approx(target + 8.0 * rest, rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_decoupled_divergence_with_the_rest_s_mass_as_weight_is_the_divergence(temperature: float) -> None:
    """Equation 6 of the paper: KL = TCKD + (1 - p_target) NCKD."""
    for row in range(5):
        student, teacher, label = STUDENT[row : row + 1], TEACHER[row : row + 1], LABELS[row : row + 1]
        mass = 1.0 - functional.softmax(teacher / temperature, 1)[0, label].item()
        found = decoupled_divergence(student, label, SoftTargets(teacher), temperature, beta=mass)
        expected = soft_divergence(student, SoftTargets(teacher), temperature)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_decoupled_divergence_over_top_k_knows_a_target_in_the_tail() -> None:
    soft = top_k(6, 2.0)
    assert soft.indices is not None
    outside = torch.tensor([next(c for c in range(40) if c not in row) for row in soft.indices.tolist()])
    for labels in (soft.indices[:, 2], outside):
        student = STUDENT.clone().requires_grad_()
        loss = decoupled_divergence(student, labels, soft, 2.0, beta=8.0)
        loss.backward()
        assert student.grad is not None
        assert bool(torch.isfinite(student.grad).all())


def test_a_sure_teacher_does_the_decoupled_gradient_no_harm() -> None:
    teacher = torch.zeros(1, 40)
    teacher[0, 0] = 400.0
    student = torch.randn(1, 40, generator=DRAW).requires_grad_()
    decoupled_divergence(student, HAND_LABEL, SoftTargets(teacher), 1.0, beta=8.0).backward()
    assert student.grad is not None
    assert bool(torch.isfinite(student.grad).all())


def test_jensen_shannon_by_hand() -> None:
    p, q = [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    expected = sum(a * math.log(a / m) + b * math.log(b / m) for a, b, m in zip(p, q, middle, strict=True)) / 2
    assert jensen_shannon(HAND_STUDENT, SoftTargets(HAND_TEACHER), 1.0).item() == pytest.approx(expected, rel=1e-5)


def test_jensen_shannon_is_symmetric_and_bounded() -> None:
    one, other = (jensen_shannon(a, SoftTargets(b), 2.0).item() for a, b in ((STUDENT, TEACHER), (TEACHER, STUDENT)))
    assert one == pytest.approx(other, rel=1e-4)
    apart = torch.zeros(1, 3), torch.zeros(1, 3)
    apart[0][0, 0], apart[1][0, 1] = 200.0, 200.0
    assert jensen_shannon(apart[0], SoftTargets(apart[1]), 1.0).item() == pytest.approx(math.log(2.0), rel=1e-4)


def test_relation_distance_by_hand() -> None:
    # deviations of photo 0: teacher (5, -1, -4)/30, student (8, -1, -7)/30; of photo 1: (-4, -1, 5)/30, (-1, 2, -1)/30
    teacher = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    student = torch.tensor([[0.6, 0.3, 0.1], [0.3, 0.4, 0.3]])
    rows = (69 / math.sqrt(42 * 114) + -3 / math.sqrt(42 * 6)) / 2
    columns = (1.0 + 0.0 + 1.0) / 3  # both fall, the teacher's does not move, both rise
    found = relation_distance(student.log(), SoftTargets(teacher.log()), 1.0, beta=2.0, gamma=3.0)
    assert found.item() == pytest.approx(2.0 * (1 - rows) + 3.0 * (1 - columns), rel=1e-4)


def test_relation_distance_asks_for_relations_only() -> None:
    """Any increasing affine change of the teacher's probabilities is the same teacher to it."""
    shares = functional.softmax(TEACHER, 1)
    flatter = 0.5 * shares + 0.5 / 40
    one, other = (
        relation_distance(STUDENT, SoftTargets(item.log()), 1.0, 1.0, 0.0).item() for item in (shares, flatter)
    )
    assert one == pytest.approx(other, rel=1e-4)


def test_relation_distance_over_top_k_nears_the_dense_one() -> None:
    dense = relation_distance(STUDENT, SoftTargets(TEACHER), 2.0, 1.0, 1.0).item()
    assert relation_distance(STUDENT, top_k(39, 2.0), 2.0, 1.0, 1.0).item() == pytest.approx(dense, rel=2e-3)


@pytest.mark.parametrize("distance", ["kd", "dkd", "dist", "js"])
def test_every_distance_vanishes_for_an_equal_student_and_is_weighted_alike(distance: Any) -> None:
    equal = Distillation(2.0, 1.0, distance=distance, beta=2.0, gamma=2.0)
    assert equal(TEACHER, LABELS, SoftTargets(TEACHER)).item() == pytest.approx(0.0, abs=1e-4)
    half, full = (
        Distillation(2.0, alpha, distance=distance)(STUDENT, LABELS, SoftTargets(TEACHER)) for alpha in (0.5, 1.0)
    )
    assert half.item() == pytest.approx(0.5 * full.item() + 0.5 * CrossEntropy()(STUDENT, LABELS).item(), rel=1e-5)


def test_logit_adjustment_by_hand() -> None:
    """Menon et al., equation 10: cross entropy of f_y(x) + tau log pi_y."""
    logits, log_prior = torch.tensor([[1.0, 2.0]]), torch.tensor([0.8, 0.2]).log()
    expected = math.log(1 + math.exp((2.0 + math.log(0.2)) - (1.0 + math.log(0.8))))
    assert CrossEntropy()(logits, HAND_LABEL, log_prior=log_prior).item() == pytest.approx(expected, rel=1e-5)
    # balanced softmax (Ren et al., equation 3): n_y e^f_y / sum n_i e^f_i
    balanced = -math.log(0.8 * math.e / (0.8 * math.e + 0.2 * math.e**2))
    assert expected == pytest.approx(balanced, rel=1e-5)
