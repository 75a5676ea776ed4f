"""Photos on the list of opt-outs that nothing here is: said, for a misspelt address withdraws nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import pyarrow as pa

from aplantida.data.withdrawn import listed_among
from aplantida.domain.opt_out import without_photo
from aplantida.phases._collection_file import OptOutSection, SecretSection


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
