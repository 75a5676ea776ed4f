"""Phase audit_dataset: what the collection holds, what is wrong with it, and whether its links still work."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.data.actors import PROBE_SCHEMA, UrlProber, slices
from aplantida.data.addresses import host_of, with_public_addresses
from aplantida.data.auditing import bucket_of, describe, sampled_urls, species_table, summary_text
from aplantida.data.fetching import TRANSIENT
from aplantida.domain.memory import give_back_freed_memory
from aplantida.phases._collection import (
    CollectionConfig,
    ReaderResources,
    address_of,
    checked_collection,
    look_at_collection,
    source_digest,
    synonyms_digest,
)
from aplantida.phases._network import (
    HTTP_MOVED,
    HttpSection,
    NetworkResources,
    blocks_per_actor,
    choose_num_actors,
    fetch_settings,
)
from aplantida.phases._proposal import PROPOSED, proposal_for, proposal_text, seen_sentence
from aplantida.pipeline.artifact import unit_key
from aplantida.pipeline.config import Section
from aplantida.pipeline.phase import Phase, PhaseContext


class AuditResources(ReaderResources, NetworkResources):
    """How much of the machine, and of each server, the audit takes."""


class AuditGates(Section):
    """What the verdict hangs on, and whether it stops the job."""

    max_broken_fraction: float = Field(default=0.05, ge=0, le=1)
    fail_on_verdict: bool = False


class AuditDatasetConfig(CollectionConfig):
    """Fields of configs/audit_dataset.yaml."""

    MOVED: ClassVar[Mapping[str, str]] = {
        **HTTP_MOVED,
        "max_broken_fraction": "gates.max_broken_fraction",
        "fail_on_verdict": "gates.fail_on_verdict",
    }

    SHARED_AS: ClassVar[Mapping[str, str]] = {"opt_out.hosts": "http.opt_out_hosts"}

    url_sample_fraction: float = Field(default=1.0, ge=0, le=1)
    num_url_buckets: int = Field(default=64, ge=1)
    http: HttpSection = HttpSection()
    gates: AuditGates = AuditGates()
    resources: AuditResources = AuditResources()


def run(ctx: PhaseContext[AuditDatasetConfig]) -> dict[str, Any]:
    """Read, count, probe, judge."""
    config, started = ctx.config, time.monotonic()
    from aplantida.distributed.session import ray_session_if

    fetch_settings(config.http, config.allow_addresses, config.resources, 1)
    needs_ray = config.resources.num_actors != 0 or config.resources.num_readers != 0
    with ray_session_if(needs_ray), checked_collection(ctx, config, config.resources) as store:
        store.write_rejections(ctx.output.scratch / "rejections.parquet")
        ctx.output.publish(ctx.output.scratch / "rejections.parquet", "rejections.parquet")
        urls = sampled_urls(store, config.url_sample_fraction)
        _give_back()
        _probe(ctx, urls)
        del urls
        _give_back()
        health = _health(ctx)
        mapping = config.mapping.to_mapping()
        report = describe(store, health, config.gates.max_broken_fraction, mapping, config.date_order)
        species = species_table(store, health)
    proposal = proposal_for(address_of(config))
    report["fields_seen"] = proposal.fields_seen()
    ctx.output.write_text(PROPOSED, proposal_text(proposal, config))
    ctx.output.write_table("species.parquet", species)
    ctx.output.write_table("url_health.parquet", health)
    ctx.output.write_json("audit.json", report)
    ctx.output.write_text("summary.md", summary_text(report))
    ctx.output.write_text("audit.html", _page(report, species, health))
    for warning in report["warnings"]:
        ctx.log.warning("%s", warning)
    ctx.log.info(
        "%d documents, %d entries, %d species; %d of %d links broken; verdict: %s",
        *(report[key] for key in ("num_documents", "num_entries", "num_species")),
        *(report["links"][key] for key in ("broken", "asked")),
        report["verdict"],
    )
    return {**report, "seconds": round(time.monotonic() - started, 2)}


def judge(config: AuditDatasetConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Whether there is anything to go on with, and few enough links are broken where that is to stop the job."""
    if not metrics["num_acceptable_entries"]:
        return [
            f"nothing in {config.db_name}.{config.collection} can be used: {json.dumps(metrics['refused_by_reason'])}. "
            f"Fields seen: {seen_sentence(metrics.get('fields_seen', {}))}. {PROPOSED}, beside the report, proposes "
            "how to read them"
        ]
    links, most = metrics["links"], config.gates.max_broken_fraction
    if not config.gates.fail_on_verdict or links["broken_fraction"] <= most:
        return []
    return [
        f"{links['broken_fraction']:.1%} of the links are broken, more than gates.max_broken_fraction {most:.1%}: "
        f"{json.dumps(links['by_reason'])}"
    ]


def _page(report: dict[str, Any], species: pa.Table, health: pa.Table) -> str:
    from aplantida.release.data_pages import audit_page

    hosts = Counter[tuple[str, str]]()
    for batch in health.filter(health["reason"].is_valid()).select(["url", "reason"]).to_batches(max_chunksize=10_000):
        hosts.update((host_of(url), reason) for url, reason in zip(*batch.to_pydict().values(), strict=True))
    return audit_page(report, species.to_pylist(), hosts)


