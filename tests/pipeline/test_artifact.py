"""What an artifact may hold, and what opening one refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aplantida.domain.seals import broken_seal, broken_text, sealed, sealed_text
from aplantida.pipeline.artifact import MANIFEST, Artifact, FileEntry, manifest_text, open_artifact
from aplantida.pipeline.errors import Altered, BadRequest
from aplantida.pipeline.ledger import Ledger
from aplantida.pipeline.runner import execute
from tests.fixtures.counting_phase import COUNTING

BAD_NAMES = (
    "/etc/passwd", "../x", "a/../../x", "../../etc/passwd", "./x", "a//b", "a/./b", "a/", "", ".", "..", "a\\b",
    "..\\x", "a\nb", "a\0b", "a\x1b[2Jb", "a\u202eb", "artifact.json", "_progress/x",
)  # fmt: skip


def make(path: str) -> Artifact:
    artifact = execute(COUNTING, values={"output": path}).artifact
    assert artifact is not None
    return artifact


def relist(artifact: Artifact, old: str, new: str) -> None:
    """List a file under another name, as whoever means harm would: with a seal that fits."""
    manifest = {key: value for key, value in artifact.manifest.items() if key not in ("seal", "format")}
    manifest["files"] = {new if name == old else name: item for name, item in manifest["files"].items()}
    (artifact.path / MANIFEST).write_text(manifest_text(manifest))


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_file_has_a_relative_name_inside(root: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a result file"):
        FileEntry(name, 1, "00")
    artifact = make("a")
    relist(artifact, next(iter(artifact.files)), name)
    with pytest.raises(BadRequest, match="cannot name a result file"):
        open_artifact(artifact.path)
    (root / "ledger").write_text(json.dumps({"files": [{"name": name, "bytes": 1, "sha256": "00"}]}) + "\n")
    with pytest.raises(ValueError, match="cannot name a result file"):
        Ledger(root / "ledger", root)


def test_a_link_is_no_file_of_an_artifact(root: Path) -> None:
    artifact = make("a")
    name = "units/0.txt"
    (artifact.path / name).rename(root / "moved")
    (artifact.path / name).symlink_to(root / "moved")
    with pytest.raises(BadRequest, match="an artifact holds files, not links"):
        open_artifact(artifact.path)
    folder = (artifact.path / name).parent
    (artifact.path / name).unlink()
    (root / "moved").rename(artifact.path / name)
    folder.rename(root / "folder")
    folder.symlink_to(root / "folder")
    with pytest.raises(BadRequest, match="an artifact holds files, not links"):
        open_artifact(artifact.path)
    (root / "b").symlink_to(make("c").path)  # the artifact itself may lie on another disk
    assert open_artifact(root / "b").digest


def test_an_altered_manifest_is_refused(root: Path) -> None:
    artifact = make("a")
    text = (artifact.path / MANIFEST).read_text()
    (artifact.path / MANIFEST).write_text(text.replace(artifact.fingerprint, artifact.fingerprint[::-1]))
    with pytest.raises(Altered, match=r"artifact\.json was altered: its seal is"):
        open_artifact(artifact.path)
    (artifact.path / MANIFEST).write_text("[]")
    with pytest.raises(BadRequest, match="want an object"):
        open_artifact(artifact.path)


def test_seals() -> None:
    document = sealed({"b": [1.5, None, "ä"], "a": {"x": 1}})
    assert list(document) == ["b", "a", "seal"]
    assert broken_seal(document) is None
    assert broken_seal(json.loads(json.dumps(document))) is None
    assert broken_seal({**document, "a": {"x": 2}}) is not None
    assert broken_seal({"a": 1}) is None  # older than seals
    text = sealed_text("a: 1\nseal: 2\n")
    assert broken_text(text.encode()) is None
    for changed in (text.replace("1", "2", 1), text[:-1], text + "\n", "a: 1\n", text.upper()):
        assert broken_text(changed.encode()) is not None
