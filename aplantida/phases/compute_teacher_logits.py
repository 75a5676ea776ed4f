"""Score every view of every training photo, and the centre crop of the others, by one teacher."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from aplantida.phases._admission import LineageGates, admit, look_again
from aplantida.phases._collection_file import LearningConfig
from aplantida.phases._device import device_here
from aplantida.phases._pairing import check_pairing
from aplantida.phases._photos import DataSection
from aplantida.phases._scorer import ScorerResources
from aplantida.phases._verifying import EARLIER_PRECISION, VerifySection, disagreements, score_again, shard_unit
from aplantida.pipeline.artifact import Artifact, unit_key
from aplantida.pipeline.config import ReusingConfig, Section, SeededConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    import pyarrow as pa

_EARLIER_BATCH_SIZE = 64  # was part of a unit's key; units made under it stay what they are


class ViewsSection(Section):
    """How the views of a training photo are drawn."""

    num_views: int = Field(default=16, ge=0, le=255)
    scale: tuple[float, float] = (0.35, 1.0)
    ratio: tuple[float, float] = (0.75, 1.3333)
    flip_probability: float = Field(default=0.5, ge=0, le=1)

    @field_validator("scale")
    @classmethod
    def _scale(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 1:
            raise ValueError("want two rising parts of the photo's area within 0..1")
        return value

    @field_validator("ratio")
    @classmethod
    def _ratio(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("want two rising positive proportions, width / height")
        return value


class ScoringGates(LineageGates):
    """What may be scored by whom, and how well the stored scores must agree with the teacher."""

    verify: VerifySection = VerifySection()


class ScoringResources(ScorerResources):
    """Where the scoring runs."""

    num_actors: int = Field(default=0, ge=0)


class ComputeTeacherLogitsConfig(ReusingConfig, SeededConfig, LearningConfig):
    """Which views, how much of each row is kept, and the size of a forward pass."""

    MOVED: ClassVar[Mapping[str, str]] = {
        "verify.num_photos": "gates.verify.num_photos",
        "verify.max_difference": "gates.verify.max_difference",
        "verify": "",
        "batch_size": "resources.batch_size",
    }

    views: ViewsSection = ViewsSection()
    top_k: int = Field(default=160, ge=1)
    dense_up_to_classes: int = Field(default=1024, ge=0)
    precision: Literal["auto", "float32"] = "auto"
    data: DataSection = DataSection()
    gates: ScoringGates = ScoringGates()
    resources: ScoringResources = ScoringResources()


def run(ctx: PhaseContext[ComputeTeacherLogitsConfig]) -> dict[str, Any]:
    """Score the shards that are not scored yet."""
    from aplantida.distributed.scoring import label_shards

    started = time.monotonic()
    check_pairing(ctx)
    admit(ctx)
    images, checkpoint = ctx.input("images"), ctx.input("checkpoint")
    card = json.loads(checkpoint.file("model.json").read_text(encoding="utf-8"))
    num_classes = card["num_classes"]
    top_k = None if num_classes <= ctx.config.dense_up_to_classes else ctx.config.top_k
    keys = _unit_keys(ctx, images, checkpoint, top_k)
    todo: list[int] = []
    reused = 0
    for shard, key in keys.items():
        if ctx.output.is_done(shard_unit(shard), key):
            continue
        if ctx.reuse_unit(shard_unit(shard), key):
            reused += 1
        else:
            todo.append(shard)
    ctx.log.info("%d shards: %d to score, %d reused", len(keys), len(todo), reused)
    num_actors, verify = ctx.config.resources.num_actors, ctx.config.gates.verify
    here = device_here(ctx) if verify.num_photos or not num_actors else ""  # its trouble is told before any work
    job = _job(ctx, images, checkpoint, top_k, ctx.device if num_actors else here)
    with ctx.progress(total=len(todo), unit="shards", description="teacher logits") as bar:
        for done in label_shards(job, todo, num_actors):
            rows = {"num_train_rows": done.num_train_rows, "num_heldout_rows": done.num_heldout_rows}
            info = {**rows, "num_threads": done.num_threads, "precision": done.precision}
            ctx.output.record_unit(shard_unit(done.shard), keys[done.shard], done.files, info)
            bar.update(rows=done.num_train_rows + done.num_heldout_rows)
    verified = _verify(ctx, images, checkpoint, here) if verify.num_photos else {"num_verified_rows": 0}
    ctx.output.write_json("teacher.json", _teacher(ctx, card, checkpoint, top_k))
    return {
        "num_shards": len(keys),
        "num_shards_scored": len(todo),
        "num_shards_reused": reused,
        **_summed_up(ctx, [ctx.output.unit_info(shard_unit(shard)) for shard in keys]),
        **verified,
        "seconds": round(time.monotonic() - started, 1),
    }


def _summed_up(ctx: PhaseContext[ComputeTeacherLogitsConfig], infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of all shards, and what scored them; a warning where that was not alike."""
    threads = sorted({info["num_threads"] for info in infos if "num_threads" in info})
    if len(threads) > 1:
        ctx.log.warning("scored with %s threads: equality to the bit holds only among shards of as many", threads)
    precisions = sorted({info.get("precision", EARLIER_PRECISION) for info in infos})
    if len(precisions) > 1:
        ctx.log.warning("scored in %s: set precision: float32 where shards of several devices are to agree", precisions)
    return {
        "num_train_rows": sum(info["num_train_rows"] for info in infos),
        "num_heldout_rows": sum(info["num_heldout_rows"] for info in infos),
        "num_threads": threads,
        "precision": precisions,
    }


