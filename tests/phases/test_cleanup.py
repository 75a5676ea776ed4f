from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aplantida.phases.cleanup import PHASE
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures.artifacts import seal

BASE = "configs/cleanup.yaml"


def clean(**values: Any) -> dict[str, Any]:
    return dict(execute(PHASE, files=[BASE], values=values).metrics)


def text(content: str) -> Any:
    def fill(output: ArtifactWriter) -> None:
        output.write_text("a.txt", content)

    return fill


def broken(output: ArtifactWriter) -> None:
    output.write_text("half.txt", "half")
    raise KeyboardInterrupt


@pytest.fixture
def runs(root: Path) -> Path:
    seal("runs/demo/first", "thing", text("first"))
    seal("runs/demo/second", "thing", text("second"), {"first": "runs/demo/first"})
    seal("runs/demo/other", "thing", text("other"))
    with pytest.raises(KeyboardInterrupt):
        seal("runs/demo/begun", "thing", broken)
    return root / "runs"


def kinds(report: dict[str, Any]) -> dict[str, str]:
    return {row["path"]: row["category"] for row in report["leftovers"]}


def test_it_lists_and_deletes_nothing_unless_told(runs: Path) -> None:
    before = sorted(runs.rglob("*"))
    report = clean()
    assert kinds(report) == {"demo/begun": "unsealed"}
    assert report["bytes"] >= 4
    assert report["bytes_freed"] == 0
    assert sorted(runs.rglob("*")) == before


def test_what_no_kept_artifact_descends_from_is_unreferenced(runs: Path) -> None:
    report = clean(keep=["second"], delete=True)
    assert kinds(report) == {"demo/begun": "unsealed", "demo/other": "unreferenced"}
    assert report["bytes_freed"] == report["bytes"] > 0
    assert not (runs / "demo" / "other").exists()
    assert not (runs / "demo" / "begun").exists()
    assert open_artifact(runs / "demo" / "second").verify() == []
    assert kinds(clean()) == {"demo/_logs/begun": "logs", "demo/_logs/other": "logs"}


def test_orphans_scratch_and_damage(runs: Path) -> None:
    (runs / "demo" / "second" / "_progress").mkdir()
    (runs / "demo" / "second" / "_progress" / "state.bin").write_bytes(b"12345")
    (runs / "demo" / "first" / "artifact.json").unlink()
    (runs / "demo" / "first" / "a.txt").unlink()
    (runs / "demo" / "first").rmdir()
    (runs / "demo" / "other" / "a.txt").write_text("another length")
    report = clean(categories=["scratch", "orphaned", "damaged"])
    assert kinds(report) == {
        "demo/second/_progress": "scratch",
        "demo/second": "orphaned",
        "demo/other": "damaged",
    }
    assert next(row["bytes"] for row in report["leftovers"] if row["category"] == "scratch") == 5


def test_a_parent_made_anew_orphans_its_child(runs: Path) -> None:
    clean(categories=["unreferenced"], keep=["other"], delete=True)
    seal("runs/demo/first", "thing", text("first"))
    seal("runs/demo/second", "thing", text("second"), {"first": "runs/demo/first"})
    for file in (runs / "demo" / "first").iterdir():
        file.unlink()
    (runs / "demo" / "first").rmdir()
    seal("runs/demo/first", "thing", text("changed"))
    assert kinds(clean(categories=["orphaned"])) == {"demo/second": "orphaned"}


def test_a_link_out_of_the_folder_is_not_followed(runs: Path, root: Path) -> None:
    (root / "precious" / "_progress").mkdir(parents=True)
    (runs / "link").symlink_to(root / "precious")
    clean(delete=True)
    assert (root / "precious" / "_progress").is_dir()


def test_work_in_progress_is_left_alone(runs: Path) -> None:
    held = runs / "demo" / "begun" / "_progress" / "lock"
    hold = (
        "import fcntl,sys; f=open(sys.argv[1],'a'); fcntl.lockf(f,fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert kinds(clean(delete=True)) == {}
        process.communicate()
    assert kinds(clean()) == {"demo/begun": "unsealed"}
    session = runs / "demo" / "begun" / "_progress" / "session.json"
    session.write_text(json.dumps({"host": "another", "session_id": "x", "alive": time.time()}))
    assert kinds(clean()) == {}
    session.write_text(json.dumps({"host": "another", "session_id": "x", "alive": time.time() - 3600}))
    assert kinds(clean()) == {"demo/begun": "unsealed"}


def test_bad_requests(root: Path, runs: Path) -> None:
    with pytest.raises(BadRequest, match="no such folder"):
        clean(runs="nowhere")
    with pytest.raises(BadRequest, match="'studnet' is no sealed artifact"):
        clean(keep=["studnet"])
