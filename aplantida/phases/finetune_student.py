"""Fine-tune a checkpoint on labels and soft labels; classes and network come with it, the input size may grow.

Training small and fine-tuning a little larger costs less than training large all along, and mends the difference
between the apparent sizes of plants in random crops and in whole photos (Touvron et al. 2019, arXiv:1906.06423).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from aplantida.phases._admission import admit, look_again
from aplantida.phases._distillation import SoftLabelsSection, soft_labels_folder
from aplantida.phases._pairing import check_pairing, check_same
from aplantida.phases._student import StudentGates, check_size, judge_student
from aplantida.phases._training import batch_plan, read_class_index, run_training
from aplantida.phases._training_config import PhotosSection, TrainConfig
from aplantida.pipeline.phase import Phase, PhaseContext


class FinetunePhotosSection(PhotosSection):
    """And the input size, which may be another than the checkpoint's."""

    image_size: int | None = Field(default=None, ge=16, le=1024)


class FinetuneSoftLabelsSection(SoftLabelsSection):
    """Off unless asked for: see docs/decisions/0004."""

    alpha: float = Field(default=0.0, ge=0, le=1)


class FinetuneStudentConfig(TrainConfig):
    """Distillation, photos; the rest as in every training."""

    distillation: FinetuneSoftLabelsSection = FinetuneSoftLabelsSection()
    data: FinetunePhotosSection = FinetunePhotosSection()
    gates: StudentGates = StudentGates()  # pyright: ignore[reportIncompatibleVariableOverride]


def run(ctx: PhaseContext[FinetuneStudentConfig]) -> dict[str, Any]:
    """Train on."""
    from dataclasses import replace

    from aplantida.models.checkpoint import load_card

    check_pairing(ctx)
    admit(ctx)
    checkpoint, config = ctx.input("checkpoint"), ctx.config
    card = replace(load_card(checkpoint.path), dropout=config.regularization.dropout, precision={})
    if config.data.image_size is not None:
        card = replace(card, preprocessing=replace(card.preprocessing, image_size=config.data.image_size))
    size = check_size(ctx, card)
    index, wanted = read_class_index(ctx, None), config.distillation
    soft_labels = soft_labels_folder(ctx, wanted.alpha)
    if soft_labels is not None:
        advice = f"; distillation.alpha is {wanted.alpha}, say 0 to learn from the labels alone"
        check_same(checkpoint, ctx.input("soft_labels"), advice)
    metrics = run_training(
        ctx,
        card=card,
        initial=checkpoint.path,
        batches=batch_plan(ctx, config.data, card, index, soft_labels=soft_labels, temperature=wanted.temperature),
        objective=wanted.distance.objective(wanted.temperature, wanted.alpha, config.regularization.label_smoothing),
        index=index,
    )
    return {**size, **metrics}


PHASE = Phase(
    name="finetune_student",
    config=FinetuneStudentConfig,
    inputs={"images": "image_shards", "split": "split", "checkpoint": "checkpoint", "soft_labels": "soft_labels?"},
    output="checkpoint",
    version=4,
    run=run,
    sources={},
    judge=judge_student,
    look_again=look_again,
)
