"""``python -m aplantida.verify``: one flipped byte anywhere is found and named."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aplantida.phases.build_dashboard import PHASE as DASHBOARD
from aplantida.phases.generate_manifest import PHASE as MANIFEST
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.errors import Altered, BadRequest
from aplantida.pipeline.runner import execute
from aplantida.verify import main
from tests.fixtures.exported import run_phase
from tests.fixtures.released import copy_made

NODES = ["images", "split", "model", "quantized", "evaluation", "calibration", "licenses", "bundle"]


@pytest.fixture(scope="module")
def whole(exported_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run with manifest and dashboard, and its bundle once more, copied without ``artifact.json``."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    copy_made(exported_root, folder)  # other tests leave their own outputs there
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(folder))
        run_phase(MANIFEST, "manifest", {"artifacts": NODES})
        run_phase(DASHBOARD, "dashboard", {"artifacts": [*NODES, "manifest"]})
    shutil.copytree(folder / "bundle", folder / "pwa", ignore=shutil.ignore_patterns("artifact.json"))
    return folder


@pytest.fixture(autouse=True)
def root(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(whole))
    return whole


@contextmanager
def flipped(file: Path, at: int, flip: int) -> Iterator[None]:
    """The file with one byte changed."""
    before = file.read_bytes()
    changed = bytearray(before)
    changed[at] ^= flip
    file.write_bytes(changed)
    try:
        yield
    finally:
        file.write_bytes(before)


def files_of(root: Path) -> list[Path]:
    known = [*NODES, "manifest", "dashboard", "pwa"]
    return sorted(file for name in known for file in (root / name).rglob("*") if file.is_file())


def test_a_whole_run_is_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(root)]) == 0
    assert f"{len(NODES) + 3} looked at, {len(files_of(root))} files, 0 not whole" in capsys.readouterr().out


def test_one_flipped_byte_is_found_in_every_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(7)
    files = files_of(root)
    documents = [file for file in files if file.name in ("artifact.json", "bundle.json") or file.suffix == ".yaml"]
    tried = files + documents * 10
    assert len(tried) >= 100
    for file in tried:
        if not file.stat().st_size:
            continue
        place = root / file.relative_to(root).parts[0]
        with flipped(file, draw.randrange(file.stat().st_size), draw.randrange(1, 256)):
            code = main([str(place)])
        out = capsys.readouterr().out
        assert code == 4, f"{file}: {out}"
        assert file.relative_to(place).as_posix() in out
    assert main([str(root)]) == 0


@pytest.mark.parametrize("name", ["quantized/artifact.json", "pwa/bundle.json"])
def test_a_space_that_became_another_is_found_too(root: Path, name: str) -> None:
    data = (root / name).read_bytes()
    with flipped(root / name, data.index(b"\n"), ord("\n") ^ ord(" ")):
        json.loads((root / name).read_bytes())
        assert main([str((root / name).parent)]) == 4


def test_strangers_links_and_losses_are_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(root / "calibration", tmp_path / "calibration")
    place = tmp_path / "calibration"
    (place / "more.txt").write_text("more")
    shutil.move(place / "decision.json", tmp_path / "decision.json")
    assert main([str(place)]) == 4
    out = capsys.readouterr().out
    assert "more.txt: not listed" in out
    assert "decision.json: missing" in out
    (place / "more.txt").unlink()
    (place / "decision.json").symlink_to(tmp_path / "decision.json")
    assert main([str(place)]) == 4
    assert "an artifact holds files, not links" in capsys.readouterr().out


def test_a_manifest_is_held_against_what_lies_beside_it_and_what_is_given(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = root / "manifest/TRAINING_MANIFEST_v1.0.yaml"
    assert main([str(manifest), str(root / "pwa")]) == 0
    with flipped(root / "quantized/model.safetensors", 500, 1):
        assert main([str(manifest)]) == 4
    assert "quantized/model.safetensors" in capsys.readouterr().out
    shutil.copytree(root / "pwa", tmp_path / "pwa")
    other = json.loads((tmp_path / "pwa/bundle.json").read_text())
    del other["seal"]
    (tmp_path / "pwa/bundle.json").write_text(json.dumps(other, indent=2, ensure_ascii=False) + "\n")
    assert main([str(tmp_path / "pwa")]) == 0  # whole as far as it can tell itself
    assert main([str(manifest), str(tmp_path / "pwa")]) == 4
    assert "is not the bundle it describes" in capsys.readouterr().out
    shutil.copy(manifest, tmp_path / "sent.yaml")
    assert main([str(tmp_path / "sent.yaml")]) == 0
    assert "not looked at" in capsys.readouterr().out


def test_what_we_do_not_know_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("a")
    for path in (tmp_path, tmp_path / "a.txt", tmp_path / "nothing"):
        assert main([str(path)]) == 2
        assert f"verify: {path}: want an artifact" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["images", "quantized", "calibration", "licenses", "bundle", "manifest"])
def test_an_altered_file_is_refused_wherever_a_phase_opens_it(root: Path, name: str) -> None:
    """Shards are left to verify: they are most of a run's bytes."""
    shard = next((root / "images/shards").iterdir())
    with flipped(shard, 100, 1):
        open_artifact(root / "images")
    files = sorted(file for file in (root / name).rglob("*") if file.is_file() and "shards" not in file.parts)
    for file in (file for file in files if file.stat().st_size):
        with flipped(file, file.stat().st_size // 2, 4), pytest.raises((Altered, BadRequest)):
            open_artifact(root / name)
    request = {"output": "manifest", "inputs": {"artifacts": NODES}}
    with flipped(files[-1], 3, 1), pytest.raises((Altered, BadRequest)):
        execute(MANIFEST, files=["configs/generate_manifest.yaml"], values=request)  # which is sealed
