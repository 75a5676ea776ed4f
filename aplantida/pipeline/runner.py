"""From a request to a sealed artifact: skip, resume, refuse, dry-run, run."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal

from aplantida.pipeline import environment
from aplantida.pipeline.artifact import MANIFEST, PROGRESS, Artifact, digest_of, manifest_text, open_artifact
from aplantida.pipeline.config import ConfigT, load_config, resolve
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.logs import LOGGER, log_file
from aplantida.pipeline.opening import open_inputs, open_reuse
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.recipe import fingerprint_of, gates_of, gates_passed, recipe_of
from aplantida.pipeline.session import sessions, writing_session
from aplantida.pipeline.standing import Standing, begin, check_apart, check_writable, give_up, stand
from aplantida.pipeline.writer import ArtifactWriter

Sources = Literal["check", "sealed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        status: ``done``, ``resumed`` (done, over an earlier session's work), ``skipped`` or ``dry-run``.
        seconds: wall-clock time of this session.
        artifact: the sealed artifact; None for phases that never seal and for dry runs.
        metrics: what the phase said.
    """

    status: str
    seconds: float
    artifact: Artifact | None
    metrics: Mapping[str, Any]


def execute(
    phase: Phase[ConfigT],
    *,
    files: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    device: str | None = None,
    dry_run: bool = False,
    sources: Sources = "check",
) -> Outcome:
    """Carry out one phase.

    Args:
        phase: which.
        files: config files, later over earlier.
        values: config values over all files, e.g. ``{"inputs": {...}, "output": "runs/x", "seed": 7}``.
        device: overrides ``resources.device``.
        dry_run: say what would happen and change nothing.
        sources: ``check`` digests what lies outside artifacts and refuses a sealed artifact that was made from another
            state of it; ``sealed`` takes a sealed artifact as it is and asks for a source only when there is work.

    Raises:
        BadRequest: when the request cannot be carried out as written.
        RecipeChanged: when the output holds work of another recipe.
        GateFailed: when the phase's quality gate refuses the result; the output stays unsealed.
    """
    started = time.monotonic()
    config = load_config(phase.config, files, values)
    log = logging.getLogger(f"{LOGGER}.{phase.name}")
    chosen = device or _configured_device(config)
    inputs = open_inputs(phase, config)
    if phase.output is None:
        return _run_unsealed(phase, PhaseContext(config, inputs, [], log, chosen, None), dry_run, started)
    path = _output_path(phase, config)
    request = _Request(phase, config, inputs, path, sources)
    standing = request.checked()
    reuse = [] if standing.state == "sealed" else ready_to_begin(phase, config, path)
    if dry_run or standing.state == "sealed":
        return _leave(request, standing, dry_run, log, started)
    recipe = request.recipe()
    with writing_session(path, environment.describe()) as session_id:
        standing = request.checked()  # once more, now that nobody else writes
        if standing.state == "sealed":
            return _leave(request, standing, dry_run, log, started)
        context = PhaseContext(config, inputs, reuse, log, chosen, ArtifactWriter(path, session_id), request.digests)
        artifact = _run_and_seal(phase, context, recipe, standing)
    seconds = time.monotonic() - started
    log.info("sealed %s in %.1f s: digest %s", config.output, seconds, artifact.digest[:12])
    return Outcome("resumed" if standing.state == "unfinished" else "done", seconds, artifact, artifact.metrics)


@dataclass
class _Request(Generic[ConfigT]):
    """A request to make an artifact; its sources are digested once, and only if they count."""

    phase: Phase[ConfigT]
    config: ConfigT
    inputs: Mapping[str, Sequence[Artifact]]
    path: Path
    sources: Sources

    @cached_property
    def digests(self) -> dict[str, str]:
        return {name: digest(self.config) for name, digest in self.phase.sources.items()}

    def recipe(self) -> dict[str, Any]:
        return recipe_of(self.phase, self.config, self.inputs, self.digests)

    def checked(self) -> Standing:
        """How it stands to its output, when nothing is against that, nor against what its config says and names."""
        bare = recipe_of(self.phase, self.config, self.inputs, {})
        standing = stand(self.path, self.phase, bare, lambda: self.digests, trust_sources=self.sources == "sealed")
        standing.check(self.path)
        if standing.state != "sealed":
            self.phase.look_at(self.config)
        return standing


def _run_unsealed(phase: Phase[ConfigT], context: PhaseContext[ConfigT], dry_run: bool, started: float) -> Outcome:
    """Run a phase that makes no artifact, or say what it would do."""
    metrics: Mapping[str, Any] = {}
    if not dry_run:
        metrics = phase.run(context)
    else:
        context.log.info("dry run: would run %s, which seals nothing", phase.name)
        if phase.foresee is not None:
            phase.foresee(context)
    return Outcome("dry-run" if dry_run else "done", time.monotonic() - started, None, metrics)


def _output_path(phase: Phase[ConfigT], config: ConfigT) -> Path:
    if not config.output:
        raise BadRequest(f"{phase.name}: no output: give --output PATH or an `output:` in the config")
    return resolve(config.output)


