from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.phases import run_pipeline
from aplantida.phases._foresight import with_sizes
from aplantida.phases.cleanup import PHASE as CLEANUP
from aplantida.phases.registry import load_phase
from aplantida.phases.run_pipeline import PHASE
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.cli import main
from aplantida.pipeline.config import find_file, load_config
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.graph import load_graph
from aplantida.pipeline.plan import Prospect, foresee
from aplantida.pipeline.runner import execute
from tests.fixtures.artifacts import make_checkpoint, make_images, make_split

JUDGES = ("quantize_model", "evaluate_model")
MEASURING = """
import sys
import psutil
from aplantida.phases import run_pipeline
from aplantida.pipeline.runner import execute

note = run_pipeline._note

def noted(*arguments):
    note(*arguments)
    driver = psutil.Process()
    print(driver.memory_info().rss, sum(child.memory_info().rss for child in driver.children(recursive=True)))

run_pipeline._note = noted
execute(run_pipeline.PHASE, files=sys.argv[1:])
"""


@pytest.fixture
def config(root: Path) -> Path:
    """A graph of two real phases over small artifacts: a split of drawn photos, and a cleanup that seals nothing."""
    make_images("runs/x/photos")
    nodes = [
        {"name": "cleanup", "phase": "cleanup", "config": ["configs/cleanup.yaml", str(root / "cleanup.yaml")]},
        {
            "name": "split",
            "phase": "split_dataset",
            "config": ["configs/split_dataset.yaml"],
            "inputs": {"images": "photos"},
        },
        {"name": "photos", "phase": "fetch_images", "config": ["configs/fetch_images.yaml"]},
    ]
    (root / "graph.yaml").write_text(yaml.safe_dump({"nodes": nodes}))
    (root / "cleanup.yaml").write_text("runs: [runs/x]\n")
    overlay = {"graph": str(root / "graph.yaml"), "runs": "runs/x", "nodes": ["split"], "seed": 5}
    (root / "run.yaml").write_text(yaml.safe_dump(overlay))
    return root / "run.yaml"


def run(config: Path, **values: Any) -> dict[str, str]:
    return dict(execute(PHASE, files=["configs/run_pipeline.yaml", str(config)], values=values).metrics)


def test_nodes_are_run_then_skipped_and_what_became_of_them_is_noted(config: Path, root: Path) -> None:
    assert run(config) == {"split": "done"}
    assert open_artifact(root / "runs/x/split", "split").config["seed"] == 5
    assert run(config) == {"split": "skipped"}
    (row,) = json.loads((root / "runs/x/last_run.json").read_text())
    assert (row["node"], row["phase"], row["status"]) == ("split", "split_dataset", "skipped")


