"""What is minimized: cross entropy with the labels, or that and the divergence from the teachers' soft labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from aplantida.data.shard_cache import SoftTargets

_LOWEST = -1e4


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Cross entropy with the labels.

    Attributes:
        label_smoothing: share of the target spread evenly over all classes, 0..1 (Szegedy et al., 2016).
    """

    label_smoothing: float = 0.0

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor, soft: SoftTargets | None = None) -> torch.Tensor:
        """Mean loss of (N, C) float32 logits and (N,) labels."""
        return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)


@dataclass(frozen=True, slots=True)
class Distillation:
    """``alpha * T^2 * KL(teacher_T || student_T) + (1 - alpha) * CE`` (Hinton et al., 2015, arXiv 1503.02531).

    Attributes:
        temperature: T, by which both sides' logits are divided; 1..8.
        alpha: weight of the divergence, 0..1; 0 is plain cross entropy and needs no soft labels.
        label_smoothing: of the cross entropy.
    """

    temperature: float
    alpha: float
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        if not 1.0 <= self.temperature <= 8.0:
            raise ValueError(f"distillation temperature must lie in 1..8, not {self.temperature}")
        if not 0.0 <= self.alpha <= 1.0:
            raise ValueError(f"distillation alpha must lie in 0..1, not {self.alpha}")

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor, soft: SoftTargets | None = None) -> torch.Tensor:
        """Mean loss of (N, C) float32 logits.

        Raises:
            ValueError: when ``alpha`` is positive and the batch has no soft labels.
        """
        hard = CrossEntropy(self.label_smoothing)(logits, labels)
        if self.alpha == 0.0:
            return hard
        if soft is None:
            raise ValueError(f"distillation with alpha {self.alpha} needs soft labels, but the batch has none")
        divergence = soft_divergence(logits, soft, self.temperature)
        return self.alpha * self.temperature**2 * divergence + (1.0 - self.alpha) * hard


Objective = CrossEntropy | Distillation


def soft_divergence(logits: torch.Tensor, soft: SoftTargets, temperature: float) -> torch.Tensor:
    """Mean KL(teacher || student) at T. Over top-k soft labels the student sees k classes and one tail bucket.

    Args:
        logits: (N, C) float32, the student's.
        soft: of the same N photos; ``soft.tail`` must have been taken at the same T.
        temperature: T.
    """
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = (soft.logits / temperature).clamp(min=_LOWEST)
    if soft.indices is not None and soft.tail is not None:
        in_tail = student.scatter(1, soft.indices, float("-inf")).logsumexp(dim=1, keepdim=True)
        student = torch.cat([student.gather(1, soft.indices), in_tail], dim=1)
        teacher = torch.cat([teacher, soft.tail[:, None].clamp(min=_LOWEST)], dim=1)
    teacher = functional.log_softmax(teacher, dim=1)
    return (teacher.exp() * (teacher - student)).sum(dim=1).mean()
