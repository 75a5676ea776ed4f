"""Text from data, written where something else would read it as more than text: one rule for each place.

The places are HTML pages, Markdown, CSV files (which people open in spreadsheets), plots, and names of files. Nothing
else in the project escapes or quotes by itself (``tests/architecture/test_escaping.py``).
"""

from __future__ import annotations

import csv
import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_BEGINS = "=+@＝＋－＠-"  # what a spreadsheet begins a formula with, full-width forms included
_FORMULA = re.compile(rf"(^|;)([\s'\"]*[{_BEGINS}])")  # marks that are there count, so that reading takes ours away
_MARKED = re.compile(rf"(^|;)'([\s'\"]*[{_BEGINS}])")
_TEXT_MARK = "'"  # in front of a cell: what follows is text
# most texts: nothing in them turns, begins a formula or parts cells
_AS_IT_IS = re.compile(r"[A-Za-z0-9][\w ./:?=&%~#()+-]*(?<! )", re.ASCII)
_QUOTED = re.compile(r"[\",;|\t]|^\s|\s$")
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~$&]|(?<![^\W_])_|_(?![^\W_]))")  # an underscore within a word is one
_MARKDOWN_START = re.compile(r"^(\s*)([#+=-]|\d+[.)])")
_STRANGE_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # no file may be called so on some systems
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_LONGEST_NAME = 100


def plain(text: str) -> str:
    """One line of valid Unicode: control characters are spaces, lone surrogates U+FFFD, and nothing turns its order."""
    if text.isprintable():
        return text
    return "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    if character in _TURNING:
        return ""
    category = unicodedata.category(character)
    return " " if category in ("Cc", "Zl", "Zp") else "\ufffd" if category == "Cs" else character


def for_html(text: str) -> str:
    """As the content of an element or of a quoted attribute."""
    return html.escape(plain(text))


def html_link(address: str, text: str) -> str:
    """``text`` linked to a web address; ``text`` alone for any other address (``javascript:`` say)."""
    if not address.startswith(("http://", "https://")):
        return for_html(text)
    return f'<a href="{for_html(address)}" rel="noopener">{for_html(text)}</a>'


def for_markdown(text: str) -> str:
    """Within a line or a cell of a table."""
    escaped = _MARKDOWN.sub(r"\\\1", plain(text))
    return _MARKDOWN_START.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", escaped)


def for_plot(text: str, most: int = 80) -> str:
    """As a label of matplotlib's: no mathematics, nothing that its legend leaves out, at most ``most`` characters."""
    line = plain(text)
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return (f" {line}" if line.startswith("_") else line).replace("$", r"\$")


def for_file_name(text: str) -> str:
    """A part of a file's name: ASCII letters, digits, ``._-``; what had to be changed, or would be
    one file with another where case does not count, ends with a hash of the text.
    """
    name = _STRANGE_IN_NAMES.sub("_", text).lstrip(".-")[:_LONGEST_NAME].rstrip(".")
    if name == text and name and name == name.lower() and not _DEVICE.fullmatch(name):
        return name
    return f"{name}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}".lstrip("-")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with a header, whether there are rows or not; read it with :func:`read_csv`.

    What a spreadsheet would take for a formula has ``'`` in front, also where semicolons part the cells.

    Raises:
        ValueError: for a row with a key that is no column.
    """
    lines, known = [",".join(map(_csv_cell, columns))], frozenset(columns)
    for row in rows:
        if not row.keys() <= known:
            raise ValueError(f"a row has {sorted(row)}; columns are {sorted(columns)}")
        lines.append(",".join(_csv_cell(row.get(name)) for name in columns))
    return "\n".join(lines) + "\n"


def _csv_cell(value: Any) -> str:
    text = "" if value is None else str(value)
    if _AS_IT_IS.fullmatch(text):
        return text
    if not isinstance(value, int | float):
        text = _FORMULA.sub(rf"\1{_TEXT_MARK}\2", plain(text))
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def read_csv(lines: Iterable[str]) -> list[dict[str, str]]:
    """The rows of :func:`csv_text`, as they were given."""
    rows = csv.DictReader(lines)
    return [{name: _MARKED.sub(r"\1\2", cell or "") for name, cell in row.items()} for row in rows]


def sql_csv_cell(column: str) -> str:
    """The same rule for a column of text in DuckDB's SQL, before ``COPY … (FORMAT csv, FORCE_QUOTE *)``."""
    turning = "".join(rf"\x{{{ord(character):x}}}" for character in sorted(_TURNING))
    line = rf"regexp_replace({column}, '[\p{{Cc}}\p{{Zl}}\p{{Zp}}]', ' ', 'g')"
    line = f"regexp_replace({line}, '[{turning}]', '', 'g')"
    formula = rf"(^|;)([\s\p{{Z}}''\"]*[{_BEGINS}])"
    return rf"regexp_replace({line}, '{formula}', '\1''\2', 'g')"
