"""What an audit says of a collection: counts, missing fields, licences, images per species, health of the links."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import pyarrow as pa

from aplantida.data.entry_store import REASONS_TOGETHER
from aplantida.data.links import count_values
from aplantida.domain.record import Reason

_ASKED_OF_ENTRIES = ("license_text", "author", "source", "observation_id", "observed_on", "country")
_ASKED_OF_SPECIES = ("family", "common_names", "distribution")
_UNREAD = frozenset({Reason.ENTRY_OF_NAMELESS_DOCUMENT, Reason.ENTRY_NO_URL})  # nothing else of them is kept
SPECIES_SCHEMA = pa.schema(
    [
        pa.field("scientific_name", pa.string(), nullable=False),
        pa.field("num_documents", pa.int32(), nullable=False),
        pa.field("num_entries", pa.int32(), nullable=False),
        pa.field("num_acceptable", pa.int32(), nullable=False),  # of the entries: those the checks let through
        pa.field("num_broken_links", pa.int32(), nullable=False),  # of the acceptable ones: found broken
    ]
)


def bucket_of(url: str, num_buckets: int) -> int:
    """The bucket in [0, ``num_buckets``) of a URL, by hash."""
    return int(_hash(url), 16) % num_buckets


def is_sampled(url: str, fraction: float) -> bool:
    """Whether a URL belongs to the sample of this size; a larger sample holds every smaller one."""
    return int(_hash(f"sample\n{url}")[:12], 16) < fraction * 16**12


def acceptable_urls(entries: pa.Table) -> list[str]:
    """The URLs worth asking for, sorted: nothing speaks against the entry alone (its address, its licence)."""
    rows = zip(entries["url"].to_pylist(), entries["reason"].to_pylist(), strict=True)
    return sorted({url for url, reason in rows if reason is None or reason in REASONS_TOGETHER})


def describe(entries: pa.Table, health: pa.Table, max_broken_fraction: float) -> dict[str, Any]:
    """The audit as JSON values.

    Args:
        entries: all entries and refused documents, each with its first reason or null.
        health: a row of ``url``, ``reason`` (null = healthy) and ``detail`` per URL asked for.
        max_broken_fraction: share of broken links at which the verdict turns to ``fail``.
    """
    images = entries.filter(entries["position"].is_valid())
    readable = images.filter(pa.array([reason not in _UNREAD for reason in images["reason"].to_pylist()], pa.bool_()))
    reasons = health["reason"].to_pylist()
    broken = sum(reason is not None for reason in reasons)
    fraction = broken / len(reasons) if reasons else 0.0
    acceptable = images.filter(images["reason"].is_null())
    per_species = Counter(acceptable["scientific_name"].to_pylist())
    sizes = sorted(per_species.values())
    return {
        "num_documents": len(set(entries["document_id"].to_pylist())),
        "num_entries": images.num_rows,
        "num_species": len(set(entries["scientific_name"].to_pylist()) - {None}),
        "num_acceptable_entries": acceptable.num_rows,
        "num_acceptable_species": len(per_species),
        "refused_by_reason": count_values(entries["reason"].drop_null()),
        "entries_by_license": count_values(readable["license_id"]),
        "license_spellings": count_values(readable["license_text"]),
        "entries_without": {name: readable[name].null_count for name in _ASKED_OF_ENTRIES},
        "documents_without": _documents_without(readable),
        "images_per_species": {
            "min": sizes[0] if sizes else 0,
            "median": sizes[len(sizes) // 2] if sizes else 0,
            "max": sizes[-1] if sizes else 0,
        },
        "links": {
            "asked": len(reasons),
            "broken": broken,
            "broken_fraction": round(fraction, 6),
            "max_broken_fraction": max_broken_fraction,
            "by_reason": count_values(health["reason"].drop_null()),
        },
        "verdict": "pass" if fraction <= max_broken_fraction else "fail",
    }


def species_table(entries: pa.Table, health: pa.Table) -> pa.Table:
    """One row of ``SPECIES_SCHEMA`` per species, by name."""
    broken = {row["url"] for row in health.to_pylist() if row["reason"] is not None}
    counts: dict[str, dict[str, Any]] = {}
    documents: dict[str, set[str]] = {}
    for row in entries.select(["scientific_name", "document_id", "position", "url", "reason"]).to_pylist():
        name = row["scientific_name"]
        if name is None:
            continue
        count = counts.setdefault(name, {"num_entries": 0, "num_acceptable": 0, "num_broken_links": 0})
        documents.setdefault(name, set()).add(row["document_id"])
        accepted = row["reason"] is None
        count["num_entries"] += row["position"] is not None
        count["num_acceptable"] += accepted
        count["num_broken_links"] += accepted and row["url"] in broken
    rows = [{"scientific_name": name, "num_documents": len(documents[name]), **counts[name]} for name in sorted(counts)]
    return pa.Table.from_pylist(rows, SPECIES_SCHEMA)


def summary_text(report: dict[str, Any]) -> str:
    """The audit in Markdown, for a reader."""
    links = report["links"]
    sizes = report["images_per_species"]
    lines = [
        "# Audit of the collection",
        "",
        f"**Verdict: {report['verdict']}.** {links['broken']} of {links['asked']} links asked for are broken "
        f"({links['broken_fraction']:.2%}; at most {links['max_broken_fraction']:.2%} are tolerated).",
        "",
        f"- {report['num_documents']} documents, {report['num_species']} species, {report['num_entries']} entries",
        f"- {report['num_acceptable_entries']} entries of {report['num_acceptable_species']} species pass the checks "
        f"of address, licence, repeated URLs and number of images",
        f"- acceptable images per species: {sizes['min']} to {sizes['max']}, median {sizes['median']}",
        "",
    ]
    for title, counts in (
        ("Refused, by reason", report["refused_by_reason"]),
        ("Broken links, by reason", links["by_reason"]),
        ("Licences", report["entries_by_license"]),
        ("Licences as they are spelled", report["license_spellings"]),
        ("Image entries without", report["entries_without"]),
        ("Documents without", report["documents_without"]),
    ):
        lines += [f"## {title}", "", "| | number |", "|---|---:|"]
        lines += [f"| {_cell(name)} | {count} |" for name, count in counts.items()] or ["| (none) | 0 |"]
        lines.append("")
    return "\n".join(lines)


def _documents_without(entries: pa.Table) -> dict[str, int]:
    lacking: dict[str, set[str]] = {name: set() for name in _ASKED_OF_SPECIES}
    for row in entries.select(["document_id", *_ASKED_OF_SPECIES]).to_pylist():
        for name, some in lacking.items():
            if not row[name]:
                some.add(row["document_id"])
    return {name: len(some) for name, some in lacking.items()}


def _cell(text: str) -> str:
    return "(none)" if text in ("None", "") else text.replace("|", "\\|").replace("\n", " ")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
