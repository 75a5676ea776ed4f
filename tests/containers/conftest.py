"""The containers of compose.yaml on a real Docker engine, under a project name and ports of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from aplantida.pipeline.config import CHECKOUT
from tests.fixtures.ray_head import free_ports

TEST_ENGINE = CHECKOUT.parent / "shared" / "engine" / "up"
FILES = ("compose.yaml", "compose.cpu.yaml")
BUILD_SECONDS = 3600
UP_SECONDS = 900


def _answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=60).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A Docker engine: the one that answers, else one for testing beside the checkout, else a skip that says so."""
    if _answers():
        yield
        return
    if not TEST_ENGINE.is_file():
        pytest.skip("CONTAINERS NOT TESTED: no Docker engine answers `docker info`")
    subprocess.run([str(TEST_ENGINE)], check=True, timeout=1200)
    yield
    subprocess.run([str(TEST_ENGINE.with_name("down"))], check=True, timeout=300)


@dataclass(frozen=True)
class Compose:
    """``docker compose``, with the CPU override unless told otherwise.

    Attributes:
        environment: of the command: ports, token.
        dashboard: URL that takes jobs, on this machine.
        site: URL of the bundles.
    """

    environment: dict[str, str]
    dashboard: str
    site: str

    def __call__(
        self, *words: str, files: Sequence[str] = FILES, stdin: str | None = None, seconds: int = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; its output is captured and its exit code is the caller's to judge."""
        return subprocess.run(
            ["docker", "compose", *(word for file in files for word in ("--file", file)), *words],
            cwd=CHECKOUT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def python(self, program: str) -> str:
        """What a Python program prints in a container of the job runner.

        Raises:
            AssertionError: when it fails.
        """
        done = self("run", "--rm", "--no-TTY", "--no-deps", "jobs", "python", "-", stdin=program)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, *job: str) -> subprocess.CompletedProcess[str]:
        """``ray job submit`` from the job runner, until the job has ended."""
        command = ["ray", "job", "submit", "--address", "http://ray-head:8265", "--working-dir", "/app", "--", *job]
        return self("run", "--rm", "--no-TTY", "jobs", *command, seconds=900)


@pytest.fixture(scope="session")
def compose(engine: None) -> Iterator[Compose]:
    """All services, built and healthy; removed with their volumes afterwards."""
    dashboard, site = free_ports(2)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "APLANTIDA_", "MONGO_"))},
        "COMPOSE_PROJECT_NAME": "aplantida-test",
        "APLANTIDA_TAG": "test",
        "DASHBOARD_PORT": str(dashboard),
        "SITE_PORT": str(site),
        "RAY_MEMORY": "6g",
        "RAY_SHM": "512m",
    }
    compose = Compose(environment, f"http://127.0.0.1:{dashboard}", f"http://127.0.0.1:{site}")
    try:
        built = compose("build", "ray-head", seconds=BUILD_SECONDS)
        assert built.returncode == 0, built.stderr[-6000:]
        up = compose("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), seconds=UP_SECONDS + 60)
        assert up.returncode == 0, up.stderr + compose("logs", "--no-color", "--tail", "60").stdout
        yield compose
    finally:
        compose("--profile", "jobs", "down", "--volumes", "--remove-orphans")
