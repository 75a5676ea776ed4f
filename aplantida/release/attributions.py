"""Who is to be credited: a page for people that sums the photos up and says where each of them is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aplantida.domain.escaping import for_html, html_link
from aplantida.domain.licensing import license_label, license_url
from aplantida.release.page import page, section

LIST_FILES = ("attributions.csv", "attributions.parquet")


def to_html(photos: Mapping[str, Any], title: str, full_list: str) -> str:
    """A page of the photos by licence, of those who took most of them, and of where all are listed; loads nothing.

    Args:
        photos: ``photos`` of ``license_report.json``.
        title: of the page.
        full_list: where every photo is listed: an address, or a sentence.
    """
    authors = photos["authors"]
    by_license = [(_license_link(license_id), count) for license_id, count in photos["by_license"].items()]
    named = [(for_html(author), count) for author, count in authors]
    head = f"The {len(authors)} authors of most photos" if len(authors) < photos["num_authors"] else "Authors"
    parts = (
        f"<p>{photos['num_photos']} photos of {photos['num_species']} species, by {photos['num_authors']} authors; "
        f'of <span class="missing">{photos["num_nameless"]}</span> the author is not given.</p>',
        f"<p>Every photo, with its author, licence and address: {html_link(full_list, full_list)}</p>",
        section("Licences", _table(("licence", "photos"), by_license)),
        section(head, _table(("author", "photos"), named)),
    )
    return page(title, "\n".join(parts))


def where_listed(credits_url: str | None, license_report_digest: str) -> str:
    """Where the list of all photos is, for those who hold a bundle: the published address, or which artifact has it."""
    if credits_url is not None:
        return credits_url
    return f"{' and '.join(LIST_FILES)} of the model's license_report {license_report_digest[:12]}."


def _table(head: tuple[str, str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [f"<tr><td>{html}</td><td>{count}</td></tr>" for html, count in rows]
    return f"<table>\n<tr><th>{head[0]}</th><th>{head[1]}</th></tr>\n" + "\n".join(lines) + "\n</table>"


def _license_link(license_id: str) -> str:
    address = license_url(license_id)
    label = license_label(license_id)
    return html_link(address, label) if address else for_html(label)
