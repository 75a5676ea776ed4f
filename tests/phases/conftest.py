from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Artifacts of these tests lie under a folder of their own."""
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    return tmp_path
