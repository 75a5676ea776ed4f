"""Phase export_dataset: the Mongo collection becomes records, and whatever is refused a row with a reason."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from aplantida.data.auditing import unreadable_licenses
from aplantida.data.entry_store import EntryStore
from aplantida.data.reading_reports import unread_sentences, unread_values
from aplantida.data.rejection_lists import write_rejections_csv
from aplantida.domain.record import Reason
from aplantida.phases._collection import (
    CollectionConfig,
    ReaderResources,
    checked_collection,
    look_at_collection,
    source_digest,
    synonyms_digest,
)
from aplantida.phases._opt_outs import rows_of_photos, tell_unmatched
from aplantida.pipeline.config import Section
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext


class ExportGates(Section):
    """What must be so before the collection is exported."""

    audit_must_pass: bool = False


class ExportDatasetConfig(CollectionConfig):
    """Fields of configs/export_dataset.yaml."""

    MOVED: ClassVar[Mapping[str, str]] = {"audit_must_pass": "gates.audit_must_pass"}

    gates: ExportGates = ExportGates()
    resources: ReaderResources = ReaderResources()


def run(ctx: PhaseContext[ExportDatasetConfig]) -> dict[str, Any]:
    """Read, check, write."""
    config = ctx.config
    started = time.monotonic()
    audit = _audit_verdict(ctx)
    with checked_collection(ctx, config, config.resources) as store:
        reasons, species = store.count("reason"), store.count("scientific_name", accepted=True)
        num_records = sum(species.values())
        ctx.log.info("%d records; refused: %s", num_records, json.dumps(reasons))
        if not num_records:
            raise GateFailed(
                f"not one entry of {config.db_name}.{config.collection} is acceptable: {json.dumps(reasons)}"
                f"{_cure(reasons)}"
            )
        names = ("records.parquet", "records.jsonl", "rejections.csv")
        parquet, json_lines, csv = (ctx.output.scratch / name for name in names)
        store.write_records(parquet, json_lines)
        ctx.output.publish(parquet, "records.parquet")
        ctx.output.publish(json_lines, "records.jsonl")
        store.write_species(parquet)
        ctx.output.publish(parquet, "species.parquet")
        store.write_rejections(parquet)
        _tell_unmatched(ctx, parquet)
        write_rejections_csv(parquet, csv)
        ctx.output.publish(parquet, "rejections.parquet")
        ctx.output.publish(csv, "rejections.csv")
        summary = {
            "num_documents": store.count_distinct("document_id"),
            "num_records": num_records,
            "num_species": len(species),
            "rejections_by_reason": reasons,
            "refused_names": store.refused_names(),
            "records_by_license": store.count("license_id", accepted=True),
            "unreadable_licenses": _unreadable(ctx, store),
            **_unread(ctx, store),
            "records_by_synonym": store.count("synonym", accepted=True),
            "audit_verdict": audit,
        }
    ctx.output.write_json("summary.json", summary)
    return {**summary, "seconds": round(time.monotonic() - started, 2)}


def _tell_unmatched(ctx: PhaseContext[ExportDatasetConfig], rejections: Path) -> None:
    """Whoever is on the list is among what was refused."""
    tell_unmatched(rows_of_photos([rejections]), ctx.config.opt_out, ctx.config.secret_parameters, ctx.log)


def _cure(reasons: Mapping[str, int]) -> str:
    if Reason.ADDRESS_REFUSED in reasons:
        return "; allow_addresses accepts addresses that are not public, as host:port"
    return "; audit_dataset says what it sees, and proposes a mapping"


def _unreadable(ctx: PhaseContext[ExportDatasetConfig], store: EntryStore) -> dict[str, Any]:
    found = unreadable_licenses(store)
    if found["num_entries"]:
        first = found["texts"][0]
        ctx.log.warning(
            "%d entries are refused because their licence text is not understood (%d texts; the most frequent is %r: "
            "%s). license_texts may say what a text means; summary.json lists them",
            *(found["num_entries"], found["num_texts"], first["text"], first["problem"]),
        )
    return found


def _unread(ctx: PhaseContext[ExportDatasetConfig], store: EntryStore) -> dict[str, Any]:
    found = unread_values(store)
    for sentence in unread_sentences(found, ctx.config.date_order):
        ctx.log.warning("%s; summary.json lists them", sentence)
    return found


def _audit_verdict(ctx: PhaseContext[ExportDatasetConfig]) -> str | None:
    if not ctx.has_input("audit"):
        if ctx.config.gates.audit_must_pass:
            raise BadRequest(
                "gates.audit_must_pass is true and no audit is given: --input audit=PATH of a dataset_audit"
            )
        return None
    audit = ctx.input("audit")
    verdict = str(json.loads(audit.file("audit.json").read_text(encoding="utf-8"))["verdict"])
    if violations := judge(ctx.config, {"audit_verdict": verdict}):
        raise GateFailed(f"{audit.path}: {violations[0]}")
    return verdict


def judge(config: ExportDatasetConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Whether the audit passed, where it must."""
    verdict = metrics["audit_verdict"]
    if config.gates.audit_must_pass and verdict != "pass":
        return [f"the audit's verdict is {verdict!r} and gates.audit_must_pass is true"]
    return []


PHASE = Phase(
    name="export_dataset",
    config=ExportDatasetConfig,
    inputs={"audit": "dataset_audit?"},
    output="records",
    version=7,
    run=run,
    sources={"collection": source_digest, "synonyms": synonyms_digest},
    live_sources=frozenset({"collection"}),
    look=look_at_collection,
    judge=judge,
)
