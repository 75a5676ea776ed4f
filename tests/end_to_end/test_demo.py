"""The whole chain, small: four drawn species from MongoDB to a bundle that Chromium has run, then all of it skipped."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aplantida.demo.mongod import free_port
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.config import CHECKOUT
from tests.fixtures.mini import write_mini_profile

NODES = 26


def demo(root: Path, overlay: Path, port: int) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("MONGO_URI", "RAY_ADDRESS")}
    return subprocess.run(
        [
            *(sys.executable, "-m", "aplantida.demo", "--config", str(overlay)),
            *("--species", "4", "--photos", "16", "--short-side", "72", "--port", str(port)),
        ],
        cwd=CHECKOUT,
        env={**environment, "APLANTIDA_ROOT": str(root), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def rows_of(output: str) -> dict[str, tuple[str, str]]:
    """node -> (status, what came out), from the printed table."""
    rows = re.findall(r"^(\S+) +(done|resumed|skipped) +\d+ s +(.*)$", output, re.MULTILINE)
    return {node: (status, result) for node, status, result in rows}


@pytest.mark.timeout(1800)
def test_from_mongo_to_the_browser_and_then_all_skipped(tmp_path: Path) -> None:
    port = free_port()
    overlay = write_mini_profile(tmp_path / "profiles", "runs/mini", port)

    first = demo(tmp_path, overlay, port)
    assert first.returncode == 0, first.stderr[-6000:]
    rows = rows_of(first.stdout)
    assert len(rows) == NODES
    assert {status for status, _ in rows.values()} == {"done"}
    assert rows["split_dataset"][1].startswith("4 species")
    assert "distilled minus baseline" in first.stdout
    assert "dist/models/mini_v1.0" in first.stdout

    bundle = open_artifact(tmp_path / "dist/models/mini_v1.0", "model_bundle")
    assert {"model/model.json", "decision.json", "index.html"} <= set(bundle.files)
    assert bundle.verify() == []
    assert json.loads(bundle.file("classes.json").read_text())["classes"]

    second = demo(tmp_path, overlay, port)
    assert second.returncode == 0, second.stderr[-6000:]
    again = rows_of(second.stdout)
    assert {status for status, _ in again.values()} == {"skipped"}
    assert {node: result for node, (_, result) in again.items()} == {node: result for node, (_, result) in rows.items()}
    assert "Started a local Ray" not in second.stderr