def _give_back() -> None:
    """What was freed and is kept would stay beside what comes now."""
    pa.default_memory_pool().release_unused()
    give_back_freed_memory()


def _health(ctx: PhaseContext[AuditDatasetConfig]) -> pa.Table:
    """All that :func:`_probe` found, sorted by URL."""
    files = [ctx.output.path / _name(number) for number in range(ctx.config.num_url_buckets)]
    return pa.concat_tables(pq.read_table(file) for file in files).cast(PROBE_SCHEMA).sort_by("url").combine_chunks()


def _probe(ctx: PhaseContext[AuditDatasetConfig], urls: pa.Array) -> None:
    """Write a row of ``PROBE_SCHEMA`` per URL; each bucket of URLs is a unit of resume."""
    config = ctx.config
    numbers = np.fromiter((bucket_of(url.as_py(), config.num_url_buckets) for url in urls), np.int64, len(urls))
    urls = urls.take(pa.array(np.argsort(numbers, kind="stable")))
    ends = np.cumsum(np.bincount(numbers, minlength=config.num_url_buckets)).tolist()
    buckets = {number: urls[start:end] for number, (start, end) in enumerate(pairwise([0, *ends]))}
    limits = {"allow_addresses": config.allow_addresses, "max_redirects": config.http.max_redirects}
    keys = {
        number: unit_key("url_health/3", limits, hashlib.sha256("\n".join(some.to_pylist()).encode()).hexdigest())
        for number, some in buckets.items()
    }
    pending = {number: some for number, some in buckets.items() if not ctx.output.is_done(_name(number), keys[number])}
    found: dict[int, list[dict[str, Any]]] = {number: [] for number in pending}
    for number in [number for number, some in pending.items() if not len(some)]:
        _write_bucket(ctx, number, keys[number], found.pop(number))
    for row in _outcomes(ctx, pa.chunked_array(list(pending.values()), urls.type), len(urls)):
        number = bucket_of(row["url"], config.num_url_buckets)
        found[number].append(row)
        if len(found[number]) == len(pending[number]):
            _write_bucket(ctx, number, keys[number], found.pop(number))


def _outcomes(ctx: PhaseContext[AuditDatasetConfig], urls: pa.ChunkedArray, total: int) -> Iterator[dict[str, Any]]:
    """A row of ``PROBE_SCHEMA`` per URL; what may be well another time is asked for once more, at the end."""
    again: list[str] = []
    with ctx.progress(total, "links", "asking for links") as progress:
        progress.update(total - len(urls))
        for row in _asked(ctx, urls.cast(pa.string()), progress, patiently=False):
            if row["reason"] in TRANSIENT:
                again.append(row["url"])
            else:
                yield row
    if again:
        with ctx.progress(len(again), "links", "asking once more") as progress:
            yield from _asked(ctx, pa.chunked_array([again], pa.string()), progress, patiently=True)


def _asked(
    ctx: PhaseContext[AuditDatasetConfig], urls: pa.ChunkedArray, progress: Any, *, patiently: bool
) -> Iterator[dict[str, Any]]:
    from aplantida.distributed.mapping import map_with_actors
    from aplantida.distributed.session import cluster_cpus

    config, broken = ctx.config, Counter[str]()
    num_actors = choose_num_actors(config.resources, cluster_cpus)
    secrets = config.secret_parameters.to_secrets()
    settings = fetch_settings(config.http, config.allow_addresses, config.resources, num_actors, secrets)
    blocks = list(slices(pa.table({"url": urls}), ("url",)))
    for table in map_with_actors(
        blocks,
        UrlProber,
        {"settings": settings, "patiently": patiently},
        num_actors=num_actors,
        calls_per_actor=blocks_per_actor(len(blocks), num_actors),
        num_cpus=0.5,
    ):
        rows = table.to_pylist()
        broken.update(row["reason"] for row in rows if row["reason"] is not None)
        progress.update(len(rows), **broken)
        yield from rows


def _write_bucket(ctx: PhaseContext[AuditDatasetConfig], number: int, key: str, rows: list[dict[str, Any]]) -> None:
    shown = with_public_addresses(pa.Table.from_pylist(rows, PROBE_SCHEMA), ctx.config.secret_parameters.to_secrets())
    table = shown.sort_by("url").combine_chunks()
    ctx.output.record_unit(_name(number), key, [ctx.output.write_table(_name(number), table)])


def _name(bucket: int) -> str:
    return f"url_health/bucket-{bucket:05d}.parquet"


PHASE = Phase(
    name="audit_dataset",
    config=AuditDatasetConfig,
    inputs={},
    output="dataset_audit",
    version=7,
    run=run,
    sources={"collection": source_digest, "synonyms": synonyms_digest},
    live_sources=frozenset({"collection"}),
    look=look_at_collection,
    judge=judge,
)
