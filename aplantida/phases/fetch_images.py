"""Phase fetch_images: every record's photo is downloaded, checked, turned upright, shrunk and stored in its shard."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.data.actors import PhotoFetcher, PhotoSettings, slices
from aplantida.data.auditing import count_values
from aplantida.data.duplicates import exact_duplicates
from aplantida.data.fetching import TRANSIENT
from aplantida.data.images import VERSION
from aplantida.data.pending import ASKED_SCHEMA, PendingShard
from aplantida.data.shards import (
    EarlierShard,
    ShardPlan,
    columns_of,
    failures_name,
    records_digest,
    repeated,
    shard_name,
    sort_out,
    validators_name,
)
from aplantida.domain.record import REJECTION_SCHEMA, Reason, shard_of
from aplantida.phases._collection_file import CollectionFile, FileOnly
from aplantida.phases._network import (
    BLOCKS_PER_ACTOR,
    HTTP_MOVED,
    HttpSection,
    NetworkResources,
    choose_num_actors,
    fetch_settings,
)
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.config import ReusingConfig, Section
from aplantida.pipeline.errors import GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext


class FetchResources(NetworkResources):
    """Downloaded photos are decoded as well."""

    decode_threads: int = Field(default=2, ge=1)


class FetchGates(Section):
    """What may be missing."""

    max_failed_fraction: float = Field(default=0.2, ge=0, le=1)


class FetchImagesConfig(ReusingConfig):
    """Fields of configs/fetch_images.yaml."""

    MOVED: ClassVar[Mapping[str, str]] = {**HTTP_MOVED, "max_failed_fraction": "gates.max_failed_fraction"}

    SHARED: ClassVar[Mapping[str, type[Section]]] = {"collection": CollectionFile}
    SHARED_AS: ClassVar[Mapping[str, str]] = {"collection": "", "opt_out.hosts": "http.opt_out_hosts"}

    collection: FileOnly = ""
    num_shards: int = Field(default=220, ge=1)
    short_side_pixels: int = Field(default=384, ge=32)
    jpeg_quality: int = Field(default=90, ge=50, le=100)
    max_pixels: int = Field(default=80_000_000, ge=1024)
    allow_addresses: list[str] = Field(default_factory=list)
    recheck: bool = False
    http: HttpSection = HttpSection()
    gates: FetchGates = FetchGates()
    resources: FetchResources = FetchResources()


def run(ctx: PhaseContext[FetchImagesConfig]) -> dict[str, Any]:
    """Plan shards, take over what is there, stream the rest, set duplicates aside."""
    started = time.monotonic()
    fetch_settings(ctx.config.http, ctx.config.allow_addresses, ctx.config.resources, 1)
    records = ctx.input("records").file("records.parquet")
    plan = ShardPlan.of(records, ctx.output.scratch / "plan", ctx.config.num_shards)
    shards = _pending(ctx, plan)
    taken_over = plan.num_records - sum(shard.num_records - len(shard.kept) for shard in shards.values())
    downloaded = _download(ctx, shards, plan.num_records, taken_over)
    summary = _finish(ctx, plan.num_records)
    seconds = time.monotonic() - started
    return {**summary, "downloaded": downloaded, "taken_over": taken_over, "seconds": round(seconds, 2)}


def _pending(ctx: PhaseContext[FetchImagesConfig], plan: ShardPlan) -> dict[int, PendingShard]:
    """The shards still to be made, with what this or an earlier artifact knows of their photos."""
    recipe, recheck = _recipe(ctx), ctx.config.recheck
    pending: dict[int, PendingShard] = {}
    shutil.rmtree(scratch := ctx.output.scratch / "outcomes", ignore_errors=True)
    for number in range(ctx.config.num_shards):
        unit, records = shard_name(number), plan.records(number)
        key = unit_key("image_shards/3", recipe, number, records_digest(records))
        shard = PendingShard(plan, number, records.num_rows, key, scratch)
        if ctx.output.is_done(unit, shard.key) and not ctx.output.unit_info(unit)["transient"]:
            continue
        settled = not recheck and any(
            artifact.units.get(unit, {}).get("key") == shard.key and not artifact.units[unit]["info"]["transient"]
            for artifact in ctx.reuse
        )
        if settled and ctx.reuse_unit(unit, shard.key):
            continue
        _look_back(ctx, shard, set(records["image_id"].to_pylist()), recipe)
        pending[number] = shard
    return pending


def _look_back(
    ctx: PhaseContext[FetchImagesConfig], shard: PendingShard, wanted: set[str], recipe: Mapping[str, Any]
) -> None:
    """Note what artifacts of an equal recipe (earlier ones, and this one so far) know of a shard's photos."""
    unit = shard_name(shard.number)
    sources = [*((artifact.path, artifact.units) for artifact in ctx.reuse), (ctx.output.path, ctx.output.units)]
    for path, units in sources:
        if unit not in units or units[unit]["info"]["recipe"] != recipe:
            continue
        earlier = EarlierShard(path, shard.number)
        shard.earlier.append(earlier)
        stored = {key: value for key, value in earlier.stored().items() if key in wanted}
        if ctx.config.recheck and path != ctx.output.path:
            shard.validators.update(stored)
        else:
            shard.kept |= set(stored) | (earlier.failed(TRANSIENT) & wanted)


