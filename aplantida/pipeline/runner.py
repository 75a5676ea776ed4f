"""From a request to a sealed artifact: skip, resume, refuse, dry-run, run."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aplantida.pipeline import environment
from aplantida.pipeline.artifact import (
    FORMAT,
    MANIFEST,
    PROGRESS,
    Artifact,
    canonical,
    digest_of,
    is_sealed,
    open_artifact,
)
from aplantida.pipeline.config import ConfigT, ReusingConfig, identity, load_config, resolve
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.logs import LOGGER, log_file
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.session import sessions, writing_session
from aplantida.pipeline.writer import ArtifactWriter

RECIPE = "recipe.json"
_ABSENT = "(absent)"


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
) -> Outcome:
    """Carry out one phase.

    Args:
        phase: which.
        files: config files, later over earlier.
        values: config values over all files, e.g. ``{"inputs": {...}, "output": "runs/x", "seed": 7}``.
        device: overrides ``resources.device``.
        dry_run: say what would happen and change nothing.

    Raises:
        BadRequest: when the request cannot be carried out as written.
        RecipeChanged: when the output holds work of another recipe.
        GateFailed: when the phase's quality gate refuses the result; the output stays unsealed.
    """
    started = time.monotonic()
    config = load_config(phase.config, files, values)
    log = logging.getLogger(f"{LOGGER}.{phase.name}")
    inputs = _open_inputs(phase, config)
    chosen = device or _configured_device(config)
    if phase.output is None:
        if dry_run:
            log.info("dry run: would run %s, which seals nothing", phase.name)
            return Outcome("dry-run", time.monotonic() - started, None, {})
        metrics = phase.run(PhaseContext(config, inputs, [], log, chosen, None))
        return Outcome("done", time.monotonic() - started, None, metrics)
    path = _output_path(phase, config)
    recipe = _recipe(phase, config, inputs)
    state = _state(path, recipe)
    if dry_run or state == "sealed":
        artifact = _leave(phase, path, state, dry_run, log)
        status = "dry-run" if dry_run else "skipped"
        return Outcome(status, time.monotonic() - started, artifact, artifact.metrics if artifact else {})
    log.info("%s: %s", "resuming" if state == "unfinished" else "running", config.output)
    reuse = _open_reuse(phase, config)
    with writing_session(path, environment.describe()) as session_id:
        _begin(path, recipe)
        context = PhaseContext(config, inputs, reuse, log, chosen, ArtifactWriter(path, session_id))
        artifact = _run_and_seal(phase, context, recipe)
    shutil.rmtree(path / PROGRESS)
    seconds = time.monotonic() - started
    log.info("sealed %s in %.1f s: digest %s", config.output, seconds, artifact.digest[:12])
    return Outcome("resumed" if state == "unfinished" else "done", seconds, artifact, artifact.metrics)


def _output_path(phase: Phase[ConfigT], config: ConfigT) -> Path:
    if not config.output:
        raise BadRequest(f"{phase.name}: no output: give --output PATH or an `output:` in the config")
    return resolve(config.output)


def _leave(phase: Phase[Any], path: Path, state: str, dry_run: bool, log: logging.Logger) -> Artifact | None:
    """Say what would happen, or that nothing need happen."""
    verb = {"sealed": "is sealed: skip", "unfinished": "would resume", "absent": "would run"}[state]
    log.info("%s: %s %s", "dry run" if dry_run else "skipped", _relative(path), verb)
    if state == "sealed" and not dry_run:
        shutil.rmtree(path / PROGRESS, ignore_errors=True)  # left by a kill between sealing and tidying up
    return open_artifact(path, phase.output or "") if state == "sealed" else None


def _configured_device(config: Any) -> str:
    return getattr(getattr(config, "resources", None), "device", "auto")


def _open_inputs(phase: Phase[ConfigT], config: ConfigT) -> dict[str, list[Artifact]]:
    specs = phase.input_specs
    unknown = sorted(set(config.inputs) - set(specs))
    if unknown:
        raise BadRequest(f"{phase.name}: unknown input {unknown[0]!r}; it takes {', '.join(specs) or 'none'}")
    opened: dict[str, list[Artifact]] = {}
    for name, spec in specs.items():
        given = config.inputs.get(name, [])
        paths = [given] if isinstance(given, str) else given
        if not paths and not spec.optional:
            raise BadRequest(
                f"{phase.name}: input {name!r} is missing: give --input {name}=PATH of a {spec.kind} artifact"
            )
        if len(paths) > 1 and not spec.many:
            raise BadRequest(f"{phase.name}: input {name!r} takes one artifact, {len(paths)} given")
        opened[name] = [open_artifact(resolve(text), spec.kind) for text in paths]
    return opened


def _open_reuse(phase: Phase[ConfigT], config: ConfigT) -> list[Artifact]:
    if not isinstance(config, ReusingConfig):
        return []
    return [open_artifact(resolve(text), phase.output or "") for text in config.reuse]


def _recipe(phase: Phase[ConfigT], config: ConfigT, inputs: Mapping[str, Sequence[Artifact]]) -> dict[str, Any]:
    return {
        "kind": phase.output,
        "phase": phase.name,
        "version": phase.version,
        "config": identity(config),
        "inputs": {name: [artifact.digest for artifact in given] for name, given in inputs.items()},
        "sources": {name: digest(config) for name, digest in phase.sources.items()},
    }


def _fingerprint(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()


def _state(path: Path, recipe: Mapping[str, Any]) -> str:
    if is_sealed(path):
        earlier: Mapping[str, Any] = open_artifact(path).manifest["recipe"]
        state = "sealed"
    elif (path / PROGRESS / RECIPE).is_file():
        earlier = json.loads((path / PROGRESS / RECIPE).read_text(encoding="utf-8"))
        state = "unfinished"
    elif path.is_dir() and any(child.name != PROGRESS for child in path.iterdir()):
        raise BadRequest(f"{path}: holds files but is no artifact; choose another --output")
    else:
        return "absent"
    if _fingerprint(earlier) != _fingerprint(recipe):
        changes = "\n  ".join(differences(earlier, recipe))
        raise RecipeChanged(f"{path}: {state} under another recipe; choose another --output or undo:\n  {changes}")
    return state


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Changed keys as ``key: old -> new``, dotted; keys of the config without the ``config.`` in front."""
    before, after = _flatten(old), _flatten(new)
    keys = [key for key in (*before, *(key for key in after if key not in before))]
    return [
        f"{key.removeprefix('config.')}: {before.get(key, _ABSENT)} -> {after.get(key, _ABSENT)}"
        for key in keys
        if before.get(key, _ABSENT) != after.get(key, _ABSENT)
    ]


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        flat: dict[str, Any] = {}
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            flat.update(_flatten(inner, f"{prefix}{key}."))
        return flat
    return {prefix.removesuffix("."): value}


