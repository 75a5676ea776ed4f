"""The reports on data that people read: of the audit, of the data as it was split, of pairs to be reviewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aplantida.domain.escaping import for_html
from aplantida.domain.reason_words import in_words
from aplantida.release.data_figures import draw_counts, draw_photos_per_species, draw_sizes
from aplantida.release.figures import to_svg
from aplantida.release.page import Shown, contact_sheet, counts_table, page, percent, section, table

MOST_ROWS = 40


def audit_page(
    report: Mapping[str, Any], species: Sequence[Mapping[str, Any]], broken: Mapping[tuple[str, str], int]
) -> str:
    """What the audit found, for someone who knows plants rather than databases.

    Args:
        report: ``audit.json``.
        species: rows of ``species.parquet``.
        broken: broken links by host and reason.
    """
    links = report["links"]
    verdict = "pass" if report["verdict"] == "pass" else "fail"
    nothing = "" if report["num_acceptable_entries"] else "Nothing can be used. "
    parts = (
        f'<p class="{verdict}">Verdict: {verdict}. {nothing}{links["broken"]} of {links["asked"]} links asked for are '
        f"broken ({percent(links['broken_fraction'])}; at most {percent(links['max_broken_fraction'])} are tolerated)."
        "</p>",
        _audit_counts(report),
        _warnings(report["warnings"]),
        section("Photos per species", *_audit_species(species)),
        section(
            "Licences",
            to_svg(partial(draw_counts, counts=_named(report["entries_by_license"]), title="As they are read")),
            counts_table("as they are spelled", _named(report["license_spellings"]), MOST_ROWS),
            _unreadable(report["unreadable_licenses"]),
        ),
        section("Not used, by reason", _reasons(report["refused_by_reason"])),
        section(
            "Names refused", counts_table("what was read, and why it is no species", report["refused_names"], MOST_ROWS)
        ),
        section("Broken links", _reasons(links["by_reason"]), _by_host(broken)),
        section(
            "What is missing",
            counts_table("photos without", report["entries_without"]),
            counts_table("documents without", report["documents_without"]),
            *(
                counts_table(f"{what} that could not be read", _by_text(report[f"unreadable_{what}"]), MOST_ROWS)
                for what in ("dates", "countries", "distributions")
            ),
        ),
    )
    return page("Audit of the collection", "\n".join(parts))


def _audit_counts(report: Mapping[str, Any]) -> str:
    rows = [
        ("documents", report["num_documents"]),
        ("species", report["num_species"]),
        ("photos listed", report["num_entries"]),
        ("photos that may be used", report["num_acceptable_entries"]),
        ("species with enough of them", report["num_acceptable_species"]),
        ("fewest, median, most photos of a species", _span(report["images_per_species"])),
    ]
    return table(("", "number"), rows)


def _warnings(warnings: Sequence[str]) -> str:
    items = "".join(f"<li>{for_html(warning)}.</li>" for warning in warnings)
    return f"<p>Worth a look before the collection is exported:</p><ul>{items}</ul>" if items else ""


def _by_text(unread: Mapping[str, Any]) -> dict[str, int]:
    return {row["text"]: row.get("num_entries", row.get("num_documents")) for row in unread["texts"]}


def _unreadable(licenses: Mapping[str, Any]) -> str:
    if not licenses["num_entries"]:
        return "<p>Every licence text was understood.</p>"
    rows = [(row["text"], row["problem"], row["num_entries"]) for row in licenses["texts"][:MOST_ROWS]]
    return (
        f"<p>{licenses['num_entries']} photos are not used because their licence text was not understood; it is one of "
        f"{licenses['num_texts']} texts. What a text means can be said in <code>license_texts</code>.</p>"
    ) + table(("text that was not understood", "because", "number"), rows)


def _audit_species(species: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    poor = sorted(species, key=lambda row: (row["num_acceptable"], row["scientific_name"]))[:MOST_ROWS]
    columns = ("num_documents", "num_entries", "num_acceptable", "num_broken_links")
    return (
        to_svg(partial(draw_photos_per_species, counts=[row["num_acceptable"] for row in species])),
        "<p>The species with the fewest usable photos:</p>",
        table(
            ("species", "documents", "photos listed", "usable", "broken links"),
            [(row["scientific_name"], *(row[name] for name in columns)) for row in poor],
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """What the data card shows; every figure in it is in ``data_card.json`` too.

    Attributes:
        counts: rows of (what, number).
        splits: photos by part of the data (all, a region, a frequency band), then by split.
        photos_per_species: of the split, one number a species.
        licenses: photos by licence.
        countries: photos by country.
        short_sides: photos by the short side of the original, pixels.
        stored_short_side: pixels.
        failures: photos that were not stored, by host and reason.
        excluded: photos left out of the split, by reason.
        sample: photos for the contact sheet.
    """

    counts: Sequence[tuple[str, int]]
    splits: Mapping[str, Mapping[str, int]]
    photos_per_species: Sequence[int]
    licenses: Mapping[str, int]
    countries: Mapping[str, int]
    short_sides: Mapping[int, int]
    stored_short_side: int
    failures: Mapping[tuple[str, str], int]
    excluded: Mapping[str, int]
    sample: Sequence[Shown]


def data_card_page(card: DataCard) -> str:
    """The data as the models will see it."""
    columns = list(next(iter(card.splits.values()), {}))
    rows = [(name, *(counts[column] for column in columns)) for name, counts in card.splits.items()]
    return page(
        "Data card",
        "\n".join(
            (
                table(("", "number"), list(card.counts)),
                section(
                    "Train, validation, test",
                    "<p>Photos. A photo belongs to a region when it was taken there, or, where nobody knows, when its "
                    "species grows there. Bands are of training photos a species.</p>",
                    table(("", *columns), rows),
                ),
                section("Photos per species", to_svg(partial(draw_photos_per_species, counts=card.photos_per_species))),
                section("Licences", to_svg(partial(draw_counts, counts=card.licenses, title="Licences"))),
                section(
                    "Countries", to_svg(partial(draw_counts, counts=card.countries, title="Where they were taken"))
                ),
                section(
                    "Sizes", to_svg(partial(draw_sizes, short_sides=card.short_sides, stored=card.stored_short_side))
                ),
                section("Not stored", _by_host(card.failures)),
                section("Stored and left out", counts_table("reason", card.excluded)),
                section("Some of the photos", contact_sheet(card.sample)),
            )
        ),
    )


def review_page(num_pairs: int, sheets: Sequence[tuple[str, tuple[Shown, Shown]]]) -> str:
    """Pairs of nearly equal photos of two species, side by side.

    Args:
        num_pairs: how many there are in all.
        sheets: of those that are shown: a heading, and the two photos.
    """
    intro = (
        f"<p>{num_pairs} pairs of photos look nearly the same and bear two names; {len(sheets)} are shown. Both photos "
        "of a pair are left out until somebody decides: write <code>keep_both</code>, <code>drop_a</code>, "
        "<code>drop_b</code> or <code>drop_both</code> into the column <code>decision</code> of a copy of "
        "<code>review.csv</code>, and name that file in <code>review.decisions</code>.</p>"
    )
    return page(
        "Photos to review", "\n".join((intro, *(section(title, contact_sheet(pair)) for title, pair in sheets)))
    )


def _reasons(counts: Mapping[str, int]) -> str:
    """How often each reason holds, with what it means in both languages."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    cells = [(reason, in_words(reason).en, in_words(reason).es, count) for reason, count in rows]
    return table(("reason", "in words", "en palabras", "number"), cells) if cells else "<p>None.</p>"


def _by_host(counts: Mapping[tuple[str, str], int]) -> str:
    """Failures by host and reason."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not rows:
        return "<p>None.</p>"
    more = f"<p>{len(rows) - MOST_ROWS} more rows.</p>" if len(rows) > MOST_ROWS else ""
    return table(("host", "reason", "number"), [(*pair, count) for pair, count in rows[:MOST_ROWS]]) + more


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    return {"(none)" if name in ("None", "") else name: count for name, count in counts.items()}


def _span(sizes: Mapping[str, int]) -> str:
    return for_html(f"{sizes['min']}, {sizes['median']}, {sizes['max']}")
