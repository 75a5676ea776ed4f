from __future__ import annotations

import errno
import json
import os
import shutil
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
from aplantida.pipeline.waiting import WaitingNodes
from aplantida.pipeline.writer import ArtifactWriter
from aplantida.release.records import write_records
from aplantida.release.retention import is_being_written
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


def kept(report: dict[str, Any]) -> dict[str, str]:
    return {row["path"]: row["category"] for row in report["kept"]}


def remove(path: Path) -> None:
    shutil.rmtree(path)


def test_it_lists_and_deletes_nothing_unless_told(runs: Path) -> None:
    (runs / "demo" / "other" / "_progress").mkdir()
    (runs / "demo" / "other" / "_progress" / "state.bin").write_bytes(b"12345")
    before = sorted(runs.rglob("*"))
    report = clean()
    assert kinds(report) == {"demo/other/_progress": "scratch"}
    assert kept(report) == {}  # unfinished work is a root
    assert (report["bytes"], report["bytes_freed"]) == (5, 0)
    assert sorted(runs.rglob("*")) == before


def test_unfinished_work_and_orphans_go_only_when_named_one_by_one(runs: Path) -> None:
    remove(runs / "demo" / "first")
    report = clean(categories=["scratch", "damaged", "logs", "unreferenced"], keep=["other"], delete=True)
    assert kinds(report) == {}
    assert kept(report) == {"demo/second": "orphaned"}
    assert (runs / "demo" / "begun" / "_progress").is_dir()
    report = clean(named=["demo/begun", "demo/second"], delete=True)
    assert kinds(report) == {"demo/begun": "unfinished", "demo/second": "orphaned"}
    assert report["bytes_freed"] == report["bytes"] > 0
    assert not (runs / "demo" / "begun").exists()
    assert not (runs / "demo" / "second").exists()
    assert (runs / "demo" / "other").exists()


def test_what_no_root_descends_from_is_unreferenced(runs: Path) -> None:
    report = clean(keep=["second"], categories=["unreferenced"], delete=True)
    assert kinds(report) == {"demo/other": "unreferenced"}
    assert report["bytes_freed"] == report["bytes"] > 0
    assert open_artifact(runs / "demo" / "second").verify() == []
    assert (runs / "demo" / "begun").exists()
    assert kinds(clean()) == {}
    assert kinds(clean(log_days=0)) == {"demo/_logs/other": "logs"}


def test_a_keep_protects_its_lineage_where_an_ancestor_was_moved_away(runs: Path, root: Path) -> None:
    seal("runs/demo/third", "thing", text("third"), {"second": "runs/demo/second"})
    shutil.move(runs / "demo" / "second", root / "elsewhere")
    report = clean(keep=["third"], categories=["unreferenced"], delete=True, needed_by=["elsewhere"])
    assert kinds(report) == {"demo/other": "unreferenced"}
    assert {path.name for path in (runs / "demo").iterdir()} == {"first", "third", "begun", "_logs"}


def test_a_damaged_artifact_goes_unless_it_is_needed(runs: Path) -> None:
    for name in ("other", "first"):
        (runs / "demo" / name / "a.txt").write_text("another length")
    assert kinds(clean(keep=["second"])) == {"demo/other": "damaged"}
    (runs / "demo" / "second" / "artifact.json").write_text("{")
    report = clean(keep=["second"], categories=["damaged", "unreferenced"])
    assert kinds(report) == {"demo/other": "damaged", "demo/first": "damaged"}
    (runs / "demo" / "first" / "a.txt").write_text("first")  # whole again: what second needs cannot be told
    assert kinds(clean(keep=["second"], categories=["unreferenced"])) == {}


@pytest.mark.parametrize("part", ["shards/0/a.bin", "shards/0", "shards", "artifact.json"])
def test_what_lies_on_another_disk_by_a_link_may_be_whole_and_stays(root: Path, runs: Path, part: str) -> None:
    def fill(output: ArtifactWriter) -> None:
        output.write_text("shards/0/a.bin", "many")

    folder = seal("runs/demo/large", "thing", fill).path
    shutil.move(folder / part, root / "disk")
    (folder / part).symlink_to(root / "disk")
    report = clean(categories=["damaged"], delete=True)
    assert (kinds(report), kept(report)) == ({}, {"demo/large": "strange"})
    assert (folder / "artifact.json").is_file()
    assert kinds(clean(named=["demo/large"])) == {"demo/large": "strange"}


