"""Make a release again from its manifest, and compare: ``python -m aplantida.reproduce --manifest FILE --into DIR``.

Each artifact is made by the phase, config, gates and resources that the manifest names, into ``DIR/<its name>``, in the
manifest's order; what is there already is skipped, so it may be stopped and run again. ``--given NAME=PATH`` takes an
artifact as it is (photos, say), when its digest is the manifest's. Every entry is looked at before the first is made.
Exit code 0 when all digests are equal, 4 when one differs, 2 when the manifest cannot be followed here.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aplantida.distributed.sharing import shared_ray
from aplantida.domain.cores import usable_cores
from aplantida.phases.registry import load_phase
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.child import run_in_child
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.config import load_config, resolve
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.logs import LOGGER, configure_console
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.runner import execute
from aplantida.release.manifest import read_manifest

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LEFT_OUT = ("(absolute)/", "://***@")  # what the manifest does not say


@dataclass(frozen=True, slots=True)
class Compared:
    """An artifact that was made again: its name, the manifest's digest, and the one found here."""

    name: str
    wanted: str
    found: str
    note: str = ""


def reproduce(manifest: Mapping[str, Any], into: str, given: Mapping[str, str]) -> list[Compared]:
    """Make every artifact of the manifest again, and compare.

    Args:
        manifest: see :func:`aplantida.release.manifest.read_manifest`.
        into: the folder of the new artifacts.
        given: by name, paths of artifacts that are taken as they are.

    Raises:
        PhaseError: when an artifact cannot be made as the manifest says.
    """
    described: dict[str, dict[str, Any]] = manifest["artifacts"]
    unknown = sorted(set(given) - set(described))
    if unknown:
        raise BadRequest(f"--given {unknown[0]}: the manifest has {', '.join(described)}")
    before: list[str] = []
    for name, item in described.items():
        _check_entry(name, item, before, manifest)
        if name not in given:
            _check(name, item, before, manifest)
        before.append(name)
    paths = {name: given.get(name, f"{into}/{name}") for name in described}
    compared: list[Compared] = []
    with shared_ray():
        for name, item in described.items():
            if name in given:
                found = open_artifact(resolve(paths[name]), item["kind"]).digest
                if found != item["digest"]:
                    raise BadRequest(f"--given {name}: digest {found[:12]}, the manifest has {item['digest'][:12]}")
                continue
            compared.append(_make(name, item, paths, manifest))
    return compared


def _check_entry(name: str, item: Mapping[str, Any], before: Collection[str], manifest: Mapping[str, Any]) -> None:
    """Whether an entry, of what is made or given, can be told from others and says on what it was made."""
    if _DIGEST.fullmatch(item["digest"]) is None:
        raise BadRequest(f"{name}: digest: want 64 digits of 0-9a-f, found {item['digest']!r}")
    alike = next((other for other in before if other.casefold() == name.casefold()), None)
    if alike is not None or name.startswith("_"):
        trouble = (
            "begins as our own folders do" if alike is None else f"some file systems cannot tell it from {alike!r}"
        )
        raise BadRequest(f"{name!r}: {trouble}: want another name of a folder")
    environments = manifest.get("environments")
    if not isinstance(environments, dict) or not all(isinstance(value, dict) for value in environments.values()):
        raise BadRequest("environments: want a mapping of mappings: what each entry was made on, by name")
    unknown = sorted(set(map(str, item["environments"])) - set(environments))
    if unknown or not item["environments"]:
        trouble = f"the manifest has none called {unknown[0]!r}" if unknown else "want one at least"
        raise BadRequest(f"{name}: environments: {trouble}")


def _check(name: str, item: Mapping[str, Any], before: Collection[str], manifest: Mapping[str, Any]) -> None:
    """Whether an entry can be followed: it makes an artifact of its kind, by a phase as it is here, from earlier ones.

    Raises:
        BadRequest: naming the entry, when it cannot.
    """
    phase = load_phase(item["phase"])
    if phase.output is None or phase.output != item["kind"]:
        makes = phase.output or "no artifact"
        raise BadRequest(f"{name}: {phase.name} makes {makes}, the manifest says {item['kind']!r}")
    if phase.version != item["phase_version"]:
        commits = sorted({str(manifest["environments"][key].get("commit")) for key in item["environments"]})
        raise BadRequest(
            f"{name} was made by version {item['phase_version']} of {phase.name}, here is version {phase.version}: "
            f"check out {' or '.join(commits)}"
        )
    hidden = _hidden(_said(item))
    if hidden:
        raise BadRequest(f"{name}: {hidden} is left out of the manifest (a credential, or an absolute path)")
    _check_inputs(name, item, phase, {earlier: manifest["artifacts"][earlier] for earlier in before})
    placed = sorted({"inputs", "output", "reuse"} & item.get("config", {}).keys())
    if placed:
        raise BadRequest(f"{name}: config.{placed[0]}: no part of what is made: a manifest says nothing of places")
    try:
        load_config(phase.config, [], {**_values(item, phase), "output": name})
    except BadRequest as error:
        raise BadRequest(f"{name}: {error}") from None


