"""What several end-to-end tests go on from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.mini_run import MiniRun, make_mini_run, reserved_port


@pytest.fixture(scope="session")
def mini_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniRun]:
    """The whole chain on four species; a test reads it, or writes only to paths of its own."""
    with reserved_port() as port:
        run = make_mini_run(tmp_path_factory.mktemp("mini"), port)
        assert run.first.returncode == 0, run.first.stderr[-6000:]
        yield run
