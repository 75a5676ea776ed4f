"""What the phases share that train the student on soft labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from aplantida.pipeline.config import Section
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.training.objectives import Distillation

DEFAULT_TEMPERATURE = 3.0
DEFAULT_ALPHA = 0.7


class DistanceSection(Section):
    """How far the student is from its teachers, and what of it weighs how much."""

    kind: Literal["kd", "dkd", "dist", "js"] = "kd"
    beta: float = Field(default=1.0, ge=0)
    gamma: float = Field(default=1.0, ge=0)

    def objective(self, temperature: float, alpha: float, label_smoothing: float) -> Distillation:
        """As the training loop has it."""
        from aplantida.training.objectives import Distillation

        return Distillation(temperature, alpha, label_smoothing, self.kind, self.beta, self.gamma)


class SoftLabelsSection(Section):
    """How the soft labels are used."""

    distance: DistanceSection = DistanceSection()
    temperature: float = Field(default=DEFAULT_TEMPERATURE, ge=1, le=8)
    alpha: float = Field(default=DEFAULT_ALPHA, ge=0, le=1)


def soft_labels_folder(ctx: PhaseContext[Any], alpha: float) -> Path | None:
    """Where the soft labels lie that ``distillation.alpha`` asks for; None for alpha 0.

    Raises:
        BadRequest: when there are none.
    """
    if alpha == 0:
        return None
    if not ctx.has_input("soft_labels"):
        raise BadRequest(
            f"distillation.alpha is {alpha}, so input soft_labels is needed: give --input soft_labels=PATH, "
            "or alpha 0 to learn from the labels alone"
        )
    return labelled_photos(ctx)


def labelled_photos(ctx: PhaseContext[Any]) -> Path:
    """Where the soft labels lie, after a look whether they are of all photos that the student sees.

    Raises:
        BadRequest: when they were made of a smaller share of the photos than ``data.photo_fraction``.
    """
    labels, wanted = ctx.input("soft_labels"), ctx.config.data.photo_fraction
    summary = json.loads(labels.file("summary.json").read_text(encoding="utf-8"))
    labelled = summary.get("photo_fraction", 1.0)
    if labelled < wanted:
        raise BadRequest(
            f"data.photo_fraction: {wanted}, but {labels.path} was made with {labelled}, so that some photos have no "
            f"soft label: say {labelled} or less here, or {wanted} in compute_teacher_logits"
        )
    return labels.path
