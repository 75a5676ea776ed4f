"""What several end-to-end tests go on from."""

from __future__ import annotations

import pytest

from tests.fixtures.mini_run import MiniRun, make_mini_run


@pytest.fixture(scope="session")
def mini_run(tmp_path_factory: pytest.TempPathFactory) -> MiniRun:
    """The whole chain on four species; a test reads it, or writes only to paths of its own."""
    run = make_mini_run(tmp_path_factory.mktemp("mini"))
    assert run.first.returncode == 0, run.first.stderr[-6000:]
    return run
