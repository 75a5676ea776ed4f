"""The training manifest: from what, how and on what every artifact was made, and how good the result is.

The same artifacts give the same bytes: no timestamps, no timings, no hosts, no absolute paths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from aplantida.domain.seals import broken_text, sealed_text
from aplantida.pipeline.artifact import Artifact, canonical
from aplantida.pipeline.config import read_yaml, resolve
from aplantida.pipeline.errors import Altered, BadRequest

FORMAT = "aplantida.training_manifest/1"
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
FILE_NAME = "TRAINING_MANIFEST_{version}.yaml"
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
_SAID_OF_EACH = {"kind": str, "phase": str, "phase_version": int, "digest": str, "inputs": list, "environments": list}
_MAY_BE_SAID = {"config": dict, "resources": dict, "gates": dict, "files": dict}
_NO_PART_OF_A_NAME = re.compile(r"[/\\$\x00-\x1f]")  # a folder's name beside others, and no path or variable
_FILES_OF = ("checkpoint", "model_bundle")  # kinds whose files are listed one by one


def build_manifest(artifacts: Sequence[Artifact], name: str, version: str) -> dict[str, Any]:
    """The manifest of a release as plain values.

    Args:
        artifacts: all of it; each is called by the name of its folder.
        name: of the release.
        version: of the release.

    Raises:
        ValueError: when two artifacts lie in folders of one name.
    """
    ordered = _by_lineage(artifacts)
    names = [artifact.path.name for artifact in ordered]
    twice = sorted({item for item in names if names.count(item) > 1})
    if twice:
        raise ValueError(f"two artifacts are called {twice[0]!r}; the manifest could not tell them apart")
    environments = _environments(ordered)
    return {
        "format": FORMAT,
        "name": name,
        "version": version,
        "seeds": sorted({artifact.config["seed"] for artifact in ordered if "seed" in artifact.config}),
        "environments": environments,
        "artifacts": {
            artifact.path.name: _describe(artifact, ordered, list(environments.values())) for artifact in ordered
        },
        "graph": [
            f"{given['node'] or given['digest'][:12]} -> {artifact.path.name}"
            for artifact in ordered
            for given in _inputs(artifact, ordered)
        ],
        "results": {artifact.path.name: found for artifact in ordered if (found := results_of(artifact))},
    }


def to_yaml(manifest: dict[str, Any]) -> str:
    """As YAML, keys in their order, and its seal in the last line."""
    is_readable = _LINE_ENDS.search(canonical(manifest)) is None  # else a reader would take them for spaces
    return sealed_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=is_readable, width=120))


def read_manifest(file: Path, *, checked: bool = True) -> dict[str, Any]:
    """A manifest's file as plain values.

    Args:
        file: TRAINING_MANIFEST_….yaml.
        checked: refuse one whose seal is broken.

    Raises:
        BadRequest: when it cannot be read, is no training manifest, or calls an artifact by what is no folder's name.
        Altered: when it is no longer what it was.
    """
    manifest = read_yaml(file)
    if manifest.get("format") != FORMAT:
        raise BadRequest(f"{file}: want a training manifest of format {FORMAT!r}")
    trouble = broken_text(file.read_bytes()) if checked else None
    if trouble is not None:
        raise Altered(f"{file} was altered: {trouble}")
    artifacts = manifest.get("artifacts")
    if not isinstance(artifacts, dict):
        raise BadRequest(f"{file}: artifacts: want a mapping, found {type(artifacts).__name__}")
    for name, described in artifacts.items():
        trouble = _trouble_with(name, described)
        if trouble:
            raise BadRequest(f"{file}: artifacts: {name!r}: {trouble}")
    return manifest


def _trouble_with(name: Any, described: Any) -> str:
    """What an artifact's entry is not; empty when it may be read and looked for under its name."""
    if not isinstance(name, str) or name in ("", ".", "..") or _NO_PART_OF_A_NAME.search(name):
        return "want the plain name of a folder, without '/', '..' or '$'"
    if not isinstance(described, dict) or not described.keys() >= _SAID_OF_EACH.keys():
        return f"want a mapping with {', '.join(sorted(_SAID_OF_EACH))}"
    for key, kind in {**_SAID_OF_EACH, **_MAY_BE_SAID}.items():
        if key in described and not isinstance(described[key], kind):
            return f"{key}: want {kind.__name__}, found {type(described[key]).__name__}"
    return ""


