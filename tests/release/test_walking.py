"""A folder that cannot be listed is said, by all that walk: what lies in it may need what others would delete."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from aplantida.pipeline.errors import BadRequest
from aplantida.release.retention import find_leftovers
from aplantida.release.verification import subjects_at
from aplantida.release.walking import walk
from aplantida.trace import main as trace
from aplantida.verify import main as verify


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of which ``shut`` and ``gone`` cannot be listed, each for its reason."""
    reasons = {"shut": errno.EACCES, "gone": errno.ENOENT}
    for name in ("open", *reasons):
        (tmp_path / "runs" / name / "inner").mkdir(parents=True)
    scandir = os.scandir

    def listed(folder: Any) -> Any:
        code = reasons.get(Path(folder).name)
        if code is not None:
            raise OSError(code, os.strerror(code), str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", listed)
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    return tmp_path / "runs"


@pytest.mark.parametrize("follow", [False, True])
def test_a_folder_that_cannot_be_listed_is_said(runs: Path, follow: bool) -> None:
    with pytest.raises(BadRequest, match="shut: cannot be listed, so nobody knows what lies in it: Permission denied"):
        list(walk(runs, follow=follow))
    (runs / "shut" / "inner").rmdir()
    (runs / "shut").rmdir()
    assert [place.name for place, _, _ in walk(runs, follow=follow)] == ["runs", "open", "inner"]


def test_nobody_goes_on_without_it(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadRequest, match="shut"):
        find_leftovers(runs / "open", needed_by=[runs])
    with pytest.raises(BadRequest, match="shut"):
        subjects_at(runs)
    assert verify([str(runs)]) == 2
    assert trace(["--photo", "0" * 32]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["verify", "trace"]
    assert all("shut: cannot be listed" in line for line in said)
