"""Combine the logits of any number of teachers, global and regional, into one soft label per view."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field

from aplantida.domain.cores import usable_cores
from aplantida.phases._pairing import check_pairing, check_same
from aplantida.pipeline.artifact import Artifact, FileEntry, unit_key
from aplantida.pipeline.config import ReusingConfig, Section, Threads
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    import pyarrow as pa

    from aplantida.domain.class_index import ClassIndex
    from aplantida.domain.scores import ScoreTable


class TeacherSection(Section):
    """One teacher's share."""

    weight: float = Field(default=1.0, gt=0)
    weight_in_region: float | None = Field(default=None, gt=0)


class CombineTeacherLogitsConfig(ReusingConfig):
    """The teachers' shares, and how much of each row is kept."""

    MOVED: ClassVar[Mapping[str, str]] = {"resources.device": ""}

    teachers: list[TeacherSection] = Field(default_factory=list)
    top_k: int = Field(default=40, ge=1)
    dense_up_to_classes: int = Field(default=512, ge=0)
    resources: Threads = Threads()


@dataclass(frozen=True)
class _Teacher:
    artifact: Artifact
    facts: Mapping[str, Any]
    share: TeacherSection


class _Photo(NamedTuple):
    split: str
    class_index: int
    regions: tuple[str, ...]


def run(ctx: PhaseContext[CombineTeacherLogitsConfig]) -> dict[str, Any]:
    """Combine the shards that are not combined yet."""
    from aplantida.domain.class_index import ClassIndex
    from aplantida.domain.memory import keep_freed_memory
    from aplantida.domain.split import rows_by_shard

    started = time.monotonic()
    keep_freed_memory()
    split = ctx.input("split")
    index = ClassIndex.load(split.file("class_index.json"))
    class_ids = index.class_ids
    top_k = None if len(class_ids) <= ctx.config.dense_up_to_classes else ctx.config.top_k
    teachers = _teachers(ctx)
    shards = rows_by_shard(split.file("split.parquet"), ["image_id", *_Photo._fields])
    members = {f"shard-{shard:05d}": rows for shard, rows in shards.items()}
    names = sorted(teachers[0].artifact.units)
    keys = {name: _key(name, teachers, _photos(members.get(name)), class_ids, top_k) for name in names}
    todo = [name for name, key in keys.items() if not ctx.output.is_done(name, key) and not ctx.reuse_unit(name, key)]
    num_threads = ctx.config.resources.num_threads or usable_cores()
    ctx.log.info(
        "%d teachers, %d shards, %d of them to combine by %d threads", len(teachers), len(keys), len(todo), num_threads
    )
    with (
        ThreadPoolExecutor(num_threads) as pool,
        ctx.progress(total=len(todo), unit="shards", description="soft labels") as bar,
    ):
        waiting = {
            pool.submit(_combine_shard, ctx, name, teachers, members.get(name), class_ids, top_k): name for name in todo
        }
        try:
            for future in as_completed(waiting):
                files, info = future.result()
                ctx.output.record_unit(waiting[future], keys[waiting[future]], files, info)
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    summary = _summary(ctx, teachers, [ctx.output.unit_info(name) for name in names], index, top_k)
    ctx.output.write_json("summary.json", summary)
    return {**summary["counts"], "num_shards_combined": len(todo), "seconds": round(time.monotonic() - started, 1)}


