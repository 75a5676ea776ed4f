"""The checks of entries that need one entry only: address, opt-out, licence."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

import pyarrow as pa

from aplantida.data.addresses import AddressGuard, AddressRefused, UrlChecker, host_and_port
from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.domain.license_reader import read_license
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.record import Reason


def check_each(entries: pa.Table, guard: AddressGuard, opt_outs: OptOuts, policy: LicensePolicy) -> pa.Table:
    """Give every entry without a reason the first one of: address refused, opted out, licence refused."""
    urls = UrlChecker(guard)
    refusal_of = lru_cache(maxsize=None)(policy.refusal)
    reasons: list[str | None] = entries["reason"].to_pylist()
    details: list[str | None] = entries["detail"].to_pylist()
    names = ("url", "author", "license_id", "license_text", "image_id")
    for row, (url, author, license_id, text, image_id) in enumerate(
        zip(*(entries[name].to_pylist() for name in names), strict=True)
    ):
        if reasons[row] is not None:
            continue
        try:
            host = urls.host_of(url)
        except AddressRefused as refusal:
            reasons[row], details[row] = Reason.ADDRESS_REFUSED, f"{refusal}{_cure(url)}"
            continue
        unwilling = opt_outs.refusal(author, host, image_id, url) if opt_outs else None
        if unwilling is not None:
            reasons[row], details[row] = Reason.OPTED_OUT, unwilling
            continue
        refused = refusal_of(license_id)
        if refused is not None:
            problem = read_license(text).problem if license_id is None else None
            said = refused if problem is None else f"unreadable licence: {problem}"
            reasons[row], details[row] = Reason.LICENSE_REFUSED, f"{said} ({text!r})"
    columns = {name: entries[name] for name in ENTRY_SCHEMA.names}
    columns |= {"reason": pa.array(reasons, pa.string()), "detail": pa.array(details, pa.string())}
    return pa.table(columns, schema=ENTRY_SCHEMA)


@lru_cache(maxsize=4096)
def _cure_of(place: str) -> str:
    """What would have an address of this scheme, host and port accepted, if anything would."""
    try:
        host, port = host_and_port(urlsplit(place))
        AddressGuard.of([f"{host}:{port}"]).check(place)
    except (AddressRefused, ValueError, LookupError):
        return ""
    return f"; allow_addresses: ['{host}:{port}'] accepts it"


def _cure(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return _cure_of(f"{parts.scheme}://{parts.netloc}/")
