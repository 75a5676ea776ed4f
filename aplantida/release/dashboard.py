"""The dashboard page: one HTML file that loads nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aplantida.domain.escaping import for_html
from aplantida.release.calibration_page import between, calibration_tables, plants_table, stranger_tables
from aplantida.release.figures import panels, to_svg
from aplantida.release.findings import Findings
from aplantida.release.gains import Gain
from aplantida.release.page import number, page, percent, table
from aplantida.release.targets import TargetResult

SHOWN_CONFUSIONS = 25


def to_html(findings: Findings, targets: Sequence[TargetResult], title: str) -> str:
    """The page.

    Args:
        findings: what is shown.
        targets: the judged targets.
        title: of the page.
    """
    drawn = {name: to_svg(lambda axes, draw=draw: draw(axes, findings)) for name, draw in panels(findings).items()}
    strangers, answered = (findings.calibration.get(name) for name in ("strangers", "strangers_answered"))
    sections = (
        ("Targets", targets, lambda: _targets(targets)),
        ("Models", findings.models, lambda: drawn["models"] + _models(findings)),
        ("Regions and frequency bands", findings.models, lambda: _parts(findings)),
        ("Training", findings.curves, lambda: drawn["curves"]),
        ("Calibration", findings.calibration, lambda: drawn["reliability"] + calibration_tables(findings.calibration)),
        *([("Strangers", True, lambda: stranger_tables(strangers, answered or {}))] if strangers else []),
        ("Confusions", findings.confusions, lambda: drawn["confusions"] + _confusions(findings)),
        ("Data", findings.stages, lambda: drawn["funnel"] + _losses(findings)),
        ("Species", findings.species, lambda: drawn["species"]),
        *([("Licences to decide about", True, lambda: _decisions(findings))] if findings.decisions else []),
        ("Bundle", findings.bundle, lambda: table(("part", "MB"), [(n, number(s)) for n, s in findings.bundle])),
        ("Runtimes", findings.parity or findings.timings, lambda: _runtimes(findings)),
    )
    return page(title, "\n".join(_section(*section) for section in sections))


def _section(title: str, values: Any, body: Callable[[], str]) -> str:
    return f"<h2>{for_html(title)}</h2>\n{body() if values else '<p>Not in this run.</p>'}"


def _targets(targets: Sequence[TargetResult]) -> str:
    rows = "\n".join(
        f'<tr><td>{for_html(item.name)}</td><td class="text">{for_html(item.what)}</td><td>{for_html(item.target)}</td>'
        f'<td>{number(item.measured)}</td><td class="{item.verdict.replace(" ", "-")}">{item.verdict}</td></tr>'
        for item in targets
    )
    return f"<table>\n<tr><th>target</th><th></th><th>wanted</th><th>measured</th><th></th></tr>\n{rows}\n</table>"


def _models(findings: Findings) -> str:
    rows = []
    for label, metrics in findings.models:
        test, share = metrics["test"], metrics["coverage"]["test"]["share"]
        span = test["top1_interval"]
        keys = ("top1", "top5", "macro_top1", "macro_top5", "genus_top1", "family_top1")
        figures = [percent(test[key]) for key in keys]
        rows.append(
            (label, metrics["num_classes"], percent(share), test["num_photos"], figures[0], between(span), *figures[1:])
        )
    head = ("model", "classes", "photos it may know", "photos", "top-1", "95 % interval", "top-5")
    shown = table((*head, "macro top-1", "macro top-5", "genus", "family"), rows)
    return shown + _gains(findings) + plants_table(findings.models)


def _gains(findings: Findings) -> str:
    keys = {"top1": "top-1", "top5": "top-5", "macro_top1": "macro top-1", "macro_top5": "macro top-5"}
    rows = [
        (f"{better} minus {worse}", *(_points(found[key]) if found else "other photos" for key in keys))
        for better, worse, found in findings.gains
    ]
    head = ("difference, points, with its 95 % interval", *keys.values())
    return table(head, rows) if rows else "<p>No two models to compare in this run.</p>"


def _points(gain: Gain) -> str:
    low, high = gain.interval
    return f"{100 * gain.difference:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def _parts(findings: Findings) -> str:
    names = list(findings.models[0][1]["test"]["regions"])
    head = ("model", *(f"{name}{way}" for name in names for way in ("", ", by country", ", by distribution")))
    rows = [
        (label, *(_cell(part) for name in names for part in _ways(metrics["test"]["regions"].get(name))))
        for label, metrics in findings.models
    ]
    bands = list(findings.models[0][1]["test"]["frequency_bands"])
    band_rows = [
        (label, *(_cell(metrics["test"]["frequency_bands"].get(name)) for name in bands))
        for label, metrics in findings.models
    ]
    note = "<p>Top-1, with the number of test photos.</p>"
    return note + table(head, rows) + table(("training photos", *bands), band_rows)


def _ways(region: dict[str, Any] | None) -> list[dict[str, Any] | None]:
    return [region, region["by_country"], region["by_distribution"]] if region else [None, None, None]


def _cell(part: dict[str, Any] | None) -> str:
    return f"{percent(part['top1'])} ({part['num_photos']})" if part and part["num_photos"] else "–"


def _confusions(findings: Findings) -> str:
    rows = [
        (
            row["true"],
            row["predicted"],
            row["count"],
            percent(float(row["share"])),
            row["same_genus"],
            row["same_family"],
        )
        for row in findings.confusions[:SHOWN_CONFUSIONS]
    ]
    return table(("species", "taken for", "photos", "of its photos", "same genus", "same family"), rows)


def _decisions(findings: Findings) -> str:
    none = {"decided": "not decided", "by": "", "date": ""}
    rows = [
        (row["about"], row["num_photos"], row["question"], *((row["decision"] or none)[key] for key in none))
        for row in findings.decisions
    ]
    return table(("class", "photos", "question", "decision", "by", "date"), rows)


def _losses(findings: Findings) -> str:
    return table(("photos left", ""), findings.stages) + table(("lost at", "reason", "rows"), findings.losses)


def _runtimes(findings: Findings) -> str:
    parts = []
    if findings.parity:
        parts.append(table(tuple(findings.parity[0]), [tuple(row.values()) for row in findings.parity]))
    if findings.timings:
        parts.append(
            table(
                ("seconds until the first answer, and per photo", ""),
                [(name, number(value)) for name, value in findings.timings.items()],
            )
        )
    return "\n".join(parts)