def _download(
    ctx: PhaseContext[FetchImagesConfig], shards: dict[int, PendingShard], total: int, taken_over: int
) -> int:
    """Stream what is missing through the actors; write each shard when its last photo has come."""
    from aplantida.distributed.mapping import map_with_actors
    from aplantida.distributed.session import cluster_cpus, ray_session_if

    config, resources = ctx.config, ctx.config.resources
    for number in [number for number, shard in shards.items() if shard.is_complete]:
        _write_shard(ctx, shards.pop(number))
    if not shards:
        return 0
    reasons: Counter[str] = Counter()
    downloaded = 0
    with ray_session_if(resources.num_actors != 0), ctx.progress(total, "photos", "fetching photos") as progress:
        progress.update(taken_over)
        num_actors = choose_num_actors(resources, cluster_cpus)
        arguments = {
            "settings": fetch_settings(config.http, config.allow_addresses, resources, num_actors),
            "photo": PhotoSettings(
                short_side_pixels=config.short_side_pixels,
                jpeg_quality=config.jpeg_quality,
                max_pixels=config.max_pixels,
            ),
            "decode_threads": resources.decode_threads,
        }
        blocks = [block for shard in shards.values() for block in slices(shard.missing, ASKED_SCHEMA.names)]
        for table in map_with_actors(
            blocks,
            PhotoFetcher,
            arguments,
            num_actors=num_actors,
            calls_per_actor=BLOCKS_PER_ACTOR,
            num_cpus=0.5,
        ):
            reasons.update(reason for reason in table["reason"].to_pylist() if reason is not None)
            numbers = [shard_of(image_id, config.num_shards) for image_id in table["image_id"].to_pylist()]
            for number in dict.fromkeys(numbers):
                shards[number].take(table.filter(pa.array([other == number for other in numbers])))
                if shards[number].is_complete:
                    _write_shard(ctx, shards.pop(number))
            downloaded += table.num_rows
            progress.update(table.num_rows, **reasons)
            if violations := _violations(config, reasons, total):
                raise GateFailed(violations[0])
    return downloaded


def _write_shard(ctx: PhaseContext[FetchImagesConfig], shard: PendingShard) -> None:
    """Publish a complete shard: photos, failures, ledger row."""
    number = shard.number
    photos, failures, validators = sort_out(shard.records, shard.all_results())
    files = [
        ctx.output.write_table(shard_name(number), photos, incompressible=["image"]),
        ctx.output.write_table(failures_name(number), failures),
        ctx.output.write_table(validators_name(number), validators),
    ]
    transient = sum(reason in TRANSIENT for reason in failures["reason"].to_pylist())
    info = {"stored": photos.num_rows, "failed": failures.num_rows, "transient": transient, "recipe": _recipe(ctx)}
    ctx.output.record_unit(shard_name(number), shard.key, files, info)
    shard.close()


def _recipe(ctx: PhaseContext[FetchImagesConfig]) -> dict[str, Any]:
    """The part of the config that decides what a downloaded photo becomes."""
    names = ("num_shards", "short_side_pixels", "jpeg_quality", "max_pixels", "allow_addresses")
    config = ctx.config.model_dump(mode="json")
    return {"store_photo": VERSION, "max_bytes": ctx.config.http.max_bytes, **{name: config[name] for name in names}}


def _violations(config: FetchImagesConfig, reasons: Mapping[str, int], num_records: int) -> list[str]:
    failed, most = sum(reasons.values()), config.gates.max_failed_fraction
    if failed <= most * num_records:
        return []
    return [
        f"{failed} of {num_records} photos could not be had ({json.dumps(dict(sorted(reasons.items())))}): more than "
        f"gates.max_failed_fraction {most} allows. Running again tries those once more that may get better, and goes "
        "on from here under a larger budget"
    ]


def judge(config: FetchImagesConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Whether few enough photos are missing; photos whose pixels another has already are not."""
    reasons = {key: value for key, value in metrics["failures_by_reason"].items() if key != Reason.DUPLICATE_PIXELS}
    return _violations(config, reasons, metrics["num_records"])


def _finish(ctx: PhaseContext[FetchImagesConfig], num_records: int) -> dict[str, Any]:
    """Set duplicates aside, gather the failures, sum up."""
    config, path = ctx.config, ctx.output.path
    shards = [path / shard_name(number) for number in range(config.num_shards)]
    wanted = ["image_id", "scientific_name", "pixel_sha256", "exif_rotated", "content_type"]
    photos = pa.concat_tables(pq.read_table(shard, columns=wanted) for shard in shards)
    again = repeated(photos, "pixel_sha256")
    aside = exact_duplicates(*(again[name].to_pylist() for name in wanted[:3]))
    duplicates = [
        {**row, "reason": Reason.DUPLICATE_PIXELS, "detail": aside[row["image_id"]]}
        for row in columns_of(shards, ["image_id", "document_id", "scientific_name", "url"], aside)
    ]
    failures = pa.concat_tables(
        [
            *(pq.read_table(path / failures_name(number)) for number in range(config.num_shards)),
            pa.Table.from_pylist(duplicates, REJECTION_SCHEMA),
        ]
    ).sort_by("image_id")
    reasons = count_values(failures["reason"])
    ctx.output.write_table("failures.parquet", failures.combine_chunks())
    usable = photos.filter(~pc.field("image_id").isin(pa.array(sorted(aside), pa.string())))
    summary = {
        "num_shards": config.num_shards,
        "short_side_pixels": config.short_side_pixels,
        "num_records": num_records,
        "in_shards": photos.num_rows,
        "stored": usable.num_rows,
        "species_stored": len(usable["scientific_name"].unique()),
        "stored_exif_rotated": usable.filter(pc.field("exif_rotated")).num_rows,
        "stored_by_content_type": count_values(usable["content_type"]),
        "failures_by_reason": reasons,
    }
    ctx.log.info("%d of %d photos stored; not stored: %s", usable.num_rows, num_records, json.dumps(reasons))
    ctx.output.write_json("summary.json", summary)
    return summary


PHASE = Phase(
    name="fetch_images",
    config=FetchImagesConfig,
    inputs={"records": "records"},
    output="image_shards",
    version=4,
    run=run,
    judge=judge,
)
