"""Fine-tune a checkpoint on the labels; classes, network and input size come with it."""

from __future__ import annotations

from typing import Any

from aplantida.phases._training import PhotosSection, TrainConfig, batch_plan, read_class_index, run_training
from aplantida.pipeline.phase import Phase, PhaseContext


class FinetuneStudentConfig(TrainConfig):
    """Photos; the rest as in every training."""

    data: PhotosSection = PhotosSection()


def run(ctx: PhaseContext[FinetuneStudentConfig]) -> dict[str, Any]:
    """Train on."""
    from dataclasses import replace

    from aplantida.models.checkpoint import load_card
    from aplantida.training.objectives import CrossEntropy

    checkpoint, config = ctx.input("checkpoint"), ctx.config
    card = replace(load_card(checkpoint.path), dropout=config.regularization.dropout, precision={})
    index = read_class_index(ctx, None)
    return run_training(
        ctx,
        card=card,
        initial=checkpoint.path,
        batches=batch_plan(ctx, config.data, card, index),
        objective=CrossEntropy(config.regularization.label_smoothing),
        index=index,
    )


PHASE = Phase(
    name="finetune_student",
    config=FinetuneStudentConfig,
    inputs={"images": "image_shards", "split": "split", "checkpoint": "checkpoint"},
    output="checkpoint",
    version=1,
    run=run,
    sources={},
)
