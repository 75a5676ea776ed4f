"""How what saw a withdrawn photo is made anew without it: configs, and the commands in their order."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from pathlib import Path
from typing import Any

import yaml

from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import PhaseConfig, known_values, resolve
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.recipe import in_todays_terms
from aplantida.release.tracing import Trace

CLEANUP = "_cleanup"


@dataclass(frozen=True)
class Remaking:
    """What has to be done.

    Attributes:
        configs: name of a file (without .yaml) → its values.
        jobs: (phase, name of its config file) in their order.
        by_hand: artifacts that no phase of ours made, and where they belong.
        cleanups: names of the config files of ``cleanup``, in their order.
        forget: records of releases, and copies of bundles: to be deleted.
        opt_outs: the lines of ``opt_out`` to add.
    """

    configs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    jobs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    by_hand: list[str] = field(default_factory=list[str])
    cleanups: list[str] = field(default_factory=list[str])
    forget: list[Path] = field(default_factory=list[Path])
    opt_outs: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


def plan_remaking(
    trace: Trace, opt_outs: Mapping[str, Sequence[str]], into: str, phases: Mapping[str, Phase[Any]]
) -> Remaking:
    """Every artifact of the trace made again, by the config it was made with and today's opt-outs, below ``into``.

    A recipe with another opt-out is another one, so nothing can be made anew in its old place: the new ones have a
    place of their own, and the old ones go when they are there.

    Args:
        trace: what saw a photo.
        opt_outs: ``authors``, ``hosts`` and ``images`` to add.
        into: folder of the new artifacts.
        phases: by name, those that can be run.
    """
    plan = Remaking(opt_outs=opt_outs)
    artifacts = [sighting.artifact for sighting in trace.sightings]
    names = _names(artifacts)
    places = {item.digest: f"{into}/{names[item.path.resolve()]}" for item in artifacts}
    for artifact in artifacts:
        phase, name = phases.get(artifact.manifest["phase"]), names[artifact.path.resolve()]
        if phase is None:
            plan.by_hand.append(f"{into}/{name}: {artifact.kind}, made by {artifact.manifest['phase']}")
            continue
        plan.configs[name] = {**_config(artifact, phase, opt_outs, places), "output": f"{into}/{name}"}
        plan.jobs.append((phase.name, name))
    plan.forget.extend([*(record.file for record in trace.records), *(path for path, _ in trace.copies)])
    going = [*(work.path for work in trace.unfinished), *(artifact.path for artifact in reversed(artifacts))]
    folders = [folder.resolve() for folder in trace.folders]
    for number, values in enumerate(_cleanups([path.resolve() for path in going], folders), start=1):
        plan.configs[f"{CLEANUP}-{number}"] = values
        plan.cleanups.append(f"{CLEANUP}-{number}")
    return plan


def _names(artifacts: Sequence[Artifact]) -> dict[Path, str]:
    """A name for each artifact's new folder: that of its old one, numbered where two are alike."""
    names: dict[Path, str] = {}
    for artifact in artifacts:
        path = artifact.path.resolve()
        alike = (path.name if number == 1 else f"{path.name}-{number}" for number in count(1))
        names[path] = next(name for name in alike if name not in names.values())
    return names


def _config(
    artifact: Artifact, phase: Phase[Any], opt_outs: Mapping[str, Sequence[str]], places: Mapping[str, str]
) -> dict[str, Any]:
    """The config an artifact was made with, in today's terms, with the opt-outs, and inputs in their new places.

    ``places`` are by digest: an artifact that was moved is still known.
    """
    known: type[PhaseConfig] = phase.config
    values = known_values(known, in_todays_terms(artifact.config, known))
    if "opt_out" in known.model_fields:
        values["opt_out"] = {
            key: _added(given, opt_outs.get(key, ())) for key, given in (values["opt_out"] or {}).items()
        }
    gates = values.get("gates")
    if isinstance(gates, dict) and "opt_out" in gates:
        said = {key: _added(given, opt_outs.get(key, ())) for key, given in gates["opt_out"].items()}
        values["gates"] = {**gates, "opt_out": said}
    http = values.get("http")
    if isinstance(http, dict) and "opt_out_hosts" in http:
        values["http"] = {**http, "opt_out_hosts": _added(http["opt_out_hosts"], opt_outs.get("hosts", ()))}
    if artifact.kind == "image_shards" and "reuse" in known.model_fields:
        values["reuse"] = [str(artifact.path)]  # photos that stay are not downloaded again
    inputs: dict[str, str | list[str]] = {}
    for name, given in artifact.inputs.items():
        paths = [places.get(entry["digest"], entry["path"]) for entry in given]
        if paths and name in phase.input_specs:
            inputs[name] = paths if phase.input_specs[name].many else paths[0]
    return {**values, "inputs": inputs}


def _added(given: Sequence[str], more: Sequence[str]) -> list[str]:
    return [*given, *(text for text in more if text not in given)]


def _cleanups(paths: Sequence[Path], folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Configs of ``cleanup`` that delete these and nothing else; what something else needs they refuse to delete.

    Args:
        paths: what is to go, each before what it was made from: then nothing that goes is needed by what is left.
        folders: of runs and bundles.
    """

    def folder_of(path: Path) -> Path:
        return next((folder for folder in folders if path != folder and path.is_relative_to(folder)), path.parent)

    configs: list[dict[str, Any]] = []
    for folder, inside in groupby(paths, folder_of):
        named = [path.relative_to(folder).as_posix() for path in inside]
        configs.append({"runs": str(folder), "categories": [], "named": named, "delete": True})
    return configs


def write_configs(plan: Remaking, into: str) -> list[Path]:
    """Write the plan's configs into ``into``; the files.

    Raises:
        OSError: when they cannot be written.
    """
    folder = resolve(into) / "configs"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.yaml" for name in plan.configs]
    for file, values in zip(files, plan.configs.values(), strict=True):
        file.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return files


def commands(plan: Remaking, into: str, again: str) -> list[str]:
    """What to do, line by line: lines that begin with ``#`` are for people, all others for a shell.

    Args:
        plan: see :func:`plan_remaking`.
        into: folder of the new artifacts.
        again: the command line of this trace.
    """
    folder = resolve(into) / "configs"
    lines = [
        "# 1. say it, in configs/collection.yaml (and in a profile's own collection.yaml); keep what is listed there:"
    ]
    lines += [
        f"#    {line}" for line in yaml.safe_dump({"opt_out": dict(plan.opt_outs)}, allow_unicode=True).splitlines()
    ]
    lines += ["# 2. write the configs of what is made anew, with that opt-out:", f"{again} --into {shlex.quote(into)}"]
    lines.append("# 3. make it, in this order (killed, the same line goes on):")
    lines += [f"#    by hand: {text}" for text in plan.by_hand]
    lines += [f"python -m jobs.{phase} --config {_file(folder, name)}" for phase, name in plan.jobs]
    lines += ["# 4. is it whole?", f"python -m aplantida.verify {shlex.quote(str(resolve(into)))}"]
    lines.append("# 5. forget the old releases, and delete what saw the photo:")
    lines += [f"rm -r {shlex.quote(str(path))}" for path in plan.forget]
    lines += [f"python -m jobs.cleanup --config {_file(folder, name)}" for name in plan.cleanups]
    return [*lines, "# 6. nothing saw it any more:", again]


def _file(folder: Path, name: str) -> str:
    return shlex.quote(str(folder / f"{name}.yaml"))
