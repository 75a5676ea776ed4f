from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Artifacts of these tests lie under a folder of their own."""
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def exported_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny student's bundle and all it was made from; read only for tests."""
    from tests.fixtures.exported import make_bundle, make_measured_student

    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(folder))
        make_measured_student()
        make_bundle()
    return folder
