"""Who is to be credited for which photo: one row per photo, and a page for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Any

from aplantida.release.page import page

COLUMNS = ("image_id", "scientific_name", "author", "license_id", "url", "source")
_CC = re.compile(r"CC-(BY(?:-[A-Z]+)*)-(\d\.\d)$")


def attribution_of(row: dict[str, Any]) -> dict[str, Any]:
    """The credit of one photo from its record; an empty author is None."""
    credit = {name: row[name] for name in COLUMNS}
    credit["author"] = (row["author"] or "").strip() or None
    return credit


def needs_author(license_id: str) -> bool:
    """Whether the licence asks for the author's name."""
    return license_id.startswith("CC-BY")


def license_url(license_id: str) -> str | None:
    """Where a Creative Commons licence can be read; None for others."""
    if license_id == "CC0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    if license_id == "PDM-1.0":
        return "https://creativecommons.org/publicdomain/mark/1.0/"
    match = _CC.match(license_id)
    return f"https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/" if match else None


def to_jsonl(credits: Iterable[dict[str, Any]]) -> str:
    """One JSON object a line, in the order given."""
    return "".join(json.dumps(credit, ensure_ascii=False) + "\n" for credit in credits)


def to_html(credits: Sequence[dict[str, Any]], title: str) -> str:
    """A page of all credits by species, author and licence, with a numbered link per photo; loads nothing."""

    def group(credit: dict[str, Any]) -> tuple[str, str, str, str]:
        return (credit["scientific_name"], credit["author"] or "", credit["license_id"], credit["source"] or "")

    parts: list[str] = []
    ordered = sorted(credits, key=lambda credit: (*group(credit), credit["image_id"]))
    for name, of_species in groupby(ordered, key=lambda credit: credit["scientific_name"]):
        items = [_line(key, list(photos)) for key, photos in groupby(of_species, key=group)]
        parts.append(f"<h2><i>{escape(name)}</i></h2>\n<ul>\n" + "\n".join(items) + "\n</ul>")
    licenses = ", ".join(_license_link(license_id) for license_id in sorted({c["license_id"] for c in credits}))
    species = len({credit["scientific_name"] for credit in credits})
    intro = f"<p>{len(credits)} photos of {species} species. Licences: {licenses or 'none'}.</p>"
    return page(title, "\n".join((intro, *parts)))


def _line(key: tuple[str, str, str, str], photos: Sequence[dict[str, Any]]) -> str:
    _, author, license_id, source = key
    who = escape(author) if author else '<span class="missing">author not given</span>'
    links = " ".join(_link(credit["url"], f"[{number}]") for number, credit in enumerate(photos, start=1))
    return f"<li>{who}, {_license_link(license_id)}{f', {escape(source)}' if source else ''}: {links}</li>"


def _license_link(license_id: str) -> str:
    address = license_url(license_id)
    return _link(address, license_id) if address else escape(license_id)


def _link(url: str, text: str) -> str:
    if not url.startswith(("http://", "https://")):
        return escape(text)
    return f'<a href="{escape(url, quote=True)}" rel="noopener">{escape(text)}</a>'
