"""One way to write a report page: one HTML file that loads nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aplantida.domain.escaping import for_html

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1c2b1f }}
h2 {{ margin-top: 2.5rem; border-bottom: 1px solid #cfd8cf }}
table {{ border-collapse: collapse; margin: .75rem 0 }}
th, td {{ padding: .25rem .75rem; border-bottom: 1px solid #e3e8e3; text-align: right; vertical-align: top }}
th:first-child, td:first-child, td.text {{ text-align: left }}
td {{ white-space: nowrap }} td.text {{ white-space: normal }}
.pass {{ color: #1b6b3a; font-weight: 600 }} .fail {{ color: #a3261c; font-weight: 600 }}
.not-measured {{ color: #777 }} .missing {{ color: #8a4b00 }}
svg {{ max-width: 100%; height: auto }}
.photos {{ display: flex; flex-wrap: wrap; gap: .75rem }}
figure {{ margin: 0; width: 9rem; font-size: 12px; line-height: 1.3 }}
figure img {{ width: 9rem; height: 9rem; object-fit: cover; border-radius: 4px }}
figcaption i {{ display: block }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo on a contact sheet.

    Attributes:
        jpeg: its (small) JPEG file.
        title: in italics: its species.
        lines: below: author, licence …
    """

    jpeg: bytes
    title: str
    lines: tuple[str, ...] = ()


def page(title: str, body: str) -> str:
    """The file; ``body`` is HTML."""
    return _PAGE.format(title=for_html(title), body=body)


def section(title: str, *parts: str) -> str:
    """A heading and what follows; a part is HTML."""
    return "\n".join((f"<h2>{for_html(title)}</h2>", *parts))


def contact_sheet(photos: Sequence[Shown]) -> str:
    """The photos side by side, inside the page."""
    return '<div class="photos">\n' + "\n".join(_figure(photo) for photo in photos) + "\n</div>"


def _figure(photo: Shown) -> str:
    lines = "<br>".join(for_html(line) for line in photo.lines if line)
    source = base64.b64encode(photo.jpeg).decode()
    return (
        f'<figure><img src="data:image/jpeg;base64,{source}" alt="{for_html(photo.title)}" loading="lazy">'
        f"<figcaption><i>{for_html(photo.title)}</i>{lines}</figcaption></figure>"
    )


def counts_table(heading: str, counts: Mapping[str, int], most: int | None = None) -> str:
    """Values and how often they occur, most frequent first; beyond ``most`` rows the rest is summed up in one."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if most is not None and len(rows) > most:
        rest = rows[most:]
        rows = [*rows[:most], (f"({len(rest)} others)", sum(count for _, count in rest))]
    return table((heading, "number"), rows) if rows else "<p>None.</p>"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table of escaped cells."""
    first = "".join(f"<th>{for_html(name)}</th>" for name in head)
    lines = ["<tr>" + "".join(f"<td>{for_html(str(cell))}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table>\n<tr>{first}</tr>\n" + "\n".join(lines) + "\n</table>"


def number(value: Any) -> str:
    """A measured value for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return for_html(str(value))


def percent(share: float | None) -> str:
    """A share of 0..1 in per cent; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"
