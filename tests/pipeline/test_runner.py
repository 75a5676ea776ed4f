from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aplantida.pipeline.artifact import MANIFEST, PROGRESS, open_artifact
from aplantida.pipeline.errors import BadRequest, GateFailed, RecipeChanged
from aplantida.pipeline.runner import execute
from tests.fixtures.counting_phase import COUNTING


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_done_then_skipped(root: Path) -> None:
    first = execute(COUNTING, values={"output": "a"})
    assert first.status == "done"
    assert first.metrics["computed"] == 3
    assert not (root / "a" / PROGRESS).exists()
    before = tree(root)
    second = execute(COUNTING, values={"output": "a"})
    assert second.status == "skipped"
    assert second.artifact is not None
    assert first.artifact is not None
    assert second.artifact.digest == first.artifact.digest
    assert tree(root) == before


def test_digest_covers_results_only(root: Path) -> None:
    a = execute(COUNTING, values={"output": "a"}).artifact
    b = execute(COUNTING, values={"output": "elsewhere/b", "resources": {"num_threads": 1}}).artifact
    c = execute(COUNTING, values={"output": "c", "num_units": 4}).artifact
    assert a is not None
    assert b is not None
    assert c is not None
    assert (a.digest, a.fingerprint) == (b.digest, b.fingerprint)
    assert c.digest != a.digest
    assert a.verify() == []


def test_dry_run_changes_nothing(root: Path) -> None:
    assert execute(COUNTING, values={"output": "a"}, dry_run=True).status == "dry-run"
    assert tree(root) == {}
    execute(COUNTING, values={"output": "a"})
    before = tree(root)
    execute(COUNTING, values={"output": "a"}, dry_run=True)
    assert tree(root) == before


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"output": "file/a"}, "no folder can be made there: .*file is no folder"),
        ({"output": "file"}, "file is no folder"),
        ({"output": "half"}, "_progress is no folder"),
        ({"output": "gone/a"}, "gone is no folder"),
        ({"output": "made/inner"}, "lies inside the artifact"),
        ({"output": "a", "reuse": ["nowhere"]}, "nowhere"),
        ({"output": "a", "reuse": ["made", "file"]}, "file"),
        ({"output": "shut/a/b"}, "shut may not be written"),
    ],
)
def test_a_dry_run_refuses_what_a_run_refuses(
    root: Path, values: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(COUNTING, values={"output": "made"})
    (root / "file").write_text("x")
    (root / "half").mkdir()
    (root / "half" / PROGRESS).write_text("x")
    (root / "gone").symlink_to(root / "nothing")
    (root / "shut").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "shut" and access(path, mode))
    before = tree(root)
    for is_dry in (True, False):
        with pytest.raises(BadRequest, match=said):
            execute(COUNTING, values=values, dry_run=is_dry)
    assert tree(root) == before


def test_an_edited_key_is_refused_with_old_and_new_value() -> None:
    execute(COUNTING, values={"output": "a"})
    with pytest.raises(RecipeChanged) as caught:
        execute(COUNTING, values={"output": "a", "seed": 43, "options": {"power": 3}})
    assert "seed: 42 -> 43" in str(caught.value)
    assert "options.power: 2 -> 3" in str(caught.value)
    assert caught.value.exit_code == 3
    assert execute(COUNTING, values={"output": "b", "seed": 43}).status == "done"


def test_a_changed_source_and_a_changed_input_are_noticed(root: Path) -> None:
    source = root.parent / f"{root.name}.source"
    source.write_text("1")
    values = {"output": "a", "source_file": str(source)}
    execute(COUNTING, values=values)
    source.write_text("2")
    with pytest.raises(RecipeChanged, match=r"sources\.file: 1 -> 2"):
        execute(COUNTING, values=values)
    execute(COUNTING, values={"output": "x", "num_units": 1})
    execute(COUNTING, values={"output": "y", "num_units": 2})
    execute(COUNTING, values={"output": "b", "inputs": {"first": "x"}})
    with pytest.raises(RecipeChanged, match=r"inputs\.first"):
        execute(COUNTING, values={"output": "b", "inputs": {"first": "y"}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"output": "a", "num_units": 0}, "num_units = 0"),
        ({"output": "a", "options": {"powr": 2}}, "options.powr"),
        ({"output": "a", "inputs": {"frist": "x"}}, "unknown input 'frist'"),
        ({"output": "a", "inputs": {"first": "nowhere"}}, "want a sealed artifact of kind numbers; it is not there"),
        ({"output": "a", "inputs": {"first": ["x", "y"]}}, "takes one artifact, 2 given"),
        ({}, "no output"),
    ],
)
def test_bad_requests_name_the_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        execute(COUNTING, values=values)
    assert message in str(caught.value)


