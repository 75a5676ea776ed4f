"""A refusal before anything is learned names the releases it is in; what cannot be looked through is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aplantida.pipeline.errors import GateFailed
from aplantida.pipeline.logs import LOGGER
from aplantida.release import lineage
from aplantida.release.records import RECORDS, write_records
from tests.fixtures.artifacts import make_checkpoint, make_images, make_split, seal
from tests.phases.test_admission import DATA, learn, offenders, one_file, planted


def release(root: Path) -> str:
    """Of a bundle that descends from the teacher."""
    teacher = make_checkpoint("teacher", DATA, pretrained="wild.pth", pretrained_license="CC-BY-NC-4.0")
    bundle = seal("dist/shown_v1.0", "model_bundle", one_file, {"checkpoint": "teacher"})
    write_records("shown_v1.0", "model_bundle", bundle.path, bundle.digest, {"checkpoint": [teacher]})
    return f"shown_v1.0: {root / 'dist/shown_v1.0'}"


def test_refused_weights_and_photos_name_their_releases(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_images("images", change=planted)
    make_split("split", "images")
    shown = release(root)
    traced, trace = list[int](), lineage.trace
    monkeypatch.setattr(lineage, "trace", lambda starts: (traced.append(1), trace(starts))[1])
    with pytest.raises(GateFailed, match="2 licence violations"):
        learn("compute_teacher_logits")
    found = {item["kind"]: (item["path"], item["releases"]) for item in offenders(root)}
    assert found["weights"] == (["teacher", "learned"], [shown])
    assert found["photo"] == (["images", "split", "teacher", "learned"], [shown])
    assert len(traced) == 1


def test_what_cannot_be_looked_through_is_said(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_images("images")
    make_split("split", "images")
    release(root)
    make_checkpoint("first", DATA)
    make_checkpoint("second", {**DATA, "checkpoint": "first"})
    shutil.rmtree(root / "first")
    (root / RECORDS / "torn.json").write_text("{")
    with pytest.raises(GateFailed, match="1 licence violation"):
        learn("compute_teacher_logits")
    (said,) = _warnings(caplog)
    assert "torn.json" in said
    assert said.endswith("releases in it cannot be named")
    caplog.clear()
    learn("compute_teacher_logits", "of_second", inputs={**DATA, "checkpoint": "second"})
    (said,) = _warnings(caplog)
    assert said.startswith("second descends from first, which cannot be read")
    assert said.endswith("the licence gate of a release refuses that")


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return list({record.getMessage(): 1 for record in caplog.records if record.name == f"{LOGGER}.admission"})
