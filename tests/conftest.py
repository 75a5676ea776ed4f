"""What many tests share: one mongod and one Ray for the whole run; a log that no test leaves as it set it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """The logger of the project is after a test what it was before: a command sets its level, handlers, propagation."""
    from aplantida.pipeline.logs import LOGGER

    logger = logging.getLogger(LOGGER)
    level, propagate, handlers = logger.level, logger.propagate, [*logger.handlers]
    yield
    logger.setLevel(level)
    logger.propagate, logger.handlers[:] = propagate, handlers


@pytest.fixture(scope="session")
def mongod_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an embedded mongod of this test run; never one that ``MONGO_URI`` names."""
    from aplantida.demo.mongod import embedded_mongod

    with embedded_mongod(tmp_path_factory.mktemp("mongod")) as uri:
        yield uri


@pytest.fixture
def mongo_uri(mongod_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, and ``MONGO_URI`` set to it."""
    monkeypatch.setenv("MONGO_URI", mongod_uri)
    return mongod_uri


@pytest.fixture
def db_name() -> str:
    """A database no other test uses."""
    return f"test_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def ray() -> Iterator[None]:
    """One local Ray for the whole run; sessions inside of it use it."""
    from aplantida.distributed.session import ray_session

    with ray_session(num_cpus=2, object_store_bytes=200_000_000):
        yield


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
