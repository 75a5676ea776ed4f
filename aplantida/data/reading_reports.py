"""What reading a collection left open: dates and countries that are none, plants nobody tells apart, empty fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aplantida.data.entry_store import DOCUMENTS_MAY_LACK, ENTRIES_MAY_LACK, EntryStore
from aplantida.data.field_mapping import FieldMapping
from aplantida.domain.record import Reason

# nothing but their URL and their document's id is kept of the others
READABLE = f"""(
    FROM checked WHERE position IS NOT NULL
    AND coalesce(reason NOT IN (
        '{Reason.ENTRY_OF_NAMELESS_DOCUMENT}', '{Reason.ENTRY_OF_REFUSED_NAME}', '{Reason.ENTRY_NO_URL}'
    ), true)
)"""
LISTED = 200  # texts that could not be read, the most frequent of them
MOSTLY = 0.5  # more than this share


def unread_values(store: EntryStore) -> dict[str, Any]:
    """Dates, countries and distributions that could not be read, each with its number; and the dates read by order."""
    return {
        "unreadable_dates": _unread(store, "unread_date", "entry"),
        "unreadable_countries": _unread(store, "unread_country", "entry"),
        "unreadable_distributions": _unread(store, "unread_distribution", "document_id"),
        "ambiguous_dates": _number(store, "count(*) FROM entries WHERE is_date_ambiguous"),
    }


def plant_counts(store: EntryStore) -> dict[str, int]:
    """Of the accepted entries: how many plants there are as far as anybody says, and of how many there is one photo."""
    (known, single), *_ = store.database.fetch(
        "SELECT count(*), count(*) FILTER (photos = 1) FROM (SELECT count(*) AS photos FROM checked "
        "WHERE reason IS NULL AND plant IS NOT NULL GROUP BY scientific_name, plant)"
    )
    unknown = _number(store, "count(*) FROM checked WHERE reason IS NULL AND plant IS NULL")
    return {"num_plants": known + unknown, "num_with_one_photo": single + unknown, "num_unknown": unknown}


def unread_sentences(found: Mapping[str, Any], date_order: str) -> list[str]:
    """What :func:`unread_values` found, in words; nothing where everything was read."""
    said: list[str] = []
    for name, what, key in (
        ("unreadable_dates", "dates", "num_entries"),
        ("unreadable_countries", "countries", "num_entries"),
        ("unreadable_distributions", "distributions", "num_documents"),
    ):
        if found[name][key]:
            texts = ", ".join(repr(row["text"]) for row in found[name]["texts"][:3])
            said.append(
                f"{found[name][key]} {key.removeprefix('num_')} have {what} that could not be read and count as "
                f"missing ({found[name]['num_texts']} texts; most often {texts})"
            )
    if found["ambiguous_dates"]:
        said.append(f"{found['ambiguous_dates']} dates could be read in two ways; date_order = {date_order} decided")
    return said


def warnings_of(store: EntryStore, mapping: FieldMapping, plants: Mapping[str, int]) -> list[str]:
    """What a reader of the audit should look at before the collection is exported."""
    said: list[str] = []
    if plants["num_with_one_photo"] > MOSTLY * plants["num_plants"]:
        said.append(
            f"{plants['num_with_one_photo']} of {plants['num_plants']} plants have one photo, as far as the collection "
            "says: photos of one plant can come into train and test. Look whether image_observation_id, or "
            "image_author and image_observed_on, name the right fields"
        )
    for what, names, prefix, counted in (
        ("entries", ENTRIES_MAY_LACK, "image_", "count(*)"),
        ("documents", DOCUMENTS_MAY_LACK, "", "count(DISTINCT document_id)"),
    ):
        total = _number(store, f"{counted} FROM {READABLE}")
        for name in names:
            field = prefix + name.removesuffix("_text")
            lacking = _number(store, f"{counted} FROM {READABLE} WHERE lacks_{name}")
            if getattr(mapping, field) and lacking > MOSTLY * total:
                paths = ", ".join(
                    path if isinstance(path, str) else str(list(path)) for path in getattr(mapping, field)
                )
                said.append(
                    f"{lacking} of {total} {what} have nothing that can be read where mapping.{field} looks for it "
                    f"({paths}); [] says that there is no such field"
                )
    return said


def _unread(store: EntryStore, column: str, counted: str) -> dict[str, Any]:
    unit = "num_entries" if counted == "entry" else "num_documents"
    some = f"FROM entries WHERE {column} IS NOT NULL"
    (number, num_texts), *_ = store.database.fetch(f"SELECT count(DISTINCT {counted}), count(DISTINCT {column}) {some}")
    rows = store.database.fetch(
        f"SELECT {column} AS text, count(DISTINCT {counted}) AS number {some} GROUP BY ALL "
        f"ORDER BY number DESC, text LIMIT {LISTED}"
    )
    return {unit: number, "num_texts": num_texts, "texts": [{"text": text, unit: count} for text, count in rows]}


def _number(store: EntryStore, query: str) -> int:
    return int(store.database.fetch(f"SELECT {query}")[0][0])
