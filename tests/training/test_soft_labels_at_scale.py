"""What top-k soft labels of 9,000 classes lose against dense ones, at every temperature they are stored for.

Theory, for a teacher p and a student q at T, over the kept classes and one bucket for the tail:

- KL falls short of the dense one by P * KL(p in the tail || q in the tail), P being the teacher's mass in the tail;
- of the gradient by the student's logits, the kept classes' part is the dense one, and the tail's part differs by
  |p - P q / Q| / T a class, so by 2 P / T in all at most.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aplantida.data.soft_labels import SoftTargets
from aplantida.domain.scores import TAIL_TEMPERATURES
from aplantida.phases.combine_teacher_logits import CombineTeacherLogitsConfig
from aplantida.training.objectives import soft_divergence
from tests.fixtures.soft_targets import top_k_targets

NUM_PHOTOS, NUM_CLASSES = 24, 9000
TOP_K = CombineTeacherLogitsConfig().top_k


def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, C) of a teacher who is rather sure of a species and knows a dozen like it, and of a student."""
    generator = np.random.default_rng(seed)
    teacher = generator.normal(0.0, 1.0, (NUM_PHOTOS, NUM_CLASSES))
    for row in teacher:
        alike = generator.choice(NUM_CLASSES, 12, replace=False)
        row[alike] += generator.uniform(3.0, 8.0, 12)
        row[alike[0]] += 6.0
    student = 0.7 * teacher + generator.normal(0.0, 0.7, teacher.shape)
    return torch.from_numpy(teacher.astype(np.float16).astype(np.float64)), torch.from_numpy(student)


def stored(teacher: torch.Tensor, temperature: float) -> SoftTargets:
    return top_k_targets(teacher, TOP_K, temperature)


def gradient(student: torch.Tensor, soft: SoftTargets, temperature: float) -> tuple[float, torch.Tensor]:
    leaf = student.clone().requires_grad_()
    loss = soft_divergence(leaf, soft, temperature)
    loss.backward()
    assert leaf.grad is not None
    return loss.item(), NUM_PHOTOS * leaf.grad  # of each photo's own divergence


# the mass that this teacher has beyond its 40 largest logits: from T = 2 on the tail is nearly all it says
@pytest.mark.parametrize(
    ("temperature", "mass"), zip(TAIL_TEMPERATURES, (0.193, 0.716, 0.923, 0.978, 0.986, 0.991, 0.993), strict=True)
)
def test_divergence_and_gradient_are_as_far_from_the_dense_ones_as_theory_says(temperature: float, mass: float) -> None:
    teacher, student = draw(seed=1)
    soft = stored(teacher, temperature)
    assert soft.indices is not None
    dense_loss, dense_gradient = gradient(student, SoftTargets(teacher), temperature)
    kept_loss, kept_gradient = gradient(student, soft, temperature)

    log_p, log_q = (torch.log_softmax(logits / temperature, dim=1) for logits in (teacher, student))
    in_tail = torch.ones_like(teacher, dtype=torch.bool).scatter(1, soft.indices, False)
    of_p, of_q = (torch.where(in_tail, logs, -torch.inf) for logs in (log_p, log_q))
    tail_p, tail_q = of_p.logsumexp(dim=1, keepdim=True), of_q.logsumexp(dim=1, keepdim=True)
    masses = tail_p.exp().squeeze(1)
    assert masses.mean().item() == pytest.approx(mass, abs=0.002)

    inside = torch.where(in_tail, (of_p - tail_p).exp() * ((log_p - tail_p) - (log_q - tail_q)), 0.0).sum(dim=1)
    assert dense_loss - kept_loss == pytest.approx((masses * inside).mean().item(), rel=1e-3, abs=1e-5)
    assert kept_loss <= dense_loss + 1e-5

    difference = (kept_gradient - dense_gradient).abs()
    assert difference[~in_tail].max() < 1e-4 / temperature
    assert (difference.sum(dim=1) <= 2.0 * masses / temperature + 1e-4).all()
    assert difference.sum(dim=1).mean() < masses.mean() / temperature  # and in fact by less than half of that


def test_temperatures_between_the_stored_ones_cost_little() -> None:
    teacher, student = draw(seed=2)
    for temperature in (1.25, 1.75, 2.5, 3.5, 5.0, 7.0):
        exact = torch.logsumexp(
            torch.where(
                torch.ones_like(teacher, dtype=torch.bool).scatter(1, stored(teacher, 1.0).indices, False),
                teacher / temperature,
                -torch.inf,
            ),
            dim=1,
        )
        soft = stored(teacher, temperature)
        assert soft.tail is not None
        assert (soft.tail - exact).abs().max() < 0.05
        loss, _ = gradient(student, soft, temperature)
        truth, _ = gradient(student, SoftTargets(soft.logits, soft.indices, exact), temperature)
        assert loss == pytest.approx(truth, rel=0.02)