def test_a_phase_that_refuses_before_doing_anything_leaves_nothing_behind(root: Path) -> None:
    with pytest.raises(BadRequest, match="at most 1000"):
        execute(COUNTING, values={"output": "a", "num_units": 1001})
    assert execute(COUNTING, values={"output": "a", "num_units": 2}).status == "done"


def test_a_folder_that_is_no_artifact_is_left_alone(root: Path) -> None:
    (root / "mine").mkdir()
    (root / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(BadRequest, match="holds files but is no artifact"):
        execute(COUNTING, values={"output": "mine"})
    assert (root / "mine" / "thesis.txt").read_text() == "dear"


def test_a_failed_gate_leaves_the_output_unsealed() -> None:
    with pytest.raises(GateFailed) as caught:
        execute(COUNTING, values={"output": "a", "gates": {"max_units": 2}})
    assert caught.value.exit_code == 4
    with pytest.raises(BadRequest, match="unfinished"):
        execute(COUNTING, values={"output": "b", "inputs": {"first": "a"}})


def test_a_damaged_input_is_refused(root: Path) -> None:
    execute(COUNTING, values={"output": "a"})
    (root / "a" / "units" / "1.txt").write_text("longer than it was")
    with pytest.raises(BadRequest, match=r"1\.txt: want 2 bytes"):
        execute(COUNTING, values={"output": "b", "inputs": {"first": "a"}})


def test_verify_sees_an_altered_byte(root: Path) -> None:
    artifact = execute(COUNTING, values={"output": "a"}).artifact
    assert artifact is not None
    (root / "a" / "units" / "2.txt").write_text("5\n")
    assert artifact.verify() == ["units/2.txt"]


def test_reuse_links_equal_units(root: Path) -> None:
    execute(COUNTING, values={"output": "a"})
    grown = execute(COUNTING, values={"output": "b", "num_units": 5, "reuse": ["a"]})
    alone = execute(COUNTING, values={"output": "c", "num_units": 5})
    assert grown.metrics["computed"] == 2
    assert (root / "b/units/1.txt").stat().st_ino == (root / "a/units/1.txt").stat().st_ino
    assert grown.artifact is not None
    assert alone.artifact is not None
    assert grown.artifact.digest == alone.artifact.digest
    other = execute(COUNTING, values={"output": "d", "options": {"power": 3}, "reuse": ["a"]})
    assert other.metrics["computed"] == 3


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.fixtures.counting_phase", *arguments]
    return subprocess.Popen(command, env=os.environ.copy(), stderr=subprocess.DEVNULL, start_new_session=True)


def test_killed_at_any_instant_and_run_again_gives_the_same_artifact(root: Path) -> None:
    config = root.parent / f"{root.name}.yaml"
    config.write_text("num_units: 40\nresources: {pause_seconds: 0.03}\n")
    chance = random.Random(7)
    for _ in range(4):
        before = len(list((root / "killed").glob("units/*")))
        process = start("--config", str(config), "--output", "killed")
        deadline = time.monotonic() + 60
        while len(list((root / "killed").glob("units/*"))) <= before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    last = execute(COUNTING, files=[str(config)], values={"output": "killed"})
    whole = execute(COUNTING, files=[str(config)], values={"output": "whole"})
    assert last.artifact is not None
    assert whole.artifact is not None
    assert last.artifact.digest == whole.artifact.digest
    assert len(json.loads((root / "killed" / MANIFEST).read_text())["sessions"]) == 5


def test_two_writers_never_meet(root: Path) -> None:
    config = root.parent / f"{root.name}.yaml"
    config.write_text("num_units: 20\nresources: {pause_seconds: 0.3}\n")
    process = start("--config", str(config), "--output", "a")
    try:
        deadline = time.monotonic() + 30
        while not (root / "a" / "units" / "0.txt").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(BadRequest, match="another process of this machine is writing it"):
            execute(COUNTING, files=[str(config)], values={"output": "a"})
    finally:
        process.kill()
        process.wait()


def test_sealed_artifacts_open_with_their_kind(root: Path) -> None:
    execute(COUNTING, values={"output": "a"})
    with pytest.raises(BadRequest, match="want an artifact of kind checkpoint, found numbers"):
        open_artifact(root / "a", "checkpoint")
