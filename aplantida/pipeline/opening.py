"""Opening what a request reads: its inputs, and what it may take units over from."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path

from aplantida.pipeline.artifact import PROGRESS, Artifact, is_sealed, of_kind, open_artifact
from aplantida.pipeline.config import ConfigT, ReusingConfig, resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.ledger import Ledger
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.standing import RECIPE


def open_inputs(phase: Phase[ConfigT], config: ConfigT) -> dict[str, list[Artifact]]:
    """The artifacts a config names, by input name.

    Raises:
        BadRequest: for an unknown, missing, surplus or unfinished input.
    """
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
                f"{phase.name}: input {name!r} is missing: give --input {name}=PATH of {of_kind(spec.kind)}"
            )
        if len(paths) > 1 and not spec.many:
            raise BadRequest(f"{phase.name}: input {name!r} takes one artifact, {len(paths)} given")
        opened[name] = [open_artifact(resolve(text), spec.kind) for text in paths]
    return opened


def open_reuse(phase: Phase[ConfigT], config: ConfigT, yet_to_come: Set[Path] = frozenset()) -> list[Artifact]:
    """The artifacts whose units may be taken over.

    Args:
        phase: which.
        config: names them.
        yet_to_come: outputs that are made before the work begins: they need not be there.

    Raises:
        BadRequest: for one that is not there, or of another kind.
    """
    if not isinstance(config, ReusingConfig):
        return []
    paths = [path for text in config.reuse if (path := resolve(text)) not in yet_to_come]
    return [_open_to_reuse(path, phase.output or "") for path in paths]


def _open_to_reuse(path: Path, kind: str) -> Artifact:
    """A sealed artifact, or the finished units of an unfinished one."""
    if is_sealed(path) or not (path / PROGRESS / RECIPE).is_file():
        return open_artifact(path, kind)
    recipe = json.loads((path / PROGRESS / RECIPE).read_text(encoding="utf-8"))
    if recipe["kind"] != kind:
        raise BadRequest(f"{path}: want {of_kind(kind)}, found unfinished work on {recipe['kind']}")
    ledger = Ledger(path / PROGRESS / "ledger.jsonl", path, read_only=True)
    files = {name: {"bytes": entry.bytes, "sha256": entry.sha256} for name, entry in ledger.files.items()}
    return Artifact(path, {"kind": kind, "config": recipe["config"], "files": files, "units": ledger.units})