def test_what_cannot_be_read_may_be_whole_and_stays(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty, read_text = runs / "demo" / "other" / "artifact.json", Path.read_text

    def failing(path: Path, *words: Any, **named: Any) -> str:
        if path == faulty:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read_text(path, *words, **named)

    monkeypatch.setattr(Path, "read_text", failing)
    report = clean(keep=["second"], categories=["damaged", "unreferenced"])
    assert (kinds(report), kept(report)) == ({}, {"demo/other": "strange"})


@pytest.mark.parametrize("record", [False, True], ids=["made before records", "with a record"])
def test_a_release_is_a_root_wherever_its_bundle_and_manifest_went(root: Path, record: bool) -> None:
    seal("runs/x/student", "checkpoint", text("student"))
    seal("runs/x/calibration", "calibration", text("calibration"), {"checkpoint": "runs/x/student"})
    inputs: dict[str, str | list[str]] = {"checkpoint": "runs/x/student", "calibration": "runs/x/calibration"}
    bundle = seal("dist/models/b_v1", "model_bundle", text("bundle"), inputs)
    seal("runs/x/validation", "validation", text("validation"), {"bundle": "dist/models/b_v1"})
    seal("runs/x/trial", "checkpoint", text("a trial"))
    everything = ["runs/x/student", "runs/x/calibration", "dist/models/b_v1", "runs/x/validation"]
    manifest = seal("runs/x/manifest", "manifest", text("manifest"), {Path(path).name: path for path in everything})
    if record:
        given = [open_artifact(root / path) for path in everything]
        write_records("b_v1", "manifest", manifest.path, manifest.digest, {"artifacts": given})
        shutil.move(root / "runs/x/manifest", root / "sent")
        shutil.rmtree(root / "runs/x/validation")
    shutil.move(bundle.path, root / "pwa")
    report = clean(keep=["x/student"], categories=["scratch", "damaged", "logs", "unreferenced"], delete=True)
    assert kinds(report) == {"x/trial": "unreferenced"}
    assert kept(report) == {}
    names = {"student", "calibration"} | ({"_releases"} if record else {"validation", "manifest"})
    assert {path.name for path in (root / "runs/x").iterdir()} - {"_logs"} == names
    with pytest.raises(BadRequest, match=r"named: .*calibration is needed by the release"):
        clean(named=["x/calibration"])


def test_a_record_that_cannot_be_read_stops_the_cleanup(runs: Path) -> None:
    (runs / "demo" / "_releases").mkdir()
    (runs / "demo" / "_releases" / "b.json").write_text("{}")
    with pytest.raises(BadRequest, match=r"b\.json: is no record of a release"):
        clean()


def test_the_nodes_of_a_paused_run_stay(runs: Path) -> None:
    waiting = WaitingNodes(runs / "demo")
    waiting.add({"last": ["runs/demo/last", "runs/demo/second"], "sweep": ["runs/demo/sweep", "runs/demo/other"]})
    everything = {"keep": ["second"], "categories": ["unreferenced"]}
    assert kinds(clean(**everything)) == {}
    waiting.done("sweep")
    assert kinds(clean(**everything)) == {"demo/other": "unreferenced"}
    waiting.done("last")
    assert sorted(path.name for path in (runs / "demo").glob("*.json")) == []
    (runs / "demo" / "waiting_nodes.json").write_text("[")
    with pytest.raises(BadRequest, match=r"waiting_nodes\.json: cannot be read"):
        clean(**everything)


def test_an_input_made_anew_orphans_its_child(runs: Path) -> None:
    remove(runs / "demo" / "first")
    seal("runs/demo/first", "thing", text("changed"))
    (row,) = clean()["kept"]
    assert (row["path"], row["category"]) == ("demo/second", "orphaned")
    assert "has been made anew since" in row["why"]


def test_a_link_out_of_the_folder_is_not_followed(runs: Path, root: Path) -> None:
    (root / "precious" / "_progress").mkdir(parents=True)
    (runs / "link").symlink_to(root / "precious")
    clean(delete=True)
    assert (root / "precious" / "_progress").is_dir()
    with pytest.raises(BadRequest, match="'link' is no artifact"):
        clean(named=["link"], delete=True)


def test_work_in_progress_is_left_alone(runs: Path) -> None:
    held = runs / "demo" / "begun" / "_progress" / "lock"
    hold = (
        "import fcntl,sys; f=open(sys.argv[1],'a'); fcntl.lockf(f,fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert kinds(clean(named=["demo/begun"], delete=True)) == {}
        process.communicate()
    assert kinds(clean(named=["demo/begun"])) == {"demo/begun": "unfinished"}
    session = runs / "demo" / "begun" / "_progress" / "session.json"
    session.write_text(json.dumps({"host": "another", "session_id": "x", "alive": time.time()}))
    assert kinds(clean(named=["demo/begun"])) == {}
    for text in ("", "{}", "[]", "null", '{"host": "another", "alive": "now"}'):
        session.write_text(text)
        assert not is_being_written(session.parents[1])
    session.write_text(json.dumps({"host": "another", "session_id": "x", "alive": time.time()}))
    os.utime(session, (time.time() - 3600, time.time() - 3600))
    assert kinds(clean(named=["demo/begun"])) == {"demo/begun": "unfinished"}


def test_bad_requests(root: Path, runs: Path) -> None:
    with pytest.raises(BadRequest, match="no such folder"):
        clean(runs="nowhere")
    with pytest.raises(BadRequest, match="keep: 'studnet' is no artifact"):
        clean(keep=["studnet"])
    with pytest.raises(BadRequest, match="named: 'nothing' is no artifact"):
        clean(named=["nothing"])
    with pytest.raises(KeyboardInterrupt):
        seal("runs/demo/training", "thing", broken, {"first": "runs/demo/first"})
    with pytest.raises(BadRequest, match=r"named: .*first is needed by the unfinished"):
        clean(named=["demo/first"])
