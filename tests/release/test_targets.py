from __future__ import annotations

from pathlib import Path

import pytest

from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.writer import ArtifactWriter
from aplantida.release.targets import judge, load_targets
from tests.fixtures.artifacts import seal


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Artifact]:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))

    def evaluation(output: ArtifactWriter) -> dict[str, float]:
        output.write_json("metrics.json", {"test": {"top1": 0.8, "regions": {}, "top5": None}})
        return {"seconds": 2.5}

    def bundle(output: ArtifactWriter) -> None:
        output.write_bytes("model/weights.bin", bytes(3_000_000))
        output.write_bytes("classes.json", bytes(500_000))

    return [seal("evaluation", "evaluation", evaluation), seal("student_v1.0", "model_bundle", bundle)]


def test_every_measure_and_bound(run: list[Artifact]) -> None:
    test = {"node": "evaluation", "file": "metrics.json", "what": ""}
    bundle = {"kind": "model_bundle", "what": ""}
    results = judge(
        [
            {"name": "a", **test, "metric": "test.top1", "at_least": 0.8},
            {"name": "b", **test, "metric": "test.top1", "at_most": 0.79},
            {"name": "c", "node": "evaluation", "what": "", "metric": "seconds", "at_most": 5},
            {"name": "d", **bundle, "bytes_under": "model/", "at_most": 3},
            {"name": "e", **bundle, "bytes_under": "", "equals": 3.5},
            {"name": "f", "what": "", "same_seed": True, "equals": True},
        ],
        run,
    )
    assert [(item.name, item.measured, item.verdict) for item in results] == [
        ("a", 0.8, "pass"),
        ("b", 0.8, "fail"),
        ("c", 2.5, "pass"),
        ("d", 3.0, "pass"),
        ("e", 3.5, "pass"),
        ("f", True, "pass"),
    ]
    assert results[0].target == "≥ 0.8"


def test_what_nothing_measures_never_passes(run: list[Artifact]) -> None:
    test = {"node": "evaluation", "file": "metrics.json", "what": "", "at_least": 0.0}
    results = judge(
        [
            {"name": "no such region", **test, "metric": "test.regions.spain.top1"},
            {"name": "no photos", **test, "metric": "test.top5"},
            {"name": "no node", **test, "node": "nowhere", "metric": "x"},
            {"name": "no file", **test, "file": "other.json", "metric": "x"},
            {"name": "no bytes", "kind": "model_bundle", "what": "", "bytes_under": "wasm/", "at_most": 1},
        ],
        run,
    )
    assert {item.verdict for item in results} == {"not measured"}


def test_the_projects_own_targets_are_well_formed() -> None:
    targets = load_targets(CHECKOUT / "configs" / "targets.yaml")
    bounds = {item["name"]: item.get("at_least", item.get("at_most")) for item in targets}
    assert bounds["global top-1"] == 0.75
    assert bounds["global top-5"] == 0.90
    assert bounds["Spain top-1"] == 0.88
    assert bounds["Europe top-1"] == 0.68
    assert bounds["calibration error"] == 0.10
    assert bounds["bundle size"] == 150


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targets: []", "want a list"),
        ("targets: [{name: a}]", "`what`"),
        ("targets: [{name: a, what: b, node: n, metrik: x, at_least: 1}]", "unknown key 'metrik'"),
        ("targets: [{name: a, what: b, node: n, metric: x}]", "exactly one of at_least"),
        ("targets: [{name: a, what: b, node: n, metric: x, bytes_under: y, at_least: 1}]", "exactly one of metric"),
        ("targets: [{name: a, what: b, metric: x, at_least: 1}]", "want a node or a kind"),
    ],
)
def test_a_malformed_target_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "targets.yaml"
    file.write_text(text)
    with pytest.raises(BadRequest, match=message):
        load_targets(file)