def _begin(path: Path, recipe: Mapping[str, Any]) -> None:
    target = path / PROGRESS / RECIPE
    if not target.exists():
        temporary = target.with_suffix(".tmp")
        temporary.write_text(json.dumps(recipe, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.replace(target)


def _run_and_seal(phase: Phase[ConfigT], context: PhaseContext[ConfigT], recipe: Mapping[str, Any]) -> Artifact:
    writer = context.output
    try:
        with log_file(writer.log_path / "log.jsonl"):
            metrics = phase.run(context)
    except BadRequest:
        if _is_untouched(writer):  # nothing was done under this recipe: an edited one may start afresh
            shutil.rmtree(writer.path / PROGRESS)
        raise
    writer.check_session()
    path = writer.path
    _remove_strays(writer)
    manifest = {
        "format": FORMAT,
        "kind": phase.output,
        "phase": phase.name,
        "version": phase.version,
        "fingerprint": _fingerprint(recipe),
        "digest": digest_of(writer.files.values()),
        "config": context.config.model_dump(mode="json"),
        "recipe": recipe,
        "inputs": {
            name: [{"path": _relative(item.path), "kind": item.kind, "digest": item.digest} for item in given]
            for name, given in context.inputs.items()
        },
        "files": {name: {"bytes": item.bytes, "sha256": item.sha256} for name, item in sorted(writer.files.items())},
        "units": dict(sorted(writer.units.items())),
        "metrics": dict(metrics),
        "sessions": sessions(path),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    temporary = path / PROGRESS / MANIFEST
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path / MANIFEST)
    return Artifact(path, json.loads(text))


def _is_untouched(writer: ArtifactWriter) -> bool:
    return not writer.files and not writer.units and not any(writer.scratch.iterdir())


def _relative(path: Path) -> str:
    base = resolve("")
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)


def _remove_strays(writer: ArtifactWriter) -> None:
    """Delete files that no session recorded: a killed session's last words, under a name never written again."""
    for file in sorted(writer.path.rglob("*")):
        name = file.relative_to(writer.path).as_posix()
        if file.is_file() and not name.startswith(f"{PROGRESS}/") and name not in writer.files:
            logging.getLogger(LOGGER).warning("%s: removed a file that no session recorded: %s", writer.path, name)
            file.unlink()
