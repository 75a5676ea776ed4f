from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.phases.release_student import PHASE, SLICE
from aplantida.phases.run_pipeline import PHASE as RUN_PIPELINE
from aplantida.pipeline.artifact import is_sealed
from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.errors import GateFailed
from aplantida.pipeline.graph import load_graph
from aplantida.pipeline.runner import execute

UPSTREAM = {"fetch_images": "images", "split_dataset": "split", "student": "model"}
CHANGES: dict[str, dict[str, Any]] = {
    "quantized": {"min_elements": 5000},
    "evaluation": {"num_non_plants": 0},
    "calibration": {"gates": {"ship_unsure": True}},
    "bundle": {"num_golden": 6},
    "validation": {"num_photos": 2, "num_warm_runs": 1},
}


@pytest.fixture(autouse=True)
def root(exported_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(exported_root))
    return exported_root


def write_graph(folder: Path, validation: str, **bounds: float) -> Path:
    """The real graph's slice over the fixture's artifacts: nodes upstream of it only name what is there."""
    nodes = []
    for node in load_graph(CHECKOUT / "configs/pipeline.yaml"):
        item: dict[str, Any] = node.model_dump()
        if node.name in UPSTREAM:
            item |= {"inputs": {}, "output": UPSTREAM[node.name]}
        elif node.name in SLICE:
            overlay = folder / f"{node.name}.yaml"
            change = {
                **CHANGES.get(node.name, {}),
                **({"gates": {"bounds": bounds}} if node.name == "validation" else {}),
            }
            overlay.write_text(yaml.safe_dump(change))
            output = validation if node.name == "validation" else node.name
            item |= {"config": [*node.config, str(overlay)], "output": output}
        else:
            continue
        if node.name == "licenses":
            item["inputs"]["checkpoints"] = ["quantized", "student"]
        nodes.append(item)
    assert [item["name"] for item in nodes if item["name"] in SLICE] == list(SLICE)
    path = folder / "graph.yaml"
    path.write_text(yaml.safe_dump({"nodes": nodes}))
    return path


def test_one_job_releases_the_student_and_skips_what_is_sealed(root: Path, tmp_path: Path) -> None:
    graph = write_graph(tmp_path, "released_validation", max_probability_difference=1e-3)
    values = {"graph": str(graph), "runs": ".", "name": "tiny"}
    first = execute(PHASE, files=["configs/release_student.yaml"], values=values).metrics
    assert first == {**dict.fromkeys(SLICE, "skipped"), "validation": "done"}
    assert is_sealed(root / "released_validation")
    again = execute(PHASE, files=["configs/release_student.yaml"], values=values).metrics
    assert set(again.values()) == {"skipped"}


def test_a_gate_ends_the_job(root: Path, tmp_path: Path) -> None:
    graph = write_graph(tmp_path, "gated_validation", max_probability_difference=0.0)
    with pytest.raises(GateFailed, match="probabilities differ") as caught:
        execute(
            PHASE, files=["configs/release_student.yaml"], values={"graph": str(graph), "runs": ".", "name": "tiny"}
        )
    assert caught.value.exit_code == 4
    assert not is_sealed(root / "gated_validation")


def test_the_slice_is_part_of_the_graph() -> None:
    names = [node.name for node in load_graph(CHECKOUT / "configs/pipeline.yaml")]
    assert [name for name in names if name in SLICE] == list(SLICE)
    assert set(PHASE.config.model_fields) == set(RUN_PIPELINE.config.model_fields)
