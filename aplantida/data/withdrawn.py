"""Which of many photos somebody opted out of: by columns, so that 900,000 of them take seconds."""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from aplantida.data.addresses import host_of
from aplantida.domain.opt_out import OptOuts

COLUMNS = ("image_id", "author", "url")
_AUTHORITY = r"://(?P<authority>[^/?#]*)"
_PATH = re.compile(r"[^:]*://[^/?]*([^?]*)")
_MAY_DIFFER = re.compile(r"[/;&]|%[0-9A-Fa-f]{2}")  # letters that are sent otherwise, and where secrets were left out
_REMEMBERED = 16_384  # hosts, which come again in every shard
_FEW = 32  # addresses that are looked for one by one; more are compared photo by photo


def withdrawn_among(photos: pa.Table, opt_outs: OptOuts) -> pa.Table:
    """The photos that are opted out of, with why as a column ``refusal``.

    Args:
        photos: rows that have ``COLUMNS``; a null address is none.
        opt_outs: by whom, from where, and which.
    """
    photos = photos.filter(_may_be_meant(photos, opt_outs))
    rows = zip(*(photos[name].to_pylist() for name in COLUMNS), strict=True)
    why = [opt_outs.refusal(author, host_of(url), image_id, url) for image_id, author, url in rows]
    refusals = pa.array(why, pa.string())
    return photos.append_column("refusal", refusals).filter(refusals.is_valid())


def _may_be_meant(photos: pa.Table, opt_outs: OptOuts) -> pa.ChunkedArray:
    """Which rows have to be looked at: all that are opted out of, and few others."""
    ids, authors, urls = (photos[name] for name in COLUMNS)
    meant = pc.is_in(ids, _values(opt_outs.image_ids))
    if opt_outs.authors:
        named = [name for name in pc.unique(authors).to_pylist() if name and opt_outs.refusal(name, "")]
        meant = pc.or_(meant, pc.is_in(authors, _values(named)))
    if opt_outs.hosts:
        found = pc.struct_field(pc.extract_regex(urls, _AUTHORITY), "authority")
        hosts = [text for text in pc.unique(found).to_pylist() if text and _is_at(text, opt_outs)]
        meant = pc.or_(meant, pc.is_in(found, _values(hosts)))
    if len(opt_outs.addresses) > _FEW:
        return pc.or_(meant, pc.is_valid(urls))
    for address in sorted(opt_outs.addresses):
        meant = pc.or_(meant, pc.fill_null(pc.match_substring_regex(urls, _parts_of(address)), False))
    return meant


def _parts_of(address: str) -> str:
    """A pattern of what a withdrawn address has of a stored one, which may have secrets in its path."""
    path = _PATH.match(address)
    return "(?s)" + ".*".join(re.escape(part) for part in _MAY_DIFFER.split("" if path is None else path[1]) if part)


@lru_cache(maxsize=_REMEMBERED)
def _is_at(authority: str, opt_outs: OptOuts) -> bool:
    return opt_outs.has_host(host_of(f"http://{authority}"))


def _values(texts: frozenset[str] | list[str]) -> pa.Array:
    return pa.array(sorted(texts), pa.string())
