"""What the dashboard says of thresholds, sets and strangers is what the calibration measured."""

from __future__ import annotations

import pytest

from aplantida.evaluation.answers import Answers
from aplantida.evaluation.conformal import METHODS, fit_sets, set_sizes
from aplantida.evaluation.decisions import at_threshold, precision_table
from aplantida.evaluation.rule_report import OUTCOMES
from aplantida.evaluation.stranger_choice import GateChoice, choose_gate
from aplantida.release.calibration_page import calibration_tables, plants_table, stranger_tables
from tests.evaluation.test_conformal import PREVALENCE, case
from tests.evaluation.test_stranger_choice import TARGET, sample
from tests.phases.test_build_dashboard import Page


def cell(share: float) -> str:
    return f"{100 * share:.1f} %"


@pytest.fixture(scope="module")
def choice() -> GateChoice:
    known = (sample(1, 400, True), sample(2, 400, True))
    return choose_gate(known, (sample(3, 200, False), sample(4, 150, False)), 0.7, TARGET)


def test_strangers_before_and_after_every_score_and_the_winner(choice: GateChoice) -> None:
    report, none = choice.report, {"reason": "too few <strangers>", "num_val": 3, "num_test": 4, "scores": []}
    page = Page(stranger_tables({"plant": none, "known": report}, {}))
    row, test = page.row("plants of other species"), report["test"]
    before, after = (round(150 * test[name]) for name in ("named_without_gate", "named_as_species"))
    assert before > 10 * after
    assert row[1:4] == ["150", f"{before} ({cell(before / 150)})", f"{after} ({cell(after / 150)})"]
    assert row[4] == " – ".join(cell(bound) for bound in test["named_as_species_bounds"])
    assert row[5:7] == [cell(test["known_refused"]), cell(test["known_named"])]
    assert row[7].startswith("nearest_center below ")
    assert page.row("pictures without a plant")[-1] == "none: too few <strangers>"
    for score in report["scores"]:
        shown = page.row(score["score"])
        assert shown[1:4] == [str(score["bytes"]), f"{score['val_auroc']:.4g}", f"{score['test_auroc']:.4g}"]
        assert (shown[-1] == "ships") == (score["score"] == report["score"])
        assert (shown[-1] == "does not fit a page") == (not score["fits"])
    assert page.row("5.0 %")[1] == cell(next(row["passed"] for row in report["curve"] if row["known_refused"] == 0.05))


def test_a_gate_that_does_not_ship_changes_nothing(choice: GateChoice) -> None:
    report = {"reason": "none is needed", "num_test": 150, "named_without_gate": {"test": 0.04}, "scores": []}
    assert Page(stranger_tables({"known": report}, {})).row("plants of other species")[1:4] == [
        "150",
        "6 (4.0 %)",
        "6 (4.0 %)",
    ]
    assert "ships" not in stranger_tables({"known": {**report, "scores": choice.report["scores"]}}, {})


def test_what_all_rules_together_say_of_strangers(choice: GateChoice) -> None:
    shares = dict.fromkeys(OUTCOMES, 0.0) | {"species": 0.04, "set": 0.06, "unknown": 0.9}
    told = {
        "stranger": {"num_photos": 50, "shares": shares, "species_at_most": 0.09},
        "non_plant": {"num_photos": 0, "shares": None, "species_at_most": None},
    }
    page = Page(stranger_tables({"known": choice.report}, told))
    expected = [cell(share) for share in shares.values()]
    assert ["plants of other species", "50", *expected, "9.0 %"] in page.rows
    assert page.row("what all rules together say, on test")[2:-1] == [name.replace("_", " ") for name in OUTCOMES]


def calibrated(val: Answers, test: Answers) -> dict[str, object]:
    table = case(7, 800)[0]
    sets = fit_sets(val, test, (0.9, 0.95), PREVALENCE, lambda rules: set_sizes(table, 1.7, rules, PREVALENCE))[1]
    chosen = {"val": at_threshold(val.confidences, val.correct, 0.65), "target_precision": 0.9, "target_reached": True}
    return {
        "temperature": 1.7,
        "threshold": {**chosen, "test": at_threshold(test.confidences, test.correct, 0.65)},
        "precision_table": {"test": precision_table(test.confidences, test.correct, (0.0, 0.5, 0.9, 0.999999))},
        "ece": {"before": 0.1, "after": 0.02},
        "ece_equal_mass": {"before": 0.1, "after": 0.02},
        "sets": {"method": "lac", "methods": sets},
        "rules": {
            "outcomes": {
                "species": {"num_photos": 9, "share": 0.45, "precision": 0.875, "precision_interval": [0.75, 0.95]}
            }
        },
    }


def test_thresholds_with_what_they_accept_their_precision_and_its_interval_and_sets() -> None:
    val, test = case(6, 800)[2], case(7, 800)[2]
    calibration = calibrated(val, test)
    page = Page(calibration_tables(calibration))
    shown = [row for row in page.rows if row[0] in ("0", "0.5", "0.65", "0.9", "1")]
    assert [row[0] for row in shown] == ["0", "0.5", "0.65", "0.9", "1"]  # rising
    at = at_threshold(test.confidences, test.correct, 0.5)
    interval = " – ".join(cell(bound) for bound in at["precision_interval"])
    assert shown[1] == ["0.5", cell(at["coverage"]), str(at["num_accepted"]), cell(at["precision"]), interval]
    assert shown[-1][1:] == ["0.0 %", "0", "–", "–"]
    for method in METHODS:
        for row, found in zip(
            [row for row in page.rows if row[0].partition(" ")[0] == method],
            calibration["sets"]["methods"][method],  # pyright: ignore[reportIndexIssue]
            strict=True,
        ):
            assert row[1:4] == [cell(found[name]) for name in ("level", "coverage", "macro_coverage")]
            assert row[4] == f"{found['mean_size']:.4g}"
            assert row[5:] == [cell(found["resampled"][name]) for name in ("coverage", "macro_coverage")]
    assert page.row("lac (ships)")
    assert page.row("threshold, without gates for strangers")
    html = calibration_tables(calibration)
    assert "45.0 % of the test photos are named as a species; 87.5 % of these are right" in html
    assert "of the test photos are named" not in calibration_tables({**calibration, "rules": {}})


def test_plants_are_said_to_be_an_upper_bound_where_nobody_observed_them() -> None:
    figures = {"fused": {"num_photos": 9, "top1": 0.75}, "photos": {"num_photos": 18, "top1": 0.5}}
    models = [
        ("one", {"test": {"plants": {**figures, "by": "observation", "upper_bound": False}}}),
        ("two", {"test": {"plants": {**figures, "by": "two photos of one species", "upper_bound": True}}}),
        ("old", {"test": {}}),
    ]
    page = Page(plants_table(models))
    assert page.row("one") == ["one", "observation", "9", "50.0 %", "75.0 %"]
    assert page.row("two")[1] == "two photos of one species, an upper bound"
    assert len(page.rows) == 3
    assert plants_table(models[2:]) == ""
