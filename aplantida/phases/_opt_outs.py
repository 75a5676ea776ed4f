"""Photos on the list of opt-outs that nothing here is: said, for a misspelt address withdraws nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.data.withdrawn import listed_among
from aplantida.domain.opt_out import without_photo
from aplantida.phases._collection_file import OptOutSection, SecretSection
from aplantida.pipeline.artifact import Artifact
from aplantida.release.lineage import trace

_ROWS_AT_ONCE = 65_536
_OF_RECORDS = ("rejections.parquet", "records.parquet")  # of those the list refused, and of those that were not stored


def tell_unmatched(
    photos: Iterable[pa.Table], opt_out: OptOutSection, secrets: SecretSection, log: logging.Logger
) -> None:
    """Say how many of ``opt_out.images`` are of none of these photos, and name the first.

    Args:
        photos: tables with ``image_id`` and ``url``; asked for only when photos are listed.
        opt_out: the list.
        secrets: of addresses, which do not count.
        log: where it is said.
    """
    if not opt_out.images:
        return
    known = secrets.to_secrets()
    opt_outs = opt_out.to_opt_outs(known)
    found = set[str]().union(*(listed_among(table, opt_outs) for table in photos))
    missing = without_photo(opt_out.images, found, known)
    if missing:
        told = (len(missing), len(opt_out.images), missing[0])
        log.warning("opt_out.images: %d of %d are of no photo here, the first is %s", *told)


def photos_known(images: Artifact) -> Iterator[pa.Table] | None:
    """All photos that ``images`` and the records it was made from know, refused ones too: ``image_id`` and ``url``.

    None where the records cannot be read: then nobody knows whether a photo that is not stored was refused before.
    """
    records = trace([images]).of_kind("records")
    if not records:
        return None
    refused = [item.file(name) for item in records for name in _OF_RECORDS if name in item.files]
    return rows_of_photos([*images.files_under("shards"), *refused])


def rows_of_photos(files: Iterable[Path]) -> Iterator[pa.Table]:
    """``image_id`` and ``url`` of tables of photos, a part at a time."""
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["image_id", "url"]):
                yield pa.Table.from_batches([batch])
