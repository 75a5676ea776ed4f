"""Phase fetch_images: every record's photo is downloaded, checked, turned upright, shrunk and stored in its shard."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.data.actors import PhotoSettings
from aplantida.data.addresses import host_of
from aplantida.data.auditing import count_values
from aplantida.data.duplicates import exact_duplicates
from aplantida.data.fetching import TRANSIENT
from aplantida.data.images import VERSION
from aplantida.data.pending import WantedShard
from aplantida.data.rejection_lists import write_rejections_csv
from aplantida.data.shards import (
    ShardPlan,
    columns_of,
    failures_name,
    records_digest,
    repeated,
    shard_name,
)
from aplantida.domain.record import REJECTION_SCHEMA, Reason
from aplantida.phases._collection_file import CollectionFile, FileOnly, SecretSection
from aplantida.phases._network import (
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
    secret_parameters: SecretSection = SecretSection()
    recheck: bool = False
    http: HttpSection = HttpSection()
    gates: FetchGates = FetchGates()
    resources: FetchResources = FetchResources()


def run(ctx: PhaseContext[FetchImagesConfig]) -> dict[str, Any]:
    """Plan shards, take over what is there, have the rest fetched and what failed tried again, set duplicates aside."""
    started = time.monotonic()
    fetch_settings(ctx.config.http, ctx.config.allow_addresses, ctx.config.resources, 1)
    records = ctx.input("records").file("records.parquet")
    secrets = ctx.config.secret_parameters.to_secrets()
    plan = ShardPlan.of(records, ctx.output.scratch / "plan", ctx.config.num_shards, secrets)
    downloaded = _download(ctx, plan)
    summary = _finish(ctx, plan.num_records)
    seconds = time.monotonic() - started
    taken_over = plan.num_records - downloaded
    return {**summary, "downloaded": downloaded, "taken_over": taken_over, "seconds": round(seconds, 2)}


def _pending(ctx: PhaseContext[FetchImagesConfig], plan: ShardPlan) -> tuple[dict[int, str], list[WantedShard]]:
    """Keys of all shards, and those still to be made, with who knows of their photos."""
    recipe, recheck = _recipe(ctx), ctx.config.recheck
    keys: dict[int, str] = {}
    wanted: list[WantedShard] = []
    secretive = Counter[str]()
    for number in range(ctx.config.num_shards):
        unit, records = shard_name(number), plan.records(number)
        hosts = [host_of(url) for url in records["url"].to_pylist() if plan.secrets.public(url) != url]
        secretive.update(hosts)
        shown = ["addresses without secrets"] if hosts else []  # earlier shards hold them whole
        key = keys[number] = unit_key("image_shards/3", recipe, number, records_digest(records), *shown)
        is_written = ctx.output.is_done(unit, key)
        if is_written and not ctx.output.unit_info(unit)["transient"]:
            continue
        settled = not recheck and any(
            artifact.units.get(unit, {}).get("key") == key and not artifact.units[unit]["info"]["transient"]
            for artifact in ctx.reuse
        )
        if settled and ctx.reuse_unit(unit, key):
            continue
        wanted.append(WantedShard(number, _earlier(ctx, unit, recipe), is_written))
    for host, count in secretive.most_common():
        ctx.log.warning("%d addresses of %s carry secrets (signatures, tokens): not shown, nor shipped", count, host)
    return keys, wanted


def _earlier(ctx: PhaseContext[FetchImagesConfig], unit: str, recipe: Mapping[str, Any]) -> list[tuple[Path, bool]]:
    """Artifacts of an equal recipe (earlier ones, then this one so far) that hold a shard; whether to ask again."""
    sources = [*((artifact.path, artifact.units) for artifact in ctx.reuse), (ctx.output.path, ctx.output.units)]
    return [
        (path, ctx.config.recheck and path != ctx.output.path)
        for path, units in sources
        if unit in units and units[unit]["info"]["recipe"] == recipe
    ]


def _download(ctx: PhaseContext[FetchImagesConfig], plan: ShardPlan) -> int:
    """Have the shards fetched; at the end, once more and with more patience, what may be had another time.

    Returns:
        Photos that were asked for.
    """
    from aplantida.distributed.session import cluster_cpus, ray_session_if

    config = ctx.config
    shutil.rmtree(ctx.output.scratch / "outcomes", ignore_errors=True)
    keys, wanted = _pending(ctx, plan)
    if not wanted:
        return 0
    asked = 0
    with ray_session_if(config.resources.num_actors != 0):
        num_actors = choose_num_actors(config.resources, cluster_cpus)
        with ctx.progress(plan.num_records, "photos", "fetching photos") as progress:
            progress.update(plan.num_records - sum(plan.records(shard.number).num_rows for shard in wanted))
            asked = _fetch(ctx, plan, keys, wanted, num_actors, progress, patiently=False)
        again = [
            WantedShard(number, _earlier(ctx, unit, _recipe(ctx)), is_written=True)
            for number, unit in ((shard.number, shard_name(shard.number)) for shard in wanted)
            if ctx.output.unit_info(unit)["transient"]
        ]
        if again:
            missing = sum(ctx.output.unit_info(shard_name(shard.number))["transient"] for shard in again)
            with ctx.progress(missing, "photos", "asking once more") as progress:
                _fetch(ctx, plan, keys, again, num_actors, progress, patiently=True)
    return asked


def _fetch(
    ctx: PhaseContext[FetchImagesConfig],
    plan: ShardPlan,
    keys: Mapping[int, str],
    wanted: list[WantedShard],
    num_actors: int,
    progress: Any,
    *,
    patiently: bool,
) -> int:
    from aplantida.distributed.fetched_shards import FetchJob, fetch_shards

    config, asked, reasons = ctx.config, 0, Counter[str]()
    num_actors = min(num_actors, len(wanted))
    job = FetchJob(
        plan,
        ctx.output,
        fetch_settings(config.http, config.allow_addresses, config.resources, num_actors, plan.secrets),
        PhotoSettings(
            short_side_pixels=config.short_side_pixels,
            jpeg_quality=config.jpeg_quality,
            max_pixels=config.max_pixels,
        ),
        config.resources.decode_threads,
        patiently,
    )
    for shard in fetch_shards(job, wanted, num_actors):
        if shard.files:
            info = {name: getattr(shard, name) for name in ("stored", "failed", "transient")}
            unit = shard_name(shard.number)
            ctx.output.record_unit(unit, keys[shard.number], shard.files, {**info, "recipe": _recipe(ctx)})
        asked += shard.num_asked
        reasons.update(shard.reasons)
        progress.update(shard.num_asked if patiently else shard.num_records, **reasons)
        final = {reason: count for reason, count in reasons.items() if reason not in TRANSIENT}
        if violations := _violations(config, final, plan.num_records):
            raise GateFailed(violations[0])
    return asked


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
    write_rejections_csv(path / "failures.parquet", ctx.output.scratch / "failures.csv")
    ctx.output.publish(ctx.output.scratch / "failures.csv", "failures.csv")
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
    version=6,
    run=run,
    judge=judge,
)
