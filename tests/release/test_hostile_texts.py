"""Hostile texts through every report that shows some: each says the text, and nothing reads it as more."""

from __future__ import annotations

import csv
import io
import re
import warnings
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from markdown_it import MarkdownIt
from PIL import Image

from aplantida.data.auditing import summary_text
from aplantida.data.database import Database
from aplantida.data.review import ReviewPair, read_decisions, review_csv
from aplantida.domain.escaping import csv_text, plain, read_csv
from aplantida.evaluation.report import CONFUSION_COLUMNS
from aplantida.export.bundle import license_text
from aplantida.release.attributions import to_html as attributions_page
from aplantida.release.credit_store import CREDIT_SCHEMA, CreditStore
from aplantida.release.dashboard import to_html as dashboard_page
from aplantida.release.data_pages import DataCard, audit_page, data_card_page, review_page
from aplantida.release.figures import to_png
from aplantida.release.findings import Findings
from aplantida.release.manifest import to_yaml
from aplantida.release.page import Shown
from aplantida.release.sweep_page import sweep_page
from aplantida.release.targets import TargetResult
from tests.fixtures.hostile import HOSTILE, HOSTILE_UTF8

DECIDED = ("decided", "by", "date")
ELEMENTS = {
    *("ul", "li"),
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th", "td", "a", "div", "br"),
    *("figure", "img", "figcaption", "i", "span", "code"),
    *("svg", "defs", "g", "path", "use", "text", "tspan", "clippath", "rect", "metadata", "rdf:rdf", "cc:work"),
}


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags = "", list[str]()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (name, value)
            if name in ("href", "src", "xlink:href"):
                assert str(value).startswith(("#", "https://", "http://", "data:image/jpeg;base64,")), value

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        assert re.fullmatch(r" \$\\mathdefault\{(\d\\times)?10\^\{[0-9−-]+\}\}\$ ", data), data  # of a logarithmic axis


def check_page(text: str, shown: tuple[str, ...] = HOSTILE) -> None:
    text.encode()
    page = Page(text.removeprefix("<!doctype html>"))
    assert set(page.tags) <= ELEMENTS
    assert [hostile for hostile in shown if plain(hostile) not in page.text] == []


def findings() -> Findings:
    part = {"num_photos": 9, **dict.fromkeys(("top1", "top5", "macro_top1", "macro_top5"), 0.5)}
    region = {**part, "by_country": part, "by_distribution": part}
    test = {
        **part,
        **{"genus_top1": 0.5, "family_top1": 0.5, "top1_interval": (0.4, 0.6)},
        "regions": dict.fromkeys(HOSTILE, region),
        "frequency_bands": dict.fromkeys(HOSTILE, part),
    }
    confusion = {"count": "3", "share": "0.1", "same_genus": "False", "same_family": "False"}
    bins = {"ece": 0.1, "bins": [{"confidence": 0.5, "accuracy": 0.5}]}
    chosen = {"threshold": 0.5, "precision": 0.5, "coverage": 0.5, "num_accepted": 1}
    return Findings(
        stages=[(text, 10) for text in HOSTILE],
        losses=[(text, text, 1) for text in HOSTILE],
        species=[{"class_id": text, "train": 1, "val": 1, "test": 1} for text in HOSTILE],
        curves={text: [{"epoch": 1, "val_top1": 0.5}] for text in HOSTILE[:6]},
        gains=[(text, text, None) for text in HOSTILE],
        models=[(text, {"num_classes": 3, "coverage": {"test": {"share": 1.0}}, "test": test}) for text in HOSTILE[:6]],
        calibration={
            "temperature": 1.0,
            "threshold": {"target_reached": True, "target_precision": 0.9, "val": chosen, "test": chosen},
            "precision_table": {"test": []},
            **{"ece": {"before": 0.1, "after": 0.1}, "ece_equal_mass": {"before": 0.1, "after": 0.1}},
            "reliability": {name: {"equal_width": bins} for name in ("before", "after")},
            "strangers": {"plant": {"reason": "".join(HOSTILE), "num_test": 1, "scores": []}},
            "unsure_because": HOSTILE,
        },
        confusions=[{"true": text, "predicted": text, **confusion} for text in HOSTILE],
        bundle=[(text, 1.0) for text in HOSTILE],
        parity=[{"runtime": text} for text in HOSTILE],
        timings=dict.fromkeys(HOSTILE, 1.0),
        decisions=[{"about": text, "num_photos": 1, "question": text, "decision": None} for text in HOSTILE],
    )


def test_the_dashboard_and_its_picture() -> None:
    targets = [TargetResult(text, text, text, text, "not measured") for text in HOSTILE]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph|constrained_layout not applied")
        check_page(dashboard_page(findings(), targets, HOSTILE[0]))
        for title in (HOSTILE[0], HOSTILE[1], "$$"):
            with Image.open(io.BytesIO(to_png(findings(), title))) as picture:
                assert picture.width == 1800