def _check_inputs(name: str, item: Mapping[str, Any], phase: Phase[Any], before: Mapping[str, Any]) -> None:
    """Whether an entry's inputs are those its phase takes, each the artifact that an earlier entry describes."""
    given: list[str] = []
    for entry in item["inputs"]:
        word = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(word, str) or word not in phase.input_specs:
            raise BadRequest(f"{name}: inputs: {entry!r}: {phase.name} takes {', '.join(phase.input_specs) or 'none'}")
        node, digest, spec = entry.get("node"), entry.get("digest"), phase.input_specs[word]
        if node is None:
            raise BadRequest(f"{name}: its input {word} ({str(digest)[:12]}) is not in the manifest")
        if not isinstance(node, str) or node not in before:
            raise BadRequest(f"{name}: its input {word} is {node!r}, which no earlier entry makes")
        if digest != before[node]["digest"]:
            raise BadRequest(
                f"{name}: its input {word} has digest {str(digest)[:12]}, {node} is {before[node]['digest'][:12]}"
            )
        if not spec.accepts(before[node]["kind"]):
            raise BadRequest(f"{name}: its input {word} is a {before[node]['kind']}, {phase.name} takes {spec.kind}")
        if word in given and not spec.many:
            raise BadRequest(f"{name}: two inputs are called {word}, {phase.name} takes one")
        given.append(word)
    missing = [word for word, spec in phase.input_specs.items() if not spec.optional and word not in given]
    if missing:
        raise BadRequest(f"{name}: no input is called {missing[0]}, which {phase.name} needs")


def _said(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item.get(key, {}) for key in ("config", "resources", "gates")}


def _values(item: Mapping[str, Any], phase: Phase[Any]) -> dict[str, Any]:
    """What the manifest says of an entry's config."""
    parts = _said(item)
    return {
        **parts["config"],
        **{key: parts[key] for key in ("resources", "gates") if key in phase.config.model_fields},
    }


def _make(name: str, item: Mapping[str, Any], paths: Mapping[str, str], manifest: Mapping[str, Any]) -> Compared:
    phase = load_phase(item["phase"])
    values = {**_values(item, phase), "inputs": _inputs(item, phase.input_specs, paths), "output": paths[name]}
    logging.getLogger(LOGGER).info("%s", name)
    artifact = run_in_child(phase.name, execute, phase, values=values).artifact
    assert artifact is not None  # a phase with an output, see _check
    return Compared(name, item["digest"], artifact.digest, _note(item, manifest))


def _inputs(item: Mapping[str, Any], specs: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, str | list[str]]:
    inputs: dict[str, str | list[str]] = {}
    for entry in item["inputs"]:
        path, several = paths[entry["node"]], inputs.get(entry["name"], [])
        inputs[entry["name"]] = [*several, path] if specs[entry["name"]].many else path
    return inputs


def _hidden(value: Any, key: str = "") -> str:
    """The first key whose value the manifest does not say; empty when it says all."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        found = _hidden(inner, f"{key}.{name}".lstrip("."))
        if found:
            return found
    return key if isinstance(value, str) and any(mark in value for mark in _LEFT_OUT) else ""


def _note(item: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """What may make a difference here: cores where threads were left to the machine, another processor, a GPU."""
    made = [manifest["environments"][key] for key in item["environments"]]
    notes: list[str] = []
    if any(environment.get("gpus") for environment in made):
        notes.append("made beside a GPU")
    cores = sorted({environment.get("usable_cores") for environment in made} - {None, usable_cores()})
    if cores and item.get("resources", {}).get("num_threads", 0) is None:
        notes.append(f"made on {', '.join(map(str, cores))} cores, here are {usable_cores()}")
    return "; ".join(notes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parse = argparse.ArgumentParser(prog="python -m aplantida.reproduce", description="Make a release again.")
    parse.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="TRAINING_MANIFEST_….yaml")
    parse.add_argument("--into", required=True, metavar="DIR", help="the folder of the artifacts that are made")
    parse.add_argument("--given", action="append", default=[], metavar="NAME=PATH",
                       help="an artifact that is taken as it is; repeat")  # fmt: skip
    words = parse.parse_args(arguments)
    configure_console("info")
    return exit_code_of(lambda: _compare(words), logging.getLogger(LOGGER).error)


def _compare(words: argparse.Namespace) -> int:
    given = dict(word.split("=", 1) for word in words.given if "=" in word)
    if len(given) < len(words.given):
        raise BadRequest("--given: want NAME=PATH, each name once")
    compared = reproduce(read_manifest(words.manifest), words.into, given)
    for row in compared:
        same = "equal" if row.found == row.wanted else f"DIFFERS, want {row.wanted[:12]}"
        note = f" ({row.note})" if row.note and row.found != row.wanted else ""
        sys.stdout.write(f"{row.name:<28} {row.found[:12]} {same}{note}\n")
    differ = sum(row.found != row.wanted for row in compared)
    sys.stdout.write(f"{len(compared)} made again, {differ} differ\n")
    return GateFailed.exit_code if differ else 0


if __name__ == "__main__":
    raise SystemExit(main())
