from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from itertools import product

import duckdb
import pytest
from markdown_it import MarkdownIt

from aplantida.domain import escaping
from aplantida.domain.escaping import (
    csv_text,
    for_file_name,
    for_html,
    for_markdown,
    for_plot,
    html_link,
    plain,
    read_csv,
    sql_csv_cell,
)
from tests.fixtures.hostile import HOSTILE, HOSTILE_UTF8


class Seen(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_html_shows_the_text_and_nothing_else(text: str) -> None:
    seen = Seen(f'<p title="{for_html(text)}">{for_html(text)}</p>')
    assert seen.tags == [("p", {"title": plain(text)})]
    assert seen.text == plain(text)
    assert [tag for tag, _ in Seen(html_link(text, text)).tags] == (["a"] if text.startswith("http") else [])


def test_plain_text_is_one_valid_line() -> None:
    for text in HOSTILE:
        line = plain(text)
        assert line.encode()
        assert len(line.splitlines()) <= 1
        assert plain(line) == line
    assert plain("Quercus ilex L. × 'Fordii' – 90 % \u00e9\u00f1") == "Quercus ilex L. × 'Fordii' – 90 % \u00e9\u00f1"


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    (_, inline, _) = markdown.parse(f"x {for_markdown(text)}") if text.strip() else ("", None, "")
    if inline is not None:
        shown = "".join(child.content for child in inline.children if child.type in ("text", "text_special"))
        assert {child.type for child in inline.children} <= {"text", "text_special"}
        assert shown == f"x {plain(text)}".rstrip()
    table = markdown.parse(f"| a | b |\n|---|---|\n| {for_markdown(text)} | 1 |\n")
    assert [token.type for token in table].count("td_open") == 2
    alone = markdown.parse(for_markdown(text).strip() or "x")
    assert [token.type for token in alone] == ["paragraph_open", "inline", "paragraph_close"]


def test_csv_holds_no_formula_and_reads_back() -> None:
    rows = [{"a": text, "b": -1.5, "c": text} for text in HOSTILE]
    written = csv_text(["a", "b", "c"], rows)
    for delimiter in ",;\t":  # as a spreadsheet of any country reads it
        for row in csv.reader(io.StringIO(written), delimiter=delimiter):
            assert [cell for cell in row if cell.lstrip()[:1] in tuple("=+@＝＋－＠") or cell[:2] in ("-2", '"=')] == []
    back = read_csv(io.StringIO(written))
    assert [row["a"] for row in back] == [plain(text) for text in HOSTILE]
    assert {row["b"] for row in back} == {"-1.5"}
    assert csv_text(["a"], []) == "a\n"
    with pytest.raises(ValueError, match="columns are"):
        csv_text(["a"], [{"b": 1}])


def test_texts_that_need_nothing_are_written_as_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    characters = "aZ0 _-+=@:;,.|'\"/?&%~#()\t\né＝\u202e"
    texts = ["".join(text) for length in range(4) for text in product(characters, repeat=length)]
    rows = [{"a": text} for text in texts]
    written = csv_text(["a"], rows)
    monkeypatch.setattr(escaping, "_AS_IT_IS", re.compile(r"(?!)"))  # matches nothing
    assert csv_text(["a"], rows) == written


def test_sql_writes_cells_alike() -> None:
    query = f"SELECT {sql_csv_cell('text')} FROM (SELECT ?::VARCHAR AS text)"
    for text in HOSTILE_UTF8:
        (cell,) = duckdb.execute(query, [text]).fetchone() or ("",)
        (row,) = csv.DictReader(io.StringIO(csv_text(["a", "b"], [{"a": text, "b": "x"}])))
        assert cell == row["a"], repr(text)


def test_labels_of_plots_are_no_mathematics() -> None:
    from matplotlib.cbook import is_math_text

    for text in HOSTILE:
        label = for_plot(text)
        assert not is_math_text(label) or label.count("$") == label.count(r"\$")
        assert not label.startswith("_")
        assert len(label) <= 2 * 81


def test_names_of_files_stay_in_their_folder_and_apart() -> None:
    names = [for_file_name(text) for text in HOSTILE]
    for name in names:
        assert name
        assert "/" not in name
        assert not name.startswith(".")
        assert name.isascii()
        assert len(name) <= 120
    assert len(set(names)) == len(set(HOSTILE))
    assert for_file_name("0123abc-_.def") == "0123abc-_.def"
