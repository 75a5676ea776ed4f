"""What the frame promises, for every phase that seals: dry-run, skip, refuse; and kill -9 with the same end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aplantida.demo.driver import Run
from aplantida.distributed.submission import requests_of
from aplantida.phases.registry import PHASES, load_phase
from aplantida.pipeline.artifact import MANIFEST, PROGRESS, open_artifact
from aplantida.pipeline.config import CHECKOUT, NOT_IDENTITY, find_file, identity, load_config
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.graph import Node, load_graph
from aplantida.pipeline.runner import execute
from tests.fixtures.mini_run import MiniRun, one_node_a_phase, request_of

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def run(mini_run: MiniRun) -> Iterator[Run]:
    with mini_run.serving():
        yield mini_run.load()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file but the database's: size and time of change."""
    files = (path for path in folder.rglob("*") if path.is_file() and "mongo" not in path.parts)
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def edits(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(key, another value) of everything in a config; which of them are valid is not known here."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if path or (key not in NOT_IDENTITY and key != "seed"):
                yield from edits(inner, (*path, key))
    elif isinstance(value, bool):
        yield path, not value
    elif isinstance(value, int | float):
        yield path, value + 1
        yield path, value / 2
    elif isinstance(value, str) and "/" not in value:  # a path would have to exist
        yield path, f"{value}.edited"  # no space: names of species, models and versions have their patterns


def edited(node: Node, request: dict[str, Any]) -> tuple[str, Any, Any, dict[str, Any]]:
    """A key of a node's config that can be another, a number or switch if there is one: key, both values, request."""
    config_type = load_phase(node.phase).config
    config = load_config(config_type, request["files"], request["values"])
    for path, new in sorted(edits(identity(config)), key=lambda edit: isinstance(edit[1], str)):
        values: dict[str, Any] = {path[-1]: new}
        for key in reversed(path[:-1]):
            values = {key: values}
        try:
            changed = load_config(config_type, request["files"], {**request["values"], **values})
        except BadRequest:
            continue
        old: Any = identity(config)
        for key in path:
            old = old[key]
        if identity(changed) != identity(config):
            return ".".join(path), old, new, {**request, "values": {**request["values"], **values}}
    raise AssertionError(f"{node.phase}: nothing in its config can be edited")


def test_the_graph_has_every_phase_that_seals(run: Run) -> None:
    sealing = {name for name in PHASES if load_phase(name).output is not None}
    with_a_pack = {node.phase for node in load_graph(find_file("configs/eu_sw/pipeline.yaml"))}
    assert with_a_pack == sealing
    assert sealing - {node.phase for node in run.nodes} == {"narrow_evaluation"}  # which the pack's own tests run


def test_dry_run_changes_nothing_and_a_rerun_skips(run: Run, mini_run: MiniRun) -> None:
    before = snapshot(mini_run.root)
    for node in one_node_a_phase(run):
        phase, request = load_phase(node.phase), request_of(run, node)
        assert execute(phase, **request, dry_run=True).status == "dry-run", node.name
        elsewhere = {**request["values"], "output": f"runs/elsewhere/{node.name}"}
        assert execute(phase, files=request["files"], values=elsewhere, dry_run=True).status == "dry-run", node.name
        assert execute(phase, **request).status == "skipped", node.name
    assert snapshot(mini_run.root) == before


def test_an_edited_key_is_refused_with_both_values(run: Run, mini_run: MiniRun) -> None:
    before = snapshot(mini_run.root)
    for node in one_node_a_phase(run):
        key, old, new, request = edited(node, request_of(run, node))
        with pytest.raises(RecipeChanged) as refusal:
            execute(load_phase(node.phase), **request)
        assert f"{key}: {old} -> {new}" in str(refusal.value), node.name
        assert refusal.value.exit_code == 3
    assert snapshot(mini_run.root) == before


@pytest.mark.slow
def test_killed_at_some_instant_and_run_again_it_ends_the_same(run: Run, mini_run: MiniRun) -> None:
    draw = random.Random(7)
    for node in one_node_a_phase(run):
        output = f"runs/killed/{node.name}"
        command = _job(run, node, output)
        path = mini_run.root / output
        process = subprocess.Popen(command, cwd=CHECKOUT)
        while process.poll() is None and not (path / PROGRESS).exists():
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        was_sealed = (path / MANIFEST).exists()
        subprocess.run(command, check=True, cwd=CHECKOUT)
        made = open_artifact(path)
        assert made.digest == open_artifact(run.output(node.name)).digest, node.name
        assert len(made.manifest["sessions"]) == (1 if was_sealed else 2), node.name


def _job(run: Run, node: Node, output: str) -> list[str]:
    """The command that would be submitted for the node, with another output."""
    (request,) = requests_of(run.nodes, run.config.model_copy(update={"nodes": [node.name]}))
    words = [sys.executable, *request.command[1:]]
    words[words.index("--output") + 1] = output
    return words