def redact(value: Any) -> Any:
    """``value`` without credentials in addresses and without the folders of absolute paths."""
    if isinstance(value, dict):
        return {key: redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, str):
        if value.startswith("/"):
            return f"(absolute)/{PurePosixPath(value).name}"
        return _CREDENTIALS.sub("://***@", value)
    return value


def results_of(artifact: Artifact) -> dict[str, Any]:
    """What a result says of itself in its files: accuracy, calibration, licences; empty for other kinds."""
    if artifact.kind == "evaluation":
        test = read_json(artifact, "metrics.json")["test"]
        totals = {key: test[key] for key in ("num_photos", "top1", "top5", "macro_top1", "macro_top5", "nll")}
        regions = {name: {key: row[key] for key in ("num_photos", "top1")} for name, row in test["regions"].items()}
        return {"test": {**totals, "regions": regions}}
    if artifact.kind == "calibration":
        calibration = read_json(artifact, "calibration.json")
        decision = {name: value for name, value in read_json(artifact, "decision.json").items() if name != "strangers"}
        return {**decision, "ece": calibration["ece"]}
    if artifact.kind == "license_report":
        report = read_json(artifact, "license_report.json")
        return {"production_safe": report["production_safe"], "by_license": report["photos"]["by_license"]}
    if artifact.kind == "model_bundle":
        return {"bytes": sum(entry.bytes for entry in artifact.files.values())}
    return {}


def read_json(artifact: Artifact, name: str) -> Any:
    """One of an artifact's JSON files."""
    return json.loads(artifact.file(name).read_text(encoding="utf-8"))


def _by_lineage(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Each after those it was made from; otherwise by name."""
    waiting = sorted(artifacts, key=lambda item: item.path.name)
    paths = {item.path.resolve() for item in waiting}
    done: list[Artifact] = []
    placed: set[Any] = set()
    while waiting:
        ready = next(
            item
            for item in waiting
            if all(
                resolve(given["path"]).resolve() in placed or resolve(given["path"]).resolve() not in paths
                for entries in item.inputs.values()
                for given in entries
            )
        )
        done.append(ready)
        placed.add(ready.path.resolve())
        waiting.remove(ready)
    return done


def _describe(artifact: Artifact, all_of_them: Sequence[Artifact], environments: Sequence[Any]) -> dict[str, Any]:
    recipe = artifact.manifest["recipe"]
    inside = [environments.index(item) for item in _environments([artifact]).values()]
    description: dict[str, Any] = {
        "kind": artifact.kind,
        "phase": recipe["phase"],
        "phase_version": recipe["version"],
        "digest": artifact.digest,
        "fingerprint": artifact.fingerprint,
        "num_files": len(artifact.files),
        "bytes": sum(entry.bytes for entry in artifact.files.values()),
        "inputs": _inputs(artifact, all_of_them),
        "sources": recipe["sources"],
        "config": redact(recipe["config"]),
        **{key: redact(artifact.config.get(key, {})) for key in ("resources", "gates")},
        "environments": [f"environment_{position + 1}" for position in inside],
    }
    if artifact.kind in _FILES_OF:
        description["files"] = {name: entry.sha256 for name, entry in artifact.files.items()}
    return description


def _inputs(artifact: Artifact, all_of_them: Sequence[Artifact]) -> list[dict[str, Any]]:
    nodes = {item.path.resolve(): item.path.name for item in all_of_them}
    return [
        {"name": name, "node": nodes.get(resolve(entry["path"]).resolve()), "digest": entry["digest"]}
        for name, entries in artifact.inputs.items()
        for entry in entries
    ]


def _environments(artifacts: Sequence[Artifact]) -> dict[str, Any]:
    """The distinct environments of all sessions: commit, lock, versions, processor, GPUs."""
    found = {
        canonical(session["environment"]): session["environment"]
        for artifact in artifacts
        for session in artifact.manifest["sessions"]
    }
    return {f"environment_{number}": found[key] for number, key in enumerate(sorted(found), start=1)}
