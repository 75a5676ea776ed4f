"""Entries on their way from the collection to what is written: sorted runs on disk.

Whoever reads the collection writes its entries down, so that no process ever holds all of them: files of one batch a
range of image ids (a *bucket*). Taking the same bucket of every file brings them into order.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from aplantida.data.addresses import AddressGuard
from aplantida.data.collection_address import CollectionAddress
from aplantida.data.documents import ContentSum
from aplantida.data.entries import ENTRY_SCHEMA, FieldMapping
from aplantida.data.entry_checks import check_each
from aplantida.data.mongo import read_entries
from aplantida.domain.address_secrets import AddressSecrets
from aplantida.domain.dates import DateOrder
from aplantida.domain.licensing import LicensePolicy, LicenseTexts
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.taxonomy import Naming

NUM_BUCKETS = 64  # and one more for rows without an id
# a row per run, and one of what a reader read, when it is done
RUN_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),  # of a run, in its folder
        pa.field("num_rows", pa.int64()),
        pa.field("num_documents", pa.int64()),  # as ContentSum has them
        pa.field("content", pa.binary(32)),
    ]
)
_FIRST_IDS = np.array([f"{256 * bucket // NUM_BUCKETS:02x}" for bucket in range(1, NUM_BUCKETS)], object)


def write_checked_runs(
    ranges: pa.Table,
    *,
    folder: Path,
    address: CollectionAddress,
    mapping: FieldMapping,
    default_license: str | None,
    license_texts: Mapping[str, str],
    synonyms: Mapping[str, str],
    naming: Naming,
    date_order: DateOrder,
    allow_addresses: Sequence[str],
    secrets: AddressSecrets,
    opt_outs: OptOuts,
    policy: LicensePolicy,
) -> Iterator[pa.Table]:
    """Read entries of some ``_id`` ranges, check what one entry alone tells (shape, address, opt-out, licence), write.

    Yields:
        Tables of ``RUN_SCHEMA``.
    """
    content = ContentSum()
    guard = AddressGuard.of(allow_addresses)
    for entries in read_entries(
        ranges,
        address=address,
        mapping=mapping,
        default_license=default_license,
        synonyms=synonyms,
        naming=naming,
        license_texts=LicenseTexts(license_texts),
        date_order=date_order,
        secrets=secrets,
        content=content,
    ):
        if entries.num_rows:
            name = write_run(folder, check_each(entries, guard, opt_outs, policy))
            yield pa.Table.from_pylist([{"name": name, "num_rows": entries.num_rows}], RUN_SCHEMA)
    total = content.total.to_bytes(32, "big")
    yield pa.Table.from_pylist([{"num_documents": content.num_documents, "content": total}], RUN_SCHEMA)


def write_run(folder: Path, entries: pa.Table) -> str:
    """Write a table of ``ENTRY_SCHEMA`` that has rows as a run; its name, which no other run has."""
    rows = entries.sort_by("image_id").combine_chunks().to_batches()[0]
    ids = rows["image_id"].drop_null().to_numpy(zero_copy_only=False)
    cuts = [0, *np.searchsorted(ids, _FIRST_IDS).tolist(), len(ids), rows.num_rows]
    name = f"{uuid.uuid4().hex}.arrow"
    with pa.ipc.new_file(folder / name, ENTRY_SCHEMA) as writer:
        for start, end in pairwise(cuts):
            writer.write_batch(rows.slice(start, end - start))
    return name


class RunReader:
    """Some columns of a run, bucket by bucket, in [0, ``NUM_BUCKETS``]: the last has the rows without an id."""

    def __init__(self, run: Path, columns: Sequence[str]) -> None:
        included = [ENTRY_SCHEMA.get_field_index(name) for name in columns]
        self._columns = list(columns)
        self._reader = pa.ipc.open_file(run, options=pa.ipc.IpcReadOptions(included_fields=included))

    def read(self, buckets: Iterable[int] = range(NUM_BUCKETS + 1)) -> pa.Table:
        """Their rows, a chunk a bucket, by ``image_id`` within it."""
        return pa.Table.from_batches([self._reader.get_batch(bucket) for bucket in buckets]).select(self._columns)
