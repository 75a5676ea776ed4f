"""Is everything still what it was? Artifacts, folders of them, bundles and manifests, hashed to the last byte."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aplantida.domain.cores import usable_cores
from aplantida.domain.seals import SEAL, broken_seal, broken_text
from aplantida.export.bundle import KEYS as BUNDLE_KEYS
from aplantida.export.bundle import MANIFEST_FILE as BUNDLE_FILE
from aplantida.export.bundle import altered_files
from aplantida.pipeline.artifact import (
    FORMAT,
    KEYS,
    MANIFEST,
    PROGRESS,
    Artifact,
    FileEntry,
    digest_of,
    hash_file,
    is_as_written,
    place_in,
)
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import PhaseError
from aplantida.pipeline.recipe import fingerprint_of
from aplantida.release.manifest import FILE_NAME, read_manifest
from aplantida.release.manifest import FORMAT as MANIFEST_FORMAT
from aplantida.release.walking import walk

Kind = Literal["artifact", "bundle", "manifest"]
_PREFIX, _SUFFIX = FILE_NAME.split("{version}")
_MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, PhaseError)


@dataclass(frozen=True)
class Subject:
    """Something that can be verified: ``place`` is a folder, or a manifest's file."""

    place: Path
    kind: Kind


@dataclass
class Verdict:
    """What was found.

    Attributes:
        place: what was looked at.
        kind: what it is.
        num_files: how many files were hashed.
        differences: what is not as it was, a sentence each that begins with a file's name.
        notes: what was not looked at.
        digest: of an artifact; of ``bundle.json`` for a bundle.
    """

    place: Path
    kind: Kind
    num_files: int = 0
    differences: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    digest: str = ""


def subjects_at(path: Path) -> list[Subject]:
    """What ``path`` is: an artifact, a bundle, a manifest, or a folder of such; empty when it is nothing we know."""
    if path.is_file():
        if path.name in (MANIFEST, BUNDLE_FILE):
            return subjects_at(path.parent)
        is_manifest = path.name.startswith(_PREFIX) and path.name.endswith(_SUFFIX)
        return [Subject(path, "manifest")] if is_manifest or _says_manifest(path) else []
    own = _folder(path, [inner.name for inner in path.iterdir()]) if path.is_dir() else None
    if own is not None:
        return [own]
    found: list[Subject] = []
    for place, names, files in walk(path, follow=True):
        inner = _folder(place, [*files, *names])
        if inner is not None:
            found.append(inner)
            names.clear()
        names[:] = [name for name in names if name != PROGRESS]
    return found


def _folder(path: Path, names: Sequence[str]) -> Subject | None:
    if MANIFEST in names:
        return Subject(path, "artifact")
    return Subject(path, "bundle") if BUNDLE_FILE in names else None


