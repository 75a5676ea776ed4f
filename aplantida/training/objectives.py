"""What is minimized: cross entropy with the labels, or that and the distance from the teachers' soft labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from aplantida.data.soft_labels import SoftTargets

Distance = Literal["kd", "dkd", "dist", "js"]
_LOWEST = -1e4
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Cross entropy with the labels.

    Attributes:
        label_smoothing: share of the target spread evenly over all classes, 0..1 (Szegedy et al., 2016).
    """

    label_smoothing: float = 0.0

    def __call__(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        soft: SoftTargets | None = None,
        log_prior: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean loss.

        Args:
            logits: (N, C) float32.
            labels: (N,).
            soft: not looked at.
            log_prior: (C,) added to the logits: tau times the log share of each class among the training photos, the
                logit adjustment of Menon et al. (2021, arXiv 2007.07314); with tau 1 it is the balanced softmax of Ren
                et al. (2020, arXiv 2007.10740). None for none.
        """
        adjusted = logits if log_prior is None else logits + log_prior
        return functional.cross_entropy(adjusted, labels, label_smoothing=self.label_smoothing)


@dataclass(frozen=True, slots=True)
class Distillation:
    """``alpha * T^2 * distance(teacher_T, student_T) + (1 - alpha) * CE``.

    The distance is one of

    - ``kd``: KL(teacher || student) (Hinton et al., 2015, arXiv 1503.02531);
    - ``dkd``: KL of target against the rest, plus ``beta`` times KL among the rest (Zhao et al., 2022, arXiv
      2203.08679);
    - ``dist``: 1 - Pearson correlation of the two, ``beta`` times within each photo plus ``gamma`` times within each
      class over the batch (Huang et al., 2022, arXiv 2205.10536);
    - ``js``: the Jensen-Shannon divergence, as in PaddleClas' SSLD (Cui et al., 2021, arXiv 2103.05959).

    Attributes:
        temperature: T, by which both sides' logits are divided; 1..8.
        alpha: weight of the distance, 0..1; 0 is plain cross entropy and needs no soft labels.
        label_smoothing: of the cross entropy.
        distance: which of the four.
        beta: see there; not looked at by ``kd`` and ``js``.
        gamma: see there; of ``dist`` only.
    """

    temperature: float
    alpha: float
    label_smoothing: float = 0.0
    distance: Distance = "kd"
    beta: float = 1.0
    gamma: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values outside their ranges."""
        if not 1.0 <= self.temperature <= 8.0:
            raise ValueError(f"distillation temperature must lie in 1..8, not {self.temperature}")
        if not 0.0 <= self.alpha <= 1.0:
            raise ValueError(f"distillation alpha must lie in 0..1, not {self.alpha}")
        if min(self.beta, self.gamma) < 0.0:
            raise ValueError(f"distillation beta and gamma must be 0 or more, not {self.beta} and {self.gamma}")

    def __call__(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        soft: SoftTargets | None = None,
        log_prior: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean loss; arguments as of :class:`CrossEntropy`, ``soft`` belonging to the same photos.

        Raises:
            ValueError: when ``alpha`` is positive and the batch has no soft labels.
        """
        hard = CrossEntropy(self.label_smoothing)(logits, labels, log_prior=log_prior)
        if self.alpha == 0.0:
            return hard
        if soft is None:
            raise ValueError(f"distillation with alpha {self.alpha} needs soft labels, but the batch has none")
        apart = self._apart(logits, labels, soft)
        return self.alpha * self.temperature**2 * apart + (1.0 - self.alpha) * hard

    def _apart(self, logits: torch.Tensor, labels: torch.Tensor, soft: SoftTargets) -> torch.Tensor:
        if self.distance == "dkd":
            return decoupled_divergence(logits, labels, soft, self.temperature, self.beta)
        if self.distance == "dist":
            return relation_distance(logits, soft, self.temperature, self.beta, self.gamma)
        if self.distance == "js":
            return jensen_shannon(logits, soft, self.temperature)
        return soft_divergence(logits, soft, self.temperature)


Objective = CrossEntropy | Distillation


def soft_divergence(logits: torch.Tensor, soft: SoftTargets, temperature: float) -> torch.Tensor:
    """Mean KL(teacher || student) at T. Over top-k soft labels the student sees k classes and one tail bucket.

    Args:
        logits: (N, C) float32, the student's.
        soft: of the same N photos; ``soft.tail`` must have been taken at the same T.
        temperature: T.
    """
    student, teacher = _log_shares(logits, soft, temperature)
    return _divergence(teacher, student).mean()


def jensen_shannon(logits: torch.Tensor, soft: SoftTargets, temperature: float) -> torch.Tensor:
    """Mean Jensen-Shannon divergence at T, in nats (0..ln 2); arguments as of :func:`soft_divergence`."""
    student, teacher = _log_shares(logits, soft, temperature)
    middle = torch.logaddexp(student, teacher) - math.log(2.0)
    return 0.5 * (_divergence(teacher, middle) + _divergence(student, middle)).mean()


def decoupled_divergence(
    logits: torch.Tensor, labels: torch.Tensor, soft: SoftTargets, temperature: float, beta: float
) -> torch.Tensor:
    """TCKD + beta * NCKD of Zhao et al. (2022), their alpha being 1.

    Over top-k soft labels there are k + 1 buckets, and the target is the bucket its class lies in, be it the tail.

    Args:
        logits: (N, C) float32, the student's.
        labels: (N,), the targets.
        soft: of the same N photos.
        temperature: T.
        beta: weight of what the teacher says of the classes that are not the target.
    """
    student, teacher = _log_shares(logits, soft, temperature)
    target = _bucket_of(labels, soft)[:, None]
    is_target = torch.zeros_like(student, dtype=torch.bool).scatter(1, target, True)
    pairs = []
    for shares in (teacher, student):
        rest = shares.masked_fill(is_target, float("-inf")).logsumexp(dim=1, keepdim=True)
        binary = torch.cat([shares.gather(1, target), rest], dim=1)
        pairs.append((binary, (shares - rest).masked_fill(is_target, 0.0)))
    (teacher_binary, teacher_rest), (student_binary, student_rest) = pairs
    among_rest = teacher_rest.exp() * (teacher_rest - student_rest)
    return (_divergence(teacher_binary, student_binary) + beta * among_rest.sum(dim=1)).mean()


def relation_distance(
    logits: torch.Tensor, soft: SoftTargets, temperature: float, beta: float, gamma: float
) -> torch.Tensor:
    """beta * inter-class + gamma * intra-class relation loss of Huang et al. (2022).

    Over top-k soft labels the tail's mass is spread evenly over its classes.

    Args:
        logits: (N, C) float32, the student's.
        soft: of the same N photos.
        temperature: T.
        beta: weight of the correlation within each photo, over classes.
        gamma: weight of the correlation within each class, over the photos of the batch.
    """
    student = functional.softmax(logits / temperature, dim=1)
    teacher = _dense_shares(soft, temperature, logits.shape[1])
    within_photos = 1.0 - _pearson(student, teacher).mean()
    within_classes = 1.0 - _pearson(student.T, teacher.T).mean()
    return beta * within_photos + gamma * within_classes


def _log_shares(logits: torch.Tensor, soft: SoftTargets, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log probabilities of student and teacher over the C classes, or over k classes and the tail."""
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = (soft.logits / temperature).clamp(min=_LOWEST)
    if soft.indices is not None and soft.tail is not None:
        in_tail = student.scatter(1, soft.indices, float("-inf")).logsumexp(dim=1, keepdim=True)
        student = torch.cat([student.gather(1, soft.indices), in_tail], dim=1)
        teacher = torch.cat([teacher, soft.tail[:, None].clamp(min=_LOWEST)], dim=1)
    return student, functional.log_softmax(teacher, dim=1)


def _dense_shares(soft: SoftTargets, temperature: float, num_classes: int) -> torch.Tensor:
    """The teacher's (N, C) probabilities; what a tail holds is spread evenly over its classes."""
    scaled = (soft.logits / temperature).clamp(min=_LOWEST)
    if soft.indices is None or soft.tail is None:
        return functional.softmax(scaled, dim=1)
    shares = functional.softmax(torch.cat([scaled, soft.tail[:, None].clamp(min=_LOWEST)], dim=1), dim=1)
    each = shares[:, -1:] / (num_classes - soft.indices.shape[1])
    return each.expand(-1, num_classes).scatter(1, soft.indices, shares[:, :-1])


def _bucket_of(labels: torch.Tensor, soft: SoftTargets) -> torch.Tensor:
    """The column of each label in what :func:`_log_shares` gives."""
    if soft.indices is None:
        return labels
    hits = soft.indices == labels[:, None]
    return torch.where(hits.any(dim=1), hits.int().argmax(dim=1), soft.indices.shape[1])


def _divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """KL(first || second) of each row of log probabilities."""
    return (first.exp() * (first - second)).sum(dim=1)


def _pearson(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The correlation of each row with its partner."""
    a, b = (rows - rows.mean(dim=1, keepdim=True) for rows in (first, second))
    return functional.cosine_similarity(a, b, dim=1, eps=_TINY)
