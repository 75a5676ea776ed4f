"""The dashboard's tables of a calibration: thresholds, sets, and what strangers are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aplantida.domain.escaping import for_html
from aplantida.release.page import number, percent, table

STRANGERS = {"plant": "pictures without a plant", "known": "plants of other species"}
ANSWERED = {"non_plant": STRANGERS["plant"], "stranger": STRANGERS["known"]}


def calibration_tables(calibration: Mapping[str, Any]) -> str:
    """HTML of ``calibration.json``: errors, the threshold, what each one accepts, and sets."""
    chosen = calibration["threshold"]
    reached = "reached" if chosen["target_reached"] else "NOT reached"
    intro = (
        f"<p>Temperature {calibration['temperature']:.3f}. Target precision {chosen['target_precision']:.0%} on the "
        f"validation photos: {reached}, at confidence {chosen['val']['threshold']:.3f}.</p>"
    )
    intro += _named(calibration.get("rules", {}).get("outcomes", {}).get("species", {}))
    because = calibration.get("unsure_because", [])
    if because:
        intro += f"<p>The decision is always “unsure”: {for_html('; '.join(because))}.</p>"
    ece = [
        (name, number(calibration["ece"][name]), number(calibration["ece_equal_mass"][name]))
        for name in ("before", "after")
    ]
    thresholds = sorted([*calibration["precision_table"]["test"], chosen["test"]], key=lambda row: row["threshold"])
    rows = [
        (
            number(float(row["threshold"])),
            percent(row["coverage"]),
            row["num_accepted"],
            percent(row["precision"]),
            between(row.get("precision_interval")),
        )
        for row in thresholds
    ]
    head = ("threshold, without gates for strangers", "accepted of test", "photos", "precision", "95 % interval")
    errors = table(("", "ECE, equal width", "ECE, equal mass"), ece)
    return intro + errors + table(head, rows) + _sets(calibration.get("sets", {}))


def _named(species: Mapping[str, Any]) -> str:
    """What all rules together name of the test photos, the gates for strangers among them."""
    if not species.get("num_photos"):
        return ""
    return (
        f"<p>With all rules, gates for strangers among them, {percent(species['share'])} of the test photos are named "
        f"as a species; {percent(species['precision'])} of these are right "
        f"(95 % interval {between(species['precision_interval'])}).</p>"
    )


def _sets(sets: Mapping[str, Any]) -> str:
    """Conformal sets: what their level promises, and what they held."""
    rows = [
        (
            f"{method}{' (ships)' if method == sets['method'] else ''}",
            percent(row["level"]),
            percent(row["coverage"]),
            percent(row["macro_coverage"]),
            number(row["mean_size"]),
            percent(row["resampled"]["coverage"]),
            percent(row["resampled"]["macro_coverage"]),
        )
        for method, found in sets.get("methods", {}).items()
        for row in found
    ]
    head = ("sets", "level", "test photos held", "mean over species", "mean size")
    return table((*head, "held, 1,000 resamplings of val and test", "of these, over species"), rows) if rows else ""


def stranger_tables(strangers: Mapping[str, Any], answered: Mapping[str, Any]) -> str:
    """HTML of what ``calibration.json`` says of strangers: who is named before and after, every score, the winner.

    Args:
        strangers: of each gate.
        answered: what all rules together tell them.
    """
    found = [(what, strangers[name]) for name, what in STRANGERS.items() if name in strangers]
    head = (
        "strangers, on test",
        "photos",
        "named as a species without a gate",
        "with it",
        "one-sided bounds, of others",
    )
    head = (*head, "known photos refused", "known photos named", "the gate")
    parts = [table(head, [_effect(what, report) for what, report in found]), _answered(answered)]
    for what, report in found:
        if report.get("scores"):
            parts += [f"<p>Scores that tell {for_html(what)} from known photos.</p>", _scores(report)]
        if report.get("curve"):
            cells = [(percent(row["known_refused"]), percent(row["passed"])) for row in report["curve"]]
            parts.append(table(("known photos refused", "of these strangers pass"), cells))
    return "\n".join(parts)


def _answered(answered: Mapping[str, Any]) -> str:
    rows = [
        (what, found["num_photos"], *map(percent, found["shares"].values()), percent(found["species_at_most"]))
        for kind, what in ANSWERED.items()
        if (found := answered.get(kind, {})).get("num_photos")
    ]
    if not rows:
        return ""
    shares = next(found["shares"] for found in answered.values() if found["num_photos"])
    outcomes = [name.replace("_", " ") for name in shares]
    head = ("what all rules together say, on test", "photos", *outcomes, "a species at most, of others, one-sided 90 %")
    return table(head, rows)


def _effect(what: str, report: Mapping[str, Any]) -> Sequence[Any]:
    """A row; without a gate what is named without it is named."""
    if "score" not in report:
        count = report["num_test"]
        named = _of(report.get("named_without_gate", {}).get("test"), count)
        return (what, count, named, named, "–", "–", "–", f"none: {report['reason']}")
    test, reached = report["test"], "" if report["target_reached"] else "; target NOT reached on val"
    count = test["num_strangers"]
    return (
        what,
        count,
        _of(test["named_without_gate"], count),
        _of(test["named_as_species"], count),
        between(test["named_as_species_bounds"]),
        percent(test["known_refused"]),
        percent(test["known_named"]),
        f"{report['score']} below {report['threshold']:.4g}{reached}",
    )


def _of(share: float | None, count: int) -> str:
    return "–" if share is None else f"{round(share * count)} ({percent(share)})"


def _scores(report: Mapping[str, Any]) -> str:
    head = ("score", "bytes in a page", "AUROC val", "AUROC test", "pass at the limit, val", "test", "")
    rows = [
        (
            row["score"],
            row["bytes"],
            number(row["val_auroc"]),
            number(row.get("test_auroc")),
            percent(row["val_passed_at_limit"]),
            percent(row.get("test_passed_at_limit")),
            "ships" if row["score"] == report.get("score") else "" if row["fits"] else "does not fit a page",
        )
        for row in report["scores"]
    ]
    return table(head, rows)


def plants_table(models: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """What several photos of one plant are worth, by model; empty where no evaluation says."""
    rows = [
        (
            label,
            plants.get("by", "group of the split") + (", an upper bound" if plants.get("upper_bound", True) else ""),
            plants["fused"]["num_photos"],
            percent(plants["photos"]["top1"]),
            percent(plants["fused"]["top1"]),
        )
        for label, metrics in models
        if (plants := metrics["test"].get("plants")) and plants["fused"]["num_photos"]
    ]
    head = ("several photos of one plant", "fused by", "plants", "top-1, photo by photo", "top-1, fused")
    return table(head, rows) if rows else ""


def between(span: Sequence[float] | None) -> str:
    """An interval of shares in per cent; a dash for None."""
    return "–" if span is None else f"{percent(span[0])} – {percent(span[1])}"