def _says_manifest(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.readline(200).strip() == f"format: {MANIFEST_FORMAT}".encode()


def verify(subject: Subject) -> Verdict:
    """Hash all there is of it, and hold it against what was written down when it was made."""
    verdict = Verdict(subject.place, subject.kind)
    look = {"artifact": _verify_artifact, "bundle": _verify_bundle, "manifest": _verify_manifest}[subject.kind]
    try:
        look(subject.place, verdict)
    except _MALFORMED as error:
        name = {"artifact": MANIFEST, "bundle": BUNDLE_FILE}.get(subject.kind, subject.place.name)
        verdict.differences.append(f"{name}: cannot be read: {type(error).__name__}: {error}")
    return verdict


def verify_together(verdicts: Sequence[Verdict]) -> None:
    """Hold what was looked at against each other: manifests against bundles and artifacts, artifacts against inputs."""
    digests = {verdict.place.resolve(): verdict.digest for verdict in verdicts if verdict.kind == "artifact"}
    for verdict in verdicts:
        if verdict.kind == "artifact":
            verdict.differences += _changed_inputs(verdict.place, digests)
        elif verdict.kind == "manifest":
            verdict.differences += _unlike(verdict, verdicts)


def _verify_artifact(path: Path, verdict: Verdict) -> None:
    text = place_in(path, MANIFEST).read_text(encoding="utf-8")
    manifest: dict[str, Any] = json.loads(text)
    differences = verdict.differences
    trouble = broken_seal(manifest)
    if trouble is None and not is_as_written(text):
        trouble = "its bytes are not those it was written with"
    if trouble is None and set(manifest) - KEYS:
        trouble = f"it has the key {min(set(manifest) - KEYS)!r}"
    if trouble is None and manifest["format"] != FORMAT:
        trouble = f"format {manifest['format']!r}, want {FORMAT!r}"
    if trouble is not None:
        differences.append(f"{MANIFEST}: {trouble}")
    _note_seal(manifest, verdict)
    artifact = Artifact(path, manifest)
    entries = list(artifact.files.values())
    if digest_of(entries) != artifact.digest:
        differences.append(f"{MANIFEST}: its digest is not that of the files it lists")
    if fingerprint_of(manifest["recipe"]) != artifact.fingerprint:
        differences.append(f"{MANIFEST}: its fingerprint is not that of its recipe")
    verdict.digest, verdict.num_files = artifact.digest, len(entries) + 1
    with ThreadPoolExecutor(usable_cores()) as pool:
        differences += [found for found in pool.map(lambda entry: _difference(path, entry), entries) if found]
    differences += [f"{name}: not listed in {MANIFEST}" for name in _strangers(path, {*artifact.files, MANIFEST})]
    if (path / BUNDLE_FILE).is_file():
        named = {difference.partition(":")[0] for difference in differences}
        differences += [f"{name}: not as {BUNDLE_FILE} says" for name in altered_files(path) if name not in named]
    if (path / PROGRESS).exists():
        verdict.notes.append(f"{PROGRESS}/ is left in it")


def _note_seal(document: Mapping[str, Any], verdict: Verdict) -> None:
    if SEAL not in document:
        verdict.notes.append("has no seal: it was made before there were seals, or somebody took it away")


def _difference(path: Path, entry: FileEntry) -> str | None:
    try:
        file = place_in(path, entry.name)
    except ValueError as error:
        return f"{entry.name}: {error}"
    if not file.is_file():
        return f"{entry.name}: missing"
    if file.stat().st_size != entry.bytes:
        return f"{entry.name}: {file.stat().st_size} bytes, want {entry.bytes}"
    found = hash_file(file)
    return None if found == entry.sha256 else f"{entry.name}: sha256 {found}, want {entry.sha256}"


def _strangers(path: Path, listed: set[str]) -> Iterator[str]:
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if name.partition("/")[0] != PROGRESS and name not in listed and (file.is_symlink() or not file.is_dir()):
            yield name


def _verify_bundle(path: Path, verdict: Verdict) -> None:
    data = (path / BUNDLE_FILE).read_bytes()
    document: dict[str, Any] = json.loads(data)
    verdict.digest = hash_file(path / BUNDLE_FILE)
    verdict.num_files = len(document["files"]) + len(document["formats"]) + 1
    verdict.differences += [f"{name}: not as {BUNDLE_FILE} says" for name in altered_files(path)]
    if data != (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode():
        verdict.differences.append(f"{BUNDLE_FILE}: its bytes are not those it was written with")
    if strange := sorted(set(document) - BUNDLE_KEYS):
        verdict.differences.append(f"{BUNDLE_FILE}: it has the key {strange[0]!r}")
    _note_seal(document, verdict)
    others = len(list(_strangers(path, {*document["files"], *document["formats"], BUNDLE_FILE})))
    if others:
        verdict.notes.append(f"{others} files that are not the bundle's lie beside it")


def _verify_manifest(path: Path, verdict: Verdict) -> None:
    trouble = broken_text(path.read_bytes())
    if trouble is not None:
        verdict.differences.append(f"{path.name}: {trouble}")
    verdict.num_files = 1
    beside = path.resolve().parent.parent
    for name, described in _artifacts_of(path).items():
        place = beside / name
        if not (place / MANIFEST).is_file():
            verdict.notes.append(f"{name} ({described['digest'][:12]}) does not lie in {beside}: not looked at")
            continue
        found = verify(Subject(place, "artifact"))
        verdict.num_files += found.num_files
        verdict.differences += [f"{name}/{difference}" for difference in found.differences]
        if found.digest != described["digest"]:
            verdict.differences.append(f"{name}: digest {found.digest[:12]}, want {described['digest'][:12]}")


def _artifacts_of(path: Path) -> Mapping[str, Any]:
    return read_manifest(path, checked=False)["artifacts"]


def _changed_inputs(path: Path, digests: Mapping[Path, str]) -> list[str]:
    try:
        inputs = Artifact(path, json.loads((path / MANIFEST).read_text(encoding="utf-8"))).inputs
        given = [entry for entries in inputs.values() for entry in entries]
        return [
            f"{MANIFEST}: made from {entry['path']} when its digest was {entry['digest'][:12]}; now it is "
            f"{digests[resolve(entry['path']).resolve()][:12]}"
            for entry in given
            if digests.get(resolve(entry["path"]).resolve(), entry["digest"]) != entry["digest"]
        ]
    except _MALFORMED:
        return []  # said already


def _unlike(manifest: Verdict, verdicts: Sequence[Verdict]) -> list[str]:
    """Bundles that were looked at too, and are not the manifest's."""
    try:
        described = _artifacts_of(manifest.place).values()
        known = {item["files"][BUNDLE_FILE] for item in described if BUNDLE_FILE in item.get("files", {})}
    except _MALFORMED:
        return []  # said already
    return [
        f"{manifest.place.name}: {verdict.place}/{BUNDLE_FILE} is not the bundle it describes"
        for verdict in verdicts
        if verdict.kind == "bundle" and verdict.digest not in known
    ]