def _read_split(ctx: PhaseContext[ComputeTeacherLogitsConfig]) -> pa.Table:
    """``image_id``, ``shard`` and ``split`` of the photos to score."""
    from aplantida.domain.split import read_split

    path = ctx.input("split").file("split.parquet")
    return read_split(path, ["image_id", "shard", "split"], fraction=ctx.config.data.photo_fraction)


def _unit_keys(
    ctx: PhaseContext[ComputeTeacherLogitsConfig], images: Artifact, checkpoint: Artifact, top_k: int | None
) -> dict[int, str]:
    """Shard number → key, over the shard's file, its photos' splits, the teacher and the views."""
    table = _read_split(ctx)
    members: dict[int, list[list[Any]]] = defaultdict(list)
    for image_id, shard, name in zip(*(table[column].to_pylist() for column in table.column_names), strict=True):
        members[shard].append([image_id, name == "train"])
    teacher = [checkpoint.files[name].sha256 for name in ("model.safetensors", "model.json")]
    recipe = [ctx.config.seed, ctx.config.views.model_dump(mode="json"), top_k, _EARLIER_BATCH_SIZE]
    if ctx.config.precision != "auto":
        recipe.append(ctx.config.precision)
    keys: dict[int, str] = {}
    for shard in sorted(members):
        name = f"shards/shard-{shard:05d}.parquet"
        if name not in images.files:
            raise BadRequest(f"{images.path}: the split names photos of {name}, which these image shards do not have")
        keys[shard] = unit_key(images.files[name].sha256, members[shard], teacher, recipe)
    return keys


def _job(
    ctx: PhaseContext[ComputeTeacherLogitsConfig],
    images: Artifact,
    checkpoint: Artifact,
    top_k: int | None,
    device: str,
) -> Any:
    from aplantida.distillation.teacher import ViewSettings
    from aplantida.distributed.scoring import LabelJob

    config = ctx.config
    return LabelJob(
        images=images,
        split=ctx.input("split").file("split.parquet"),
        checkpoint=checkpoint.path,
        writer=ctx.output,
        settings=ViewSettings(
            config.views.num_views,
            config.views.scale,
            config.views.ratio,
            config.views.flip_probability,
            ctx.config.seed,
        ),
        top_k=top_k,
        precision=config.precision,
        device=device,
        num_threads=config.resources.num_threads,
        batch_size=config.resources.batch_size,
        num_loader_workers=config.resources.num_loader_workers,
        photo_fraction=config.data.photo_fraction,
    )


def _verify(
    ctx: PhaseContext[ComputeTeacherLogitsConfig], images: Artifact, checkpoint: Artifact, device: str
) -> dict[str, Any]:
    import pyarrow.compute as pc

    config = ctx.config
    scorer = config.resources.scorer(checkpoint.path, device, config.precision)
    train = _read_split(ctx).filter(pc.field("split") == "train")
    return score_again(ctx, config.gates.verify, train, images, scorer)


def judge(config: ComputeTeacherLogitsConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Whether the stored logits are still what the teacher says."""
    return disagreements(config.gates.verify, metrics)


def _teacher(
    ctx: PhaseContext[ComputeTeacherLogitsConfig], card: dict[str, Any], checkpoint: Artifact, top_k: int | None
) -> dict[str, Any]:
    """What the combining phase must know of the teacher."""
    views = ctx.config.views.model_dump(mode="json")
    return {
        "format": "aplantida.teacher/1",
        "architecture": card["architecture"],
        "checkpoint_digest": checkpoint.digest,
        "region": _region(checkpoint),
        "class_ids": card["class_ids"],
        "preprocessing": card["preprocessing"],
        "views": {**views, "seed": ctx.config.seed},
        "top_k": top_k,
        **ctx.config.data.said(),
    }


def _region(checkpoint: Artifact) -> str | None:
    """The region a teacher was trained for; None for a global one."""
    scope = checkpoint.config.get("scope", "global")
    return None if scope == "global" else scope


PHASE = Phase(
    name="compute_teacher_logits",
    config=ComputeTeacherLogitsConfig,
    inputs={"images": "image_shards", "split": "split", "checkpoint": "checkpoint"},
    output="teacher_logits",
    version=5,
    run=run,
    judge=judge,
    look_again=look_again,
)
