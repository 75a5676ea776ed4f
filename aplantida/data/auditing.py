"""What an audit says of a collection: counts, missing fields, licences, images per species, health of the links."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from aplantida.data.entry_store import DOCUMENTS_MAY_LACK, ENTRIES_MAY_LACK, EntryStore
from aplantida.data.field_mapping import FieldMapping
from aplantida.data.reading_reports import READABLE, plant_counts, unread_sentences, unread_values, warnings_of
from aplantida.domain.address_secrets import AddressSecrets
from aplantida.domain.escaping import for_markdown
from aplantida.domain.license_reader import LONGEST, read_license

LISTED_SPELLINGS = 1_000
LISTED_TEXTS = 200  # licence texts that were not understood
_URLS_AT_A_TIME = 10_000
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


def sampled_urls(store: EntryStore, fraction: float) -> pa.Array:
    """The URLs to ask for, sorted: a sample of those whose entries nothing speaks against (address, licence).

    Of a link that was signed more than once one is asked for.
    """
    some = (_sample(urls, fraction).cast(pa.large_string()) for urls in store.urls())
    urls = pa.chunked_array(some, pa.large_string()).unique().sort()
    shown = _shown(urls, store.secrets)
    if shown.equals(urls):
        return urls
    places = pa.table({"shown": shown, "place": pa.array(range(len(urls)), pa.int64())})
    return urls.take(places.group_by("shown").aggregate([("place", "min")])["place_min"].combine_chunks().sort())


def _shown(urls: pa.Array, secrets: AddressSecrets) -> pa.Array:
    """The URLs without their secrets; some at a time are texts of Python's, which take twice the memory."""
    pieces = (urls.slice(start, _URLS_AT_A_TIME).to_pylist() for start in range(0, len(urls), _URLS_AT_A_TIME))
    arrays = [pa.array([secrets.public(url) for url in some], pa.large_string()) for some in pieces]
    return pa.chunked_array(arrays, pa.large_string()).combine_chunks()


def describe(
    store: EntryStore, health: pa.Table, max_broken_fraction: float, mapping: FieldMapping, date_order: str
) -> dict[str, Any]:
    """The audit as JSON values.

    Args:
        store: all entries, checked.
        health: a row of ``url``, ``reason`` (null = healthy) and ``detail`` per URL asked for, without its secrets.
        max_broken_fraction: share of broken links at which the verdict turns to ``fail``. It is ``fail`` too where not
            one entry can be used.
        mapping: by which the collection was read.
        date_order: likewise.
    """
    broken = health.num_rows - health["reason"].null_count
    fraction = broken / health.num_rows if health.num_rows else 0.0
    sizes = sorted(store.count("scientific_name", accepted=True).values())
    unread, plants = unread_values(store), plant_counts(store)
    return {
        "num_documents": store.count_distinct("document_id"),
        "num_entries": _number(store, "count(position) FROM checked"),
        "num_species": store.count_distinct("scientific_name"),
        "num_acceptable_entries": sum(sizes),
        "num_acceptable_species": len(sizes),
        "refused_by_reason": store.count("reason"),
        "refused_names": store.refused_names(),
        "entries_by_license": _counts(store, "license_id"),
        "license_spellings": _counts(store, "license_text", LISTED_SPELLINGS),
        "unreadable_licenses": unreadable_licenses(store),
        **unread,
        "plants": plants,
        "warnings": [*warnings_of(store, mapping, plants), *unread_sentences(unread, date_order)],
        "entries_without": {
            name: _number(store, f"count(*) FROM {READABLE} WHERE lacks_{name}") for name in ENTRIES_MAY_LACK
        },
        "documents_without": {
            name: _number(store, f"count(DISTINCT document_id) FROM {READABLE} WHERE lacks_{name}")
            for name in DOCUMENTS_MAY_LACK
        },
        "images_per_species": _span(sizes),
        "links": {
            "asked": health.num_rows,
            "broken": broken,
            "broken_fraction": round(fraction, 6),
            "max_broken_fraction": max_broken_fraction,
            "by_reason": count_values(health["reason"].drop_null()),
        },
        "verdict": "pass" if fraction <= max_broken_fraction and sizes else "fail",
    }


def unreadable_licenses(store: EntryStore) -> dict[str, Any]:
    """Licence texts that were not understood: how many entries have one, how many there are, and the most frequent.

    ``texts`` are at most ``LISTED_TEXTS``, with what was not understood; ``license_texts`` of the config may say what
    they mean.
    """
    cut = f"left(license_text, {LONGEST + 1})"
    unread = f"FROM {READABLE} WHERE license_id IS NULL AND license_text IS NOT NULL"
    (num_entries, num_texts), *_ = store.database.fetch(f"SELECT count(*), count(DISTINCT {cut}) {unread}")
    rows = store.database.fetch(
        f"SELECT {cut} AS text, count(*) {unread} GROUP BY ALL ORDER BY count(*) DESC, text LIMIT {LISTED_TEXTS}"
    )
    texts = [{"text": text, "problem": read_license(text).problem, "num_entries": count} for text, count in rows]
    return {"num_entries": num_entries, "num_texts": num_texts, "texts": texts}