def audit_report() -> dict[str, Any]:
    counts = dict.fromkeys(HOSTILE, 2)
    totals = ("num_documents", "num_species", "num_entries", "num_acceptable_entries", "num_acceptable_species")
    texts = [{"text": text, "problem": text, "num_entries": 1} for text in HOSTILE]
    unread = [{"text": text, "num_entries": 1, "num_documents": 1} for text in HOSTILE]
    columns = ("license_spellings", "entries_by_license", "refused_by_reason", "refused_names")
    return {
        **dict.fromkeys(totals, 1),
        **dict.fromkeys((*columns, "entries_without", "documents_without"), counts),
        "verdict": "pass",
        "images_per_species": {"min": 1, "median": 1, "max": 1},
        "warnings": list(HOSTILE),
        **{f"unreadable_{name}": {"num_texts": 1, "texts": unread} for name in ("dates", "countries", "distributions")},
        "unreadable_licenses": {"num_entries": 1, "num_texts": 1, "texts": texts},
        "links": {"broken": 1, "asked": 2, "broken_fraction": 0.5, "max_broken_fraction": 0.5, "by_reason": counts},
    }


def test_the_audit() -> None:
    row = {"num_documents": 1, "num_entries": 1, "num_acceptable": 1, "num_broken_links": 1}
    species = [{"scientific_name": text, **row} for text in HOSTILE]
    check_page(audit_page(audit_report(), species, {(text, text): 1 for text in HOSTILE}), HOSTILE[:40])


@pytest.mark.parametrize("text", [summary_text(audit_report()), ""], ids=["audit", "licence"])
def test_markdown(text: str) -> None:
    report = {
        "photos": {"by_license": dict.fromkeys(HOSTILE, 1)},
        "decisions": [
            {"about": hostile, "num_photos": 1, "question": hostile, "decision": dict.fromkeys(DECIDED, hostile)}
            for hostile in HOSTILE
        ],
        "weights": [{"pretrained": hostile, "pretrained_license": hostile} for hostile in HOSTILE],
    }
    text = text or license_text("name", "v1", HOSTILE[3], report, HOSTILE[4])
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    assert not {token.type for token in tokens} & {"html_block", "fence", "hr", "blockquote_open", "lheading_open"}
    children = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    kinds = {child.type for child in children}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close", "code_inline", "softbreak"}
    rows = [token for token in tokens if token.type == "tr_open"]
    assert len([token for token in tokens if token.type in ("td_open", "th_open")]) == 2 * len(rows)


def test_the_data_card_the_review_and_the_sweep() -> None:
    jpeg = b"\xff\xd8"
    shown = [Shown(jpeg, text, (text, text)) for text in HOSTILE]
    counts = dict.fromkeys(HOSTILE, 1)
    card = DataCard(
        counts=[(text, 1) for text in HOSTILE],
        splits={text: {"train": 1} for text in HOSTILE},
        photos_per_species=[1, 2],
        licenses=counts,
        countries=counts,
        short_sides={100: 1},
        stored_short_side=50,
        failures={(text, text): 1 for text in HOSTILE},
        excluded=counts,
        sample=shown,
    )
    check_page(data_card_page(card))
    check_page(review_page(1, [(text, (item, item)) for text, item in zip(HOSTILE, shown, strict=True)]))
    trial = {"trial": 1, "bytes": 1, "val_top1": 0.5, "val_loss": 1.0}
    check_page(sweep_page(("trial", "what"), [{**trial, "what": text} for text in HOSTILE], HOSTILE[0], 1))


def test_credits_for_people_and_for_spreadsheets(tmp_path: Path) -> None:
    photos = {
        **{"num_photos": 1, "num_species": 1, "num_authors": 1, "num_nameless": 0},
        **{"authors": [(text, 1) for text in HOSTILE], "by_license": dict.fromkeys(HOSTILE, 1)},
    }
    for text in HOSTILE:
        check_page(attributions_page(photos, text, text))
    ids = [f"{at:032x}" for at in range(len(HOSTILE_UTF8))]
    rows = [{**dict.fromkeys(CREDIT_SCHEMA.names, text), "image_id": ids[at]} for at, text in enumerate(HOSTILE_UTF8)]
    pq.write_table(pa.table({"image_id": ids}), tmp_path / "split.parquet")
    with Database.open(tmp_path / "database") as database:
        store = CreditStore(database, tmp_path / "split.parquet")
        store.add(pa.Table.from_pylist(rows, CREDIT_SCHEMA))
        store.write_list(tmp_path / "list.parquet", tmp_path / "list.csv")
    check_csv((tmp_path / "list.csv").read_text(), "scientific_name", HOSTILE_UTF8)


def check_csv(text: str, column: str, hostile: tuple[str, ...]) -> None:
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            assert [cell for cell in row if cell.lstrip()[:1] in tuple("=+@＝＋－＠")] == []
    assert sorted(row[column] for row in read_csv(io.StringIO(text))) == sorted(map(plain, hostile))


def test_tables_for_spreadsheets() -> None:
    check_csv(csv_text(CONFUSION_COLUMNS, [{"true": text, "count": -1} for text in HOSTILE]), "true", HOSTILE)
    names = [field.name for field in fields(ReviewPair)]
    pairs = [ReviewPair(**(dict.fromkeys(names, text) | {"distance": 1, "decision": "drop_a"})) for text in HOSTILE]
    check_csv(review_csv(pairs), "species_a", HOSTILE)
    plain_pair = ReviewPair(**(dict.fromkeys(names, "ab12") | {"distance": 1, "decision": "drop_a"}))
    assert read_decisions(review_csv([plain_pair]).splitlines()) == {("ab12", "ab12"): "drop_a"}


def test_the_manifest_holds_the_texts_as_they_are() -> None:
    manifest = {"artifacts": {text: {"config": {"title": text}} for text in HOSTILE_UTF8}}
    read = yaml.safe_load(to_yaml(manifest))
    assert read["artifacts"] == manifest["artifacts"]
