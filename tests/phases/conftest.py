from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Artifacts of these tests lie under a folder of their own."""
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def described_root(exported_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with validation, manifest and dashboard; read only for tests."""
    from tests.fixtures.released import copy_made, describe

    folder = tmp_path_factory.mktemp("described")
    copy_made(exported_root, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(folder))
        describe()
    return folder


@pytest.fixture
def released_root(described_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test, as ``APLANTIDA_ROOT``, where no key signs."""
    folder = tmp_path / "root"
    shutil.copytree(described_root, folder)
    monkeypatch.setenv("APLANTIDA_ROOT", str(folder))
    monkeypatch.delenv("APLANTIDA_SIGNING_KEY", raising=False)
    return folder
