"""Train a teacher: global, or of one region, whose photos it sees and whose classes alone it knows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import Field, field_validator

from aplantida.domain.class_index import ClassIndex
from aplantida.phases._admission import admit, look_again
from aplantida.phases._training import batch_plan, digest_pretrained, new_model, read_class_index, run_training
from aplantida.phases._training_config import InputSection, ModelSection, TrainConfig, judge_training
from aplantida.phases._weights import look_at_weights
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

GLOBAL = "global"


class TeacherModelSection(ModelSection):
    """The network."""

    name: str = "vit_base_patch16_224"
    head_rank: int | None = Field(default=None, ge=1)

    @field_validator("head_rank", mode="before")
    @classmethod
    def _dense(cls, value: Any) -> Any:
        return None if value == "dense" else value


class TrainTeacherConfig(TrainConfig):
    """Scope, network, photos; the rest as in every training."""

    scope: str = GLOBAL
    min_images_per_class: int = Field(default=5, ge=1)
    model: TeacherModelSection = TeacherModelSection()
    data: InputSection = InputSection(augmentation="aggressive")


def run(ctx: PhaseContext[TrainTeacherConfig]) -> dict[str, Any]:
    """Train."""
    from aplantida.training.objectives import CrossEntropy

    admit(ctx)
    config = ctx.config
    index = read_class_index(ctx, config.model.num_classes)
    region = None if config.scope == GLOBAL else config.scope
    known = index if region is None else index.subset(_classes_of(ctx, index, region))
    dropout, rank = config.regularization.dropout, config.model.head_rank
    card, initial = new_model(ctx, config.model, config.data, known, dropout=dropout, head_rank=rank)
    metrics = run_training(
        ctx,
        card=card,
        initial=initial,
        batches=batch_plan(ctx, config.data, card, index, region=region),
        objective=CrossEntropy(config.regularization.label_smoothing),
        index=index,
    )
    return {"scope": config.scope, "num_classes": len(known), **metrics}


def _classes_of(ctx: PhaseContext[TrainTeacherConfig], index: ClassIndex, region: str) -> list[str]:
    """Ids of the classes with enough train photos in ``region``.

    Raises:
        BadRequest: for a region the split does not have, or one with fewer than two such classes.
    """
    import json

    import pyarrow.parquet as pq

    split, config = ctx.input("split"), ctx.config
    regions = json.loads(split.file("regions.json").read_text(encoding="utf-8"))
    if region not in regions:
        raise BadRequest(f"scope: {region!r} is no region of {split.path}; want {GLOBAL!r} or one of {sorted(regions)}")
    table = pq.read_table(split.file("split.parquet"), columns=["class_index", "split", "regions"])
    columns = (table[name].to_pylist() for name in table.column_names)
    counts = Counter(
        place
        for place, name, names in zip(*columns, strict=True)
        if name == config.data.train_split and region in (names or ())
    )
    chosen = [
        class_id for place, class_id in enumerate(index.class_ids) if counts[place] >= config.min_images_per_class
    ]
    if len(chosen) < 2:
        raise BadRequest(
            f"scope {region!r}: {len(chosen)} classes have {config.min_images_per_class} train photos there or more; "
            "a teacher wants two; lower min_images_per_class or choose another scope"
        )
    ctx.log.info("%s: %d of %d classes", region, len(chosen), len(index))
    return chosen


def _digest_weights(config: TrainTeacherConfig) -> str:
    return digest_pretrained(config.model)


def _look_at_weights(config: TrainTeacherConfig) -> None:
    look_at_weights(config.model)


PHASE = Phase(
    name="train_teacher",
    config=TrainTeacherConfig,
    inputs={"images": "image_shards", "split": "split"},
    output="checkpoint",
    version=3,
    run=run,
    judge=judge_training,
    look_again=look_again,
    sources={"pretrained": _digest_weights},
    look=_look_at_weights,
)
