"""A URL as a browser sends it: what must be escaped is, what was written stays as it was written.

After the URL standard of the WHATWG (https://url.spec.whatwg.org, "percent-encode sets" and "path state"), for http and
https: no escape is undone or respelled, so that a strict server gets the very path its link names.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urljoin, urlsplit

from yarl import URL

from aplantida.domain.host_names import ascii_host

_IN_PATHS = re.compile(r"""[^!$-;=@-\]_a-z~]""")  # all but what a path may hold as it is
_IN_QUERIES = re.compile(r"""[^!$-&(-;=?-~]""")
_DOT, _TWO_DOTS = frozenset({".", "%2e"}), frozenset({"..", ".%2e", "%2e.", "%2e%2e"})
_LATE_ASCII = re.compile("[^\x00-\x7f]")


_QUERY_OR_FRAGMENT = re.compile(r"([^?#]*)([?#]?)(.*)", re.DOTALL)
_SCHEME = re.compile(r"((?:https?:)?)(/*)(.*)", re.DOTALL | re.IGNORECASE)


def url_to_send(url: str, parts: SplitResult) -> URL:
    """The URL that is asked for; nothing that yarl or aiohttp would change any more.

    Args:
        url: a checked one (:meth:`aplantida.data.addresses.AddressGuard.check`).
        parts: its.
    """
    host = ascii_host(parts.hostname or "")
    place = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port is not None else ""
    path = _without_dots(_escape(_IN_PATHS, parts.path.replace("\\", "/")))
    query = f"?{_escape(_IN_QUERIES, parts.query)}" if "?" in url.partition("#")[0] else ""
    # all of it as the path: yarl would leave out an empty query
    return URL.build(scheme=parts.scheme, authority=f"{place}{port}", path=path + query, encoded=True)


def redirect_target(here: str, location: str) -> str:
    """Where a ``Location`` leads to. Bytes that are no ASCII are escaped one by one, as Chromium does.

    Args:
        here: the URL that was asked.
        location: as aiohttp decodes a header: UTF-8, other bytes as lone surrogates.
    """
    location = location.strip(" \t")
    head, mark, tail = _QUERY_OR_FRAGMENT.match(location).groups()  # type: ignore[union-attr]
    scheme, slashes, rest = _SCHEME.match(head.replace("\\", "/")).groups()  # type: ignore[union-attr]
    is_other = scheme != "" and scheme.lower() != f"{urlsplit(here).scheme}:"
    if len(slashes) < 2 and not is_other:
        return urljoin(here, _LATE_ASCII.sub(_bytes_escaped, scheme + slashes + rest + mark + tail))
    authority, slash, path = rest.partition("/")  # two slashes or more lead to a host, after another scheme any number
    return urljoin(here, f"{scheme}//{authority}" + _LATE_ASCII.sub(_bytes_escaped, slash + path + mark + tail))


def _escape(others: re.Pattern[str], text: str) -> str:
    return others.sub(_bytes_escaped, text)


def _bytes_escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


def _without_dots(path: str) -> str:
    """The path without ``.`` and ``..``; empty segments stay."""
    segments = path.split("/")[1:]
    if not any(segment.lower() in _DOT | _TWO_DOTS for segment in segments):
        return path or "/"
    kept: list[str] = []
    for place, segment in enumerate(segments):
        last = place == len(segments) - 1
        if segment.lower() in _TWO_DOTS:
            kept = kept[:-1]
        elif segment.lower() not in _DOT:
            kept.append(segment)
            continue
        if last:
            kept.append("")
    return "/" + "/".join(kept)