def _teachers(ctx: PhaseContext[CombineTeacherLogitsConfig]) -> list[_Teacher]:
    check_pairing(ctx)
    artifacts = ctx.input_list("teacher_logits")
    shares = ctx.config.teachers or [TeacherSection() for _ in artifacts]
    if len(shares) != len(artifacts):
        raise BadRequest(
            f"teachers: {len(shares)} entries for {len(artifacts)} inputs teacher_logits; "
            "want one each, in the same order, or [] for equal weights"
        )
    teachers = [
        _Teacher(artifact, json.loads(artifact.file("teacher.json").read_text(encoding="utf-8")), share)
        for artifact, share in zip(artifacts, shares, strict=True)
    ]
    for position, teacher in enumerate(teachers):
        if teacher.facts["region"] is None:
            check_same(teacher.artifact, ctx.input("split"), "; a global teacher knows all classes of the split")
        if teacher.share.weight_in_region is not None and teacher.facts["region"] is None:
            raise BadRequest(
                f"teachers.{position}.weight_in_region = {teacher.share.weight_in_region}: "
                f"{teacher.artifact.path} is of a global teacher, which has no region; leave it null"
            )
        fraction, first = (one.facts.get("photo_fraction", 1.0) for one in (teacher, teachers[0]))
        if fraction != first:
            raise BadRequest(
                f"{teacher.artifact.path}: photo_fraction {fraction}, but {teachers[0].artifact.path} has {first}: "
                "teachers are combined over the same photos"
            )
        if set(teacher.artifact.units) != set(teachers[0].artifact.units):
            raise BadRequest(f"{teacher.artifact.path} and {teachers[0].artifact.path} have other shards")
        if teacher.facts["views"] != teachers[0].facts["views"]:
            raise BadRequest(
                f"{teacher.artifact.path}: views {teacher.facts['views']}, but {teachers[0].artifact.path} has "
                f"{teachers[0].facts['views']}: teachers are combined over the same views"
            )
    return teachers


def _photos(members: pa.Table | None) -> dict[str, _Photo]:
    """Image id → what the split says of it."""
    if members is None:
        return {}
    columns = (members[name].to_pylist() for name in ("image_id", *_Photo._fields))
    return {
        image_id: _Photo(name, class_index, tuple(regions or ()))
        for image_id, name, class_index, regions in zip(*columns, strict=True)
    }


def _key(
    name: str, teachers: Sequence[_Teacher], photos: Mapping[str, _Photo], class_ids: Sequence[str], top_k: int | None
) -> str:
    """Over the teachers' files of the shard, their shares, the shard's photos and the classes."""
    said = [
        [
            [teacher.artifact.files[f"{folder}/{name}.parquet"].sha256 for folder in ("scores", "heldout", "views")],
            teacher.share.model_dump(),
            teacher.facts["region"],
        ]
        for teacher in teachers
    ]
    rows = [[image_id, *photo] for image_id, photo in photos.items()]
    return unit_key(PHASE.version, said, rows, list(class_ids), top_k)


def _combine_shard(
    ctx: PhaseContext[CombineTeacherLogitsConfig],
    name: str,
    teachers: Sequence[_Teacher],
    members: pa.Table | None,
    class_ids: Sequence[str],
    top_k: int | None,
) -> tuple[list[FileEntry], dict[str, Any]]:
    photos = _photos(members)
    train = _combine(teachers, f"scores/{name}.parquet", photos, class_ids, top_k)
    heldout = _combine(teachers, f"heldout/{name}.parquet", photos, class_ids, None)
    views = _views(teachers, name)
    files = [
        ctx.output.write_table(f"scores/{name}.parquet", train.to_arrow()),
        ctx.output.write_table(f"heldout/{name}.parquet", heldout.to_arrow()),
        ctx.output.write_table(f"views/{name}.parquet", views),
    ]
    return files, {"num_train_rows": len(train), "heldout": _hits(heldout, photos)}