def _leave(request: _Request[Any], standing: Standing, dry_run: bool, log: logging.Logger, started: float) -> Outcome:
    """Say what would happen, or that nothing need happen; a sealed artifact is judged again when its bounds changed."""
    path, verb = request.path, {"sealed": "is sealed: skip", "unfinished": "would resume", "absent": "would run"}
    log.info("%s: %s %s", "dry run" if dry_run else "skipped", _relative(path), verb[standing.state])
    artifact = None
    if standing.state == "sealed":
        artifact = open_artifact(path, request.phase.output or "")
        if request.sources == "sealed" and request.phase.sources:
            log.info("%s is taken as it was sealed; %s not asked", _relative(path), ", ".join(request.phase.sources))
        if _judge_again(request, artifact):
            log.info("%s: the changed gates are kept too", _relative(path))
        if not dry_run:
            shutil.rmtree(path / PROGRESS, ignore_errors=True)  # left by a kill between sealing and tidying up
    status = "dry-run" if dry_run else "skipped"
    return Outcome(status, time.monotonic() - started, artifact, artifact.metrics if artifact else {})


def ready_to_begin(
    phase: Phase[ConfigT], config: ConfigT, path: Path, yet_to_come: Set[Path] = frozenset()
) -> list[Artifact]:
    """What units may be taken over from, when nothing is against work at ``path``; nothing is changed.

    Raises:
        BadRequest: when it cannot be written, lies in another artifact or around one, or what it would take over from
            is not there (nor ``yet_to_come``).
    """
    check_apart(path)
    check_writable(path)
    return open_reuse(phase, config, yet_to_come)


def standing_of(
    phase: Phase[ConfigT], config: ConfigT, sources: Sources = "check", yet_to_come: Set[Path] = frozenset()
) -> Standing:
    """How a request stands to its output; nothing is changed.

    Args:
        phase: which.
        config: of the request.
        sources: as :func:`execute` has it.
        yet_to_come: outputs that are made before it begins.

    Raises:
        PhaseError: what :func:`execute` would raise before its work begins.
    """
    path = _output_path(phase, config)
    request = _Request(phase, config, open_inputs(phase, config), path, sources)
    standing = request.checked()
    if standing.state == "sealed":
        _judge_again(request, open_artifact(path, phase.output or ""))
    else:
        ready_to_begin(phase, config, path, yet_to_come)
    return standing


def _judge_again(request: _Request[Any], artifact: Artifact) -> bool:
    """Judge a sealed artifact by changed gates; whether they did change.

    Raises:
        GateFailed: when it does not keep them.
    """
    if gates_passed(artifact, request.phase.config) == gates_of(request.config):
        return False
    seen = request.phase.look_again(request.config, request.inputs, artifact) if request.phase.look_again else ()
    _judge(request.phase, request.config, artifact.metrics, request.path, seen)
    return True


def _judge(
    phase: Phase[ConfigT], config: ConfigT, metrics: Mapping[str, Any], path: Path, seen: Sequence[str] = ()
) -> None:
    """Hold the metrics against the config's gates; ``seen`` are violations that these do not tell.

    Raises:
        GateFailed: naming every bound that is not kept.
    """
    violations = [*(phase.judge(config, metrics) if phase.judge else ()), *seen]
    if violations:
        raise GateFailed(f"{_relative(path)}: " + "\n  ".join(violations))


def _configured_device(config: Any) -> str:
    return getattr(getattr(config, "resources", None), "device", "auto")


def _run_and_seal(
    phase: Phase[ConfigT], context: PhaseContext[ConfigT], recipe: Mapping[str, Any], standing: Standing
) -> Artifact:
    writer = context.output
    context.log.info("%s: %s", "resuming" if standing.state == "unfinished" else "running", context.config.output)
    for change in standing.renewed:
        context.log.info("%s: changed since; units made of what did not change are kept", change)
    begin(writer.path, recipe, _listed(context.inputs), renew=bool(standing.renewed))
    try:
        with log_file(writer.log_path / "log.jsonl"):
            metrics = phase.run(context)
        writer.check_session()
        _judge(phase, context.config, metrics, writer.path)
    except (BadRequest, GateFailed):
        if writer.is_untouched:  # nothing was done under this recipe: an edited one may start afresh
            shutil.rmtree(writer.path / PROGRESS)
        elif not writer.units and not any(writer.scratch.iterdir()):  # nothing but a report, which stays to be read
            give_up(writer.path)
        raise
    path = writer.path
    writer.remove_strays()
    manifest = {
        "kind": phase.output,
        "phase": phase.name,
        "version": phase.version,
        "fingerprint": fingerprint_of(recipe),
        "digest": digest_of(writer.files.values()),
        "config": context.config.model_dump(mode="json"),
        "recipe": recipe,
        "inputs": _listed(context.inputs),
        "files": {name: {"bytes": item.bytes, "sha256": item.sha256} for name, item in sorted(writer.files.items())},
        "units": dict(sorted(writer.units.items())),
        "metrics": dict(metrics),
        "sessions": sessions(path),
    }
    text = manifest_text(manifest)
    temporary = path / PROGRESS / MANIFEST
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path / MANIFEST)
    return Artifact(path, json.loads(text))


def _listed(inputs: Mapping[str, Sequence[Artifact]]) -> dict[str, list[dict[str, str]]]:
    return {
        name: [{"path": _relative(item.path), "kind": item.kind, "digest": item.digest} for item in given]
        for name, given in inputs.items()
    }


def _relative(path: Path) -> str:
    base = resolve("")
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
