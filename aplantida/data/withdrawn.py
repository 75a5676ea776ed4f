"""Which of many photos somebody opted out of: by columns, so that 900,000 of them take seconds."""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.data.addresses import host_of
from aplantida.domain.address_secrets import ESCAPED
from aplantida.domain.opt_out import OptOuts, address_key

COLUMNS = ("image_id", "author", "url")
_AUTHORITY = r"^[A-Za-z][A-Za-z0-9+.-]*://(?P<authority>[^/?#]*)"
_PATH = re.compile(r"[^:]*://[^/?]*([^?]*)")
_MAY_DIFFER = re.compile(r"%[0-9A-Fa-f]{2}|[^0-9A-Za-z]")  # what is sent otherwise, and where secrets were left out
_MAY_HOLD_ANOTHER = rf"(?i){ESCAPED.pattern}"  # an escaped address inside, which is written anew without its secrets
_REMEMBERED = 16_384  # hosts, which come again in every shard
_NONE: Mapping[str, str] = MappingProxyType({})
_FEW = 32  # addresses that are looked for one by one; more are compared photo by photo


def withdrawn_among(photos: pa.Table, opt_outs: OptOuts, pictures: Mapping[str, str] = _NONE) -> pa.Table:
    """The photos that are opted out of, with why as a column ``refusal``.

    Args:
        photos: rows that have ``COLUMNS``, and ``pixel_sha256`` where there are ``pictures``; a null address is none.
        opt_outs: by whom, from where, and which.
        pictures: of :func:`withdrawn_pictures`: whatever shows one of them is withdrawn with it.
    """
    meant = _may_be_meant(photos, opt_outs)
    if pictures:
        meant = pc.or_(meant, pc.is_in(photos["pixel_sha256"], _values(list(pictures))))
    photos = photos.filter(meant)
    rows = zip(*(photos[name].to_pylist() for name in COLUMNS), strict=True)
    why = [opt_outs.refusal(author, host_of(url), image_id, url) for image_id, author, url in rows]
    if pictures:
        twins = [pictures.get(pixels) for pixels in photos["pixel_sha256"].to_pylist()]
        same = [twin and f"it is the same picture as the photo {twin}, which was withdrawn" for twin in twins]
        why = [own or other for own, other in zip(why, same, strict=True)]
    refusals = pa.array(why, pa.string())
    return photos.append_column("refusal", refusals).filter(refusals.is_valid())


def withdrawn_pictures(shards: Iterable[Path], opt_outs: OptOuts) -> dict[str, str]:
    """The pictures of opted-out photos: sha256 of their pixels, and the first photo that shows them.

    The same picture may be stored under two ids, of which one alone is learned from.

    Args:
        shards: of stored photos, all of them.
        opt_outs: by whom, from where, and which.
    """
    found: dict[str, str] = {}
    for shard in shards if opt_outs else ():
        photos = withdrawn_among(pq.read_table(shard, columns=[*COLUMNS, "pixel_sha256"]), opt_outs)
        for pixels, image_id in zip(photos["pixel_sha256"].to_pylist(), photos["image_id"].to_pylist(), strict=True):
            found.setdefault(pixels, image_id)
    return found


def listed_among(photos: pa.Table, opt_outs: OptOuts) -> set[str]:
    """Which photos on the list are among these: ids and addresses, as the list has them.

    Args:
        photos: rows of ``image_id`` and ``url``.
        opt_outs: the list; its authors and hosts do not count.
    """
    listed = replace(opt_outs, authors=frozenset(), hosts=frozenset())
    if not listed:
        return set()
    photos = photos.filter(_may_be_meant(photos, listed))
    found = set(photos["image_id"].to_pylist()) & listed.image_ids
    if listed.addresses:
        found |= {address_key(url, listed.secrets) for url in photos["url"].to_pylist() if url} & listed.addresses
    return found


def _may_be_meant(photos: pa.Table, opt_outs: OptOuts) -> pa.ChunkedArray:
    """Which rows have to be looked at: all that are opted out of, and few others."""
    urls = photos["url"]
    meant = pc.is_in(photos["image_id"], _values(opt_outs.image_ids))
    if opt_outs.authors:
        authors = photos["author"]
        named = [name for name in pc.unique(authors).to_pylist() if name and opt_outs.refusal(name, "")]
        meant = pc.or_(meant, pc.is_in(authors, _values(named)))
    if opt_outs.hosts:
        found = pc.struct_field(pc.extract_regex(urls, _AUTHORITY), "authority")
        hosts = [text for text in pc.unique(found).to_pylist() if text and _is_at(text, opt_outs)]
        meant = pc.or_(meant, pc.or_(pc.is_in(found, _values(hosts)), _lacks(found, urls)))
    if len(opt_outs.addresses) > _FEW:
        return pc.or_(meant, pc.is_valid(urls))
    if opt_outs.addresses:
        meant = pc.or_(meant, pc.fill_null(pc.match_substring_regex(urls, _MAY_HOLD_ANOTHER), False))
    for address in sorted(opt_outs.addresses):
        meant = pc.or_(meant, pc.fill_null(pc.match_substring_regex(urls, _parts_of(address)), False))
    return meant


def _lacks(found: pa.ChunkedArray, urls: pa.ChunkedArray) -> pa.ChunkedArray:
    """Addresses of no plain form."""
    return pc.and_(pc.is_null(found), pc.is_valid(urls))


def _parts_of(address: str) -> str:
    """A pattern of what a withdrawn address has of a stored one, which may have secrets in its path: plain letters."""
    path = _PATH.match(address)
    return "(?s)" + ".*".join(part for part in _MAY_DIFFER.split("" if path is None else path[1]) if part)


@lru_cache(maxsize=_REMEMBERED)
def _is_at(authority: str, opt_outs: OptOuts) -> bool:
    return opt_outs.has_host(host_of(f"http://{authority}"))


def _values(texts: frozenset[str] | list[str]) -> pa.Array:
    return pa.array(sorted(texts), pa.string())
