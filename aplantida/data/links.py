"""The checks of entries before anything is fetched: shape, address, opt-out, licence, same URL twice, too few."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from aplantida.data.addresses import AddressGuard, AddressRefused, host_and_port
from aplantida.data.entries import ENTRY_SCHEMA, FieldMapping
from aplantida.data.mongo import CollectionAddress, read_entries
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason


def read_checked_entries(
    ranges: pa.Table,
    *,
    address: CollectionAddress,
    mapping: FieldMapping,
    default_license: str | None,
    synonyms: Mapping[str, str],
    allow_addresses: Sequence[str],
    opt_outs: OptOuts,
    policy: LicensePolicy,
) -> Iterator[pa.Table]:
    """Entries of some ``_id`` ranges with the checks that need one entry only: shape, address, opt-out, licence."""
    guard = AddressGuard.of(allow_addresses)
    for table in read_entries(
        ranges, address=address, mapping=mapping, default_license=default_license, synonyms=synonyms
    ):
        yield check_each(table, guard, opt_outs, policy)


def check_each(entries: pa.Table, guard: AddressGuard, opt_outs: OptOuts, policy: LicensePolicy) -> pa.Table:
    """Give every entry without a reason the first one of: address refused, opted out, licence refused."""
    reasons: list[str | None] = entries["reason"].to_pylist()
    details: list[str | None] = entries["detail"].to_pylist()
    urls, licenses = entries["url"].to_pylist(), entries["license_id"].to_pylist()
    texts, authors = entries["license_text"].to_pylist(), entries["author"].to_pylist()
    for row, reason in enumerate(reasons):
        if reason is not None:
            continue
        try:
            host, _port = host_and_port(guard.check(urls[row]))
        except AddressRefused as refusal:
            reasons[row], details[row] = Reason.ADDRESS_REFUSED, str(refusal)
            continue
        unwilling = opt_outs.refusal(authors[row], host)
        if unwilling is not None:
            reasons[row], details[row] = Reason.OPTED_OUT, unwilling
            continue
        refused = policy.refusal(licenses[row])
        if refused is not None:
            reasons[row], details[row] = Reason.LICENSE_REFUSED, f"{refused} ({texts[row]!r})"
    return _with_reasons(entries, reasons, details)


def check_together(entries: pa.Table, min_images_per_species: int) -> pa.Table:
    """The checks that need all entries: same URL twice, then species with too few images.

    A URL that two species claim is refused for both. Of a URL that one species names several times the first entry, by
    document id and position, stays.

    Returns:
        The entries sorted by document id and position.
    """
    table = entries.sort_by([("document_id", "ascending"), ("position", "ascending")]).combine_chunks()
    reasons: list[str | None] = table["reason"].to_pylist()
    details: list[str | None] = table["detail"].to_pylist()
    names: list[str] = table["scientific_name"].to_pylist()
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, url in enumerate(table["url"].to_pylist()):
        if reasons[row] is None:
            rows_of[url].append(row)
    for rows in rows_of.values():
        species = sorted({names[row] for row in rows})
        if len(species) > 1:
            for row in rows:
                reasons[row], details[row] = Reason.SAME_URL_IN_TWO_SPECIES, "; ".join(species)
        for row in rows[1:] if len(species) == 1 else ():
            reasons[row] = Reason.SAME_URL_IN_ONE_SPECIES
    counts = Counter(name for name, reason in zip(names, reasons, strict=True) if reason is None)
    for row, name in enumerate(names):
        if reasons[row] is None and counts[name] < min_images_per_species:
            reasons[row] = Reason.SPECIES_WITH_TOO_FEW_IMAGES
            details[row] = f"{counts[name]} images, want {min_images_per_species}"
    return _with_reasons(table, reasons, details)


def records_of(entries: pa.Table) -> pa.Table:
    """The accepted entries as a table of ``RECORD_SCHEMA``, sorted by ``image_id``."""
    accepted = entries.filter(entries["reason"].is_null())
    return accepted.select(RECORD_SCHEMA.names).cast(RECORD_SCHEMA).sort_by("image_id").combine_chunks()


def rejections_of(entries: pa.Table) -> pa.Table:
    """The refused ones as a table of ``REJECTION_SCHEMA``, in the order of the entries."""
    refused = entries.filter(entries["reason"].is_valid())
    return refused.select(REJECTION_SCHEMA.names).cast(REJECTION_SCHEMA).combine_chunks()


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value of a column occurs, by value."""
    counts: Counter[Any] = Counter(column.to_pylist())
    return {str(value): counts[value] for value in sorted(counts, key=str)}


def _with_reasons(table: pa.Table, reasons: Sequence[str | None], details: Sequence[str | None]) -> pa.Table:
    columns = {name: table[name] for name in ENTRY_SCHEMA.names}
    columns["reason"] = pa.chunked_array([pa.array(reasons, pa.string())])
    columns["detail"] = pa.chunked_array([pa.array(details, pa.string())])
    return pa.table(columns, schema=ENTRY_SCHEMA)