def species_table(store: EntryStore, health: pa.Table) -> pa.Table:
    """One row of ``SPECIES_SCHEMA`` per species, by name."""
    store.database.run("CREATE TABLE broken (url UHUGEINT, is_broken BOOLEAN)")
    broken = health.filter(health["reason"].is_valid())
    store.database.insert("broken", broken.select(["url"]), "md5_number(url) AS url, true AS is_broken")
    query = """
        SELECT scientific_name, count(DISTINCT document_id) AS num_documents, count(position) AS num_entries,
               count(*) FILTER (WHERE reason IS NULL) AS num_acceptable,
               count(*) FILTER (WHERE reason IS NULL AND is_broken) AS num_broken_links
        FROM checked LEFT JOIN broken USING (url) WHERE scientific_name IS NOT NULL
        GROUP BY scientific_name ORDER BY scientific_name
    """
    return store.database.batches(query).read_all().cast(SPECIES_SCHEMA).combine_chunks()


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value of a column occurs, by value."""
    counts = {item["values"]: item["counts"] for item in column.value_counts().to_pylist()}
    return {str(value): counts[value] for value in sorted(counts, key=str)}


def summary_text(report: dict[str, Any]) -> str:
    """The audit in Markdown, for a reader."""
    links = report["links"]
    sizes = report["images_per_species"]
    nothing = "" if report["num_acceptable_entries"] else "Nothing can be used. "
    lines = [
        "# Audit of the collection",
        "",
        f"**Verdict: {report['verdict']}.** {nothing}{links['broken']} of {links['asked']} links asked for are broken "
        f"({links['broken_fraction']:.2%}; at most {links['max_broken_fraction']:.2%} are tolerated).",
        "",
        f"- {report['num_documents']} documents, {report['num_species']} species, {report['num_entries']} entries",
        f"- {report['num_acceptable_entries']} entries of {report['num_acceptable_species']} species pass the checks "
        f"of address, licence, repeated URLs and number of images",
        f"- acceptable images per species: {sizes['min']} to {sizes['max']}, median {sizes['median']}",
        "",
        *(f"- **Look:** {_cell(warning)}" for warning in report["warnings"]),
        "",
    ]
    for title, counts in (
        ("Refused, by reason", report["refused_by_reason"]),
        ("Names refused, by number of documents", report["refused_names"]),
        ("Broken links, by reason", links["by_reason"]),
        ("Licences", report["entries_by_license"]),
        ("Licences as they are spelled", report["license_spellings"]),
        ("Licence texts that were not understood", _with_problems(report["unreadable_licenses"]["texts"])),
        ("Dates that could not be read", _by_text(report["unreadable_dates"], "num_entries")),
        ("Countries that could not be read", _by_text(report["unreadable_countries"], "num_entries")),
        ("Distributions that could not be read", _by_text(report["unreadable_distributions"], "num_documents")),
        ("Image entries without", report["entries_without"]),
        ("Documents without", report["documents_without"]),
    ):
        lines += [f"## {title}", "", "| | number |", "|---|---:|"]
        lines += [f"| {_cell(name)} | {count} |" for name, count in counts.items()] or ["| (none) | 0 |"]
        lines.append("")
    return "\n".join(lines)


def _span(sizes: Sequence[int]) -> dict[str, int]:
    """Of numbers in order."""
    least, median, most = (sizes[0], sizes[len(sizes) // 2], sizes[-1]) if sizes else (0, 0, 0)
    return {"min": least, "median": median, "max": most}


def _with_problems(texts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {f"{row['text']}: {row['problem']}": row["num_entries"] for row in texts}


def _by_text(unread: Mapping[str, Any], unit: str) -> dict[str, int]:
    return {row["text"]: row[unit] for row in unread["texts"]}


def _number(store: EntryStore, query: str) -> int:
    return int(store.database.fetch(f"SELECT {query}")[0][0])


def _counts(store: EntryStore, column: str, most: int | None = None) -> dict[str, int]:
    """How often each value occurs among the entries that could be read, by value; null is ``None``.

    ``most`` keeps so many of the most frequent: a text with the author's name in it is another one for each author.
    """
    name = f"coalesce({column}, 'None')"
    counted = f"SELECT {name} AS value, count(*) AS entries FROM {READABLE} GROUP BY ALL"
    if most is not None:
        counted = f"{counted} ORDER BY entries DESC, value LIMIT {most}"
    return dict(store.database.fetch(f"SELECT * FROM ({counted}) ORDER BY ALL"))


def _sample(urls: pa.Array, fraction: float) -> pa.Array:
    if fraction >= 1:
        return urls
    return urls.filter(pa.array([is_sampled(url, fraction) for url in urls.to_pylist()], pa.bool_()))


def _cell(text: str) -> str:
    return "(none)" if text in ("None", "") else for_markdown(text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