def test_a_cleanup_of_a_paused_run_leaves_it_resumable(
    config: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(phase: Any, **request: Any) -> Any:
        raise KeyboardInterrupt

    make_images("runs/x/other_photos")
    with monkeypatch.context() as patch:
        patch.setattr(run_pipeline, "_carry_out", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    tidy = {"runs": "runs/x", "keep": ["other_photos"], "delete": True, "log_days": 0}
    request = {**tidy, "categories": ["scratch", "damaged", "unreferenced"]}
    assert execute(CLEANUP, files=["configs/cleanup.yaml"], values=request).metrics["leftovers"] == []
    assert run(config) == {"split": "done"}
    leftovers = execute(CLEANUP, files=["configs/cleanup.yaml"], values={**request, "delete": False})
    assert [row["path"] for row in leftovers.metrics["leftovers"]] == ["photos", "split"]


def test_name_and_version_are_one_pair_in_folder_and_files(root: Path) -> None:
    make_images("runs/x/photos")
    node = {
        "phase": "generate_manifest",
        "config": ["configs/generate_manifest.yaml"],
        "inputs": {"artifacts": "photos"},
    }
    nodes = [
        {"name": "photos", "phase": "fetch_images", "config": ["configs/fetch_images.yaml"]},
        {**node, "name": "manifest", "inputs": {"artifacts": "photos"}, "output": "{bundles}/{name}_{version}"},
    ]
    (root / "graph.yaml").write_text(yaml.safe_dump({"nodes": nodes}))
    request = {"graph": str(root / "graph.yaml"), "runs": "runs/x", "nodes": ["manifest"]}
    execute(PHASE, files=["configs/run_pipeline.yaml"], values={**request, "name": "other", "version": "v2"})
    said = yaml.safe_load((root / "dist/models/other_v2/TRAINING_MANIFEST_v2.yaml").read_text())
    assert (said["name"], said["version"]) == ("other", "v2")
    for wrong in ("../x", "a/b", "", ".x", "a\n", "x y"):
        with pytest.raises(BadRequest, match="name"):
            execute(PHASE, files=["configs/run_pipeline.yaml"], values={**request, "name": wrong})
        with pytest.raises(BadRequest, match="version"):
            load_config(load_phase("export_tfjs").config, [], {"version": wrong})


def test_an_edited_seed_is_refused_by_the_node_it_bears_on(config: Path) -> None:
    run(config)
    with pytest.raises(RecipeChanged, match="seed: 5 -> 6"):
        run(config, seed=6)


def test_an_unknown_node_is_a_bad_request(config: Path) -> None:
    with pytest.raises(BadRequest, match="no node is called 'spilt'"):
        run(config, nodes=["spilt"])


def test_between_nodes_nothing_is_held_of_what_they_took(root: Path) -> None:
    """Imports alone are more than a GB when all nodes share a process; what they compute comes on top."""
    make_images("runs/x/photos")
    make_split("runs/x/split", "runs/x/photos")
    make_checkpoint("runs/x/teacher", {"images": "runs/x/photos", "split": "runs/x/split"})
    made = {"photos": "fetch_images", "split": "split_dataset", "teacher": "train_teacher"}
    nodes: list[dict[str, Any]] = [
        {"name": name, "phase": phase, "config": [f"configs/{phase}.yaml"]} for name, phase in made.items()
    ]
    inputs = {"images": "photos", "split": "split", "checkpoint": "teacher"}
    nodes += [{"name": name, "phase": name, "config": [f"configs/{name}.yaml"], "inputs": inputs} for name in JUDGES]
    (root / "graph.yaml").write_text(yaml.safe_dump({"nodes": nodes}))
    overlay = {"graph": str(root / "graph.yaml"), "runs": "runs/x", "nodes": list(JUDGES)}
    (root / "run.yaml").write_text(yaml.safe_dump(overlay))
    files = ["configs/run_pipeline.yaml", str(root / "run.yaml")]
    done = subprocess.run(
        [sys.executable, "-c", MEASURING, *files], capture_output=True, text=True, env=os.environ.copy(), check=True
    )
    resident = [tuple(int(number) for number in line.split()) for line in done.stdout.splitlines()]
    assert len(resident) == len(JUDGES)
    assert max(driver for driver, _ in resident) < 250_000_000
    assert max(driver + others for driver, others in resident) < 1_000_000_000


def test_a_dry_run_says_what_each_node_would_do_and_take(
    config: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = {"phase": "split_dataset", "how": "measured", "hours": 2.0, "bytes": 3e6, "driver_mb": 400, "worker_mb": 0}
    flags = ["--config", "configs/run_pipeline.yaml", "--config", str(config), "--dry-run"]

    def lines() -> str:
        code = main(PHASE, flags)
        return f"exit {code}\n{capsys.readouterr().err}"

    said = lines()
    assert "exit 0" in said
    assert re.search(r"split +run +its inputs are there", said)
    assert "hours, disk and memory are not known" in said
    (root / "runs/rehearsal").mkdir()
    costs = {"date": "2026-01-01", "machine": "m", "num_photos": 900, "nodes": {"split": cost}}
    (root / "runs/rehearsal/costs.json").write_text(json.dumps(costs))
    said = lines()
    assert "its inputs are there (2.0 h, 3.0 MB on disk, 400.0 MB of memory)" in said
    assert "reckoned from the rehearsal of 2026-01-01 on m, for its photos" in said
    run(config)
    assert re.search(r"split +skip +sealed under this recipe", lines())
    config.write_text(config.read_text().replace("seed: 5", "seed: 6"))
    said = lines()
    assert said.startswith("exit 3")
    assert "seed: 5 -> 6" in said
    assert not (root / "runs/x/split/_progress").exists()


def test_a_dry_run_tells_a_students_size_and_refuses_a_head_that_cannot_fit(config: Path, root: Path) -> None:
    run(config)
    node: dict[str, Any] = {"name": "student", "phase": "distill_student", "config": ["configs/distill_student.yaml"]}
    node["config"] += ["configs/baseline.yaml", str(root / "student.yaml")]
    node["inputs"] = {"images": "photos", "split": "split"}
    graph = yaml.safe_load((root / "graph.yaml").read_text())
    (root / "graph.yaml").write_text(yaml.safe_dump({"nodes": [*graph["nodes"], node]}))
    (root / "student.yaml").write_text("model: {pretrained: false}\n")
    found = with_sizes(foreseen(config, "student"))
    assert re.fullmatch(r"its inputs are there; a dense head for \d+ classes: 4\.\d+ MB in the browser", found[0].why)
    (root / "student.yaml").write_text("model: {pretrained: false}\ngates: {max_model_bytes: 4000000}\n")
    (refused,) = with_sizes(foreseen(config, "student"))
    assert refused.verdict == "refuse"
    assert "gates.max_model_bytes: 4000000 is too little for mobilenetv2" in refused.why


def foreseen(config: Path, node: str) -> list[Prospect]:
    given = load_config(PHASE.config, ["configs/run_pipeline.yaml", str(config)])
    return foresee(load_graph(find_file(given.graph)), load_phase, given.layout(), only=[node], values={"seed": 5})
