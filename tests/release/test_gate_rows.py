"""Bounds of the release gate over figures, whatever they are of."""

from __future__ import annotations

from typing import Any

import pytest

from aplantida.phases.release_gate import ReleaseGates
from aplantida.release.gate_rows import ROWS, judge_rows, quality_figures, shortened
from tests.release.test_release_texts import release

GREEN: dict[str, Any] = {
    "rows": {},
    "sizes": {"bundle": 100, "model": 50, "credits": 10},
    "size_limits": {"model": 50, "credits": 10},
    "quality": {
        "problems": [],
        "always_unsure": False,
        "targets": {
            "top-1": ["≥ 0.75", 0.8, "pass"],
            "page": ["≤ 5", None, "not measured"],
            "size": ["≤ 7", 9, "fail"],
        },
        "drops": {"all": [0.8, 0.79], "region spain": [0.8, 0.75], "band 0-9": [0.2, 0.3]},
    },
}
LOOSE = {"required": ("top-1",), "max_drop": 0.05, "max_bundle_bytes": 100}


def judged(metrics: dict[str, Any] = GREEN, **gates: Any) -> dict[str, list[str]]:
    rows = judge_rows(ReleaseGates(**{**LOOSE, **gates}), metrics)
    assert tuple(rows) == ROWS
    return {name: texts for name, texts in rows.items() if texts}


def with_quality(**changes: Any) -> dict[str, Any]:
    return {**GREEN, "quality": {**GREEN["quality"], **changes}}


def test_what_keeps_every_bound_is_green() -> None:
    assert judged() == {}


@pytest.mark.parametrize(
    ("gates", "says"),
    [
        ({"required": ("top-1", "page")}, "page: want ≤ 5, measured None: not measured"),  # unmeasured is not passed
        ({"required": ("size",)}, "size: want ≤ 7, measured 9: fail"),
        ({"required": ("of old",)}, "of old"),
        ({"max_drop": 0.049}, "region spain: top-1 0.750, the last release had 0.800"),
        ({"max_drop": 0.0}, "all: top-1 0.790"),
    ],
)
def test_quality_bounds(gates: dict[str, Any], says: str) -> None:
    found = judged(**gates)
    assert set(found) == {"quality"}
    assert any(says in text for text in found["quality"])


@pytest.mark.parametrize("name", ["bundle", "model", "credits"])
def test_every_size_has_its_limit(name: str) -> None:
    sizes = {**GREEN["sizes"], name: GREEN["sizes"][name] + 1}
    found = judged({**GREEN, "sizes": sizes})
    assert set(found) == {"size"}
    assert found["size"][0].startswith(f"{name}: ")


def test_a_yes_to_unsure_helps_only_what_is_always_unsure() -> None:
    bad = with_quality(problems=["the temperature ran to its bound"])
    assert "quality" in judged(bad)
    assert "names species" in judged(bad, ship_unsure=True)["quality"][-1]
    unsure = with_quality(problems=["the temperature ran to its bound"], always_unsure=True)
    assert "quality" in judged(unsure)
    assert judged(unsure, ship_unsure=True) == {}
    integrity = {**unsure, "rows": {"integrity": ["a byte"]}}
    assert judged(integrity, ship_unsure=True) == {"integrity": ["a byte"]}


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (
            {"num_photos": 300, "precision": 0.85, "precision_interval": [0.8, 0.88]},
            ["of 300 test photos", "0.850 are"],
        ),
        ({"num_photos": 300, "precision": 0.88, "precision_interval": [0.84, 0.91]}, []),
        ({"num_photos": 0, "share": 0.0}, []),
    ],
)
def test_a_promise_is_judged_by_what_all_rules_name(named: dict[str, Any], says: list[str]) -> None:
    made, alone = release(), {"precision": 0.1, "precision_interval": [0.1, 0.1], "num_accepted": 9}
    threshold = {"target_precision": 0.9, "test": alone}  # without the gates for strangers, which ship
    made.__dict__["calibrated"] = {"threshold": threshold, "rules": {"outcomes": {"species": named}}}
    problems = quality_figures(made, [], [], [])["problems"]
    assert len(problems) == bool(says)
    assert all(text in problems[0] for text in says)


def test_long_lists_are_cut() -> None:
    assert shortened(["a"] * 5) == ["a"] * 5
    assert shortened(["a"] * 7)[-1] == "… and 2 more"