def _combine(
    teachers: Sequence[_Teacher],
    file: str,
    photos: Mapping[str, _Photo],
    class_ids: Sequence[str],
    top_k: int | None,
) -> ScoreTable:
    import numpy as np
    import pyarrow.parquet as pq

    from aplantida.distillation.ensemble import combine
    from aplantida.distillation.opinions import TeacherScores
    from aplantida.domain.scores import ScoreTable

    tables = [ScoreTable.from_arrow(pq.read_table(teacher.artifact.file(file))) for teacher in teachers]
    ids = tables[0].image_ids.tolist()
    part = ("train",) if file.startswith("scores/") else ("val", "test")
    for image_id in dict.fromkeys(ids):
        found = photos[image_id].split if image_id in photos else "not"
        if found not in part:
            path = teachers[0].artifact.file(file)
            raise BadRequest(f"{path}: photo {image_id} is {found} in this split, want {' or '.join(part)}")
    try:
        said: list[TeacherScores] = []
        for teacher, scores in zip(teachers, tables, strict=True):
            region, share = teacher.facts["region"], teacher.share
            inside = None
            if share.weight_in_region is not None:
                inside = np.asarray([region in photos[image_id].regions for image_id in ids], dtype=bool)
            said.append(TeacherScores(scores, share.weight, share.weight_in_region, inside))
        return combine(said, class_ids, top_k)
    except ValueError as error:
        order = ", ".join(str(teacher.artifact.path) for teacher in teachers)
        raise BadRequest(f"{file} of {order}: {error}") from error


def _views(teachers: Sequence[_Teacher], name: str) -> pa.Table:
    """The first teacher's views, after a check that the drawn ones are everybody's."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    tables = [pq.read_table(teacher.artifact.file(f"views/{name}.parquet")) for teacher in teachers]
    drawn = [table.filter(pc.field("view") > 0) for table in tables]
    for teacher, table in zip(teachers, drawn, strict=True):
        if not table.equals(drawn[0]):
            raise BadRequest(
                f"{teacher.artifact.path}: views/{name}.parquet holds other crops than the first teacher's"
            )
    return tables[0]


def _hits(heldout: ScoreTable, photos: Mapping[str, _Photo]) -> dict[str, dict[str, int]]:
    """Per split: photos, and how many the combined teachers name rightly."""
    counts = {name: {"photos": 0, "right": 0} for name in ("val", "test")}
    if len(heldout):
        for image_id, best in zip(heldout.image_ids.tolist(), heldout.logits.argmax(axis=1).tolist(), strict=True):
            photo = photos[image_id]
            counts[photo.split]["photos"] += 1
            counts[photo.split]["right"] += int(best == photo.class_index)
    return counts


def _summary(
    ctx: PhaseContext[CombineTeacherLogitsConfig],
    teachers: Sequence[_Teacher],
    infos: Sequence[dict[str, Any]],
    index: ClassIndex,
    top_k: int | None,
) -> dict[str, Any]:
    num_rows, num_views = sum(info["num_train_rows"] for info in infos), 1 + teachers[0].facts["views"]["num_views"]
    size = sum(entry.bytes for name, entry in ctx.output.files.items() if name.startswith(("scores/", "views/")))
    counts: dict[str, Any] = {
        "num_train_rows": num_rows,
        "bytes_per_train_photo": round(size * num_views / num_rows) if num_rows else None,
    }
    for name in ("val", "test"):
        total, right = (sum(info["heldout"][name][key] for info in infos) for key in ("photos", "right"))
        counts[f"num_{name}_photos"] = total
        counts[f"top1_{name}"] = round(right / total, 6) if total else None
    return {
        "format": "aplantida.soft_labels/1",
        "num_classes": len(index),
        "class_index_digest": index.digest,
        "top_k": top_k,
        "views": teachers[0].facts["views"],
        **{name: teachers[0].facts[name] for name in ("photo_fraction",) if name in teachers[0].facts},
        "teachers": [
            {
                "digest": teacher.artifact.digest,
                "architecture": teacher.facts["architecture"],
                "region": teacher.facts["region"],
                "num_classes": len(teacher.facts["class_ids"]),
                **teacher.share.model_dump(),
            }
            for teacher in teachers
        ],
        "counts": counts,
    }


PHASE = Phase(
    name="combine_teacher_logits",
    config=CombineTeacherLogitsConfig,
    inputs={"split": "split", "teacher_logits": "teacher_logits+"},
    output="soft_labels",
    version=3,
    run=run,
    sources={},
)
