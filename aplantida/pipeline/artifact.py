"""Sealed artifacts: a folder of result files and the ``artifact.json`` that was written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from aplantida.pipeline.errors import BadRequest

FORMAT = "aplantida.artifact/1"
MANIFEST = "artifact.json"
PROGRESS = "_progress"
ASIDE = "aside/"  # files below it are kept and verified like results, but are none: they do not count in the digest
ANY_KIND = "*"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One result file: its name inside the artifact (with ``/``), size in bytes, sha256 in hex."""

    name: str
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Artifact:
    """A sealed artifact, opened for reading."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """What it is: ``records``, ``checkpoint`` …"""
        return self.manifest["kind"]

    @property
    def digest(self) -> str:
        """sha256 over names, sizes and hashes of its result files."""
        return self.manifest["digest"]

    @property
    def fingerprint(self) -> str:
        """sha256 of the recipe it was made by."""
        return self.manifest["fingerprint"]

    @property
    def config(self) -> dict[str, Any]:
        """The whole config it was made with."""
        return self.manifest["config"]

    @property
    def inputs(self) -> dict[str, list[dict[str, str]]]:
        """By input name: path, kind and digest of what it was made from."""
        return self.manifest["inputs"]

    @property
    def metrics(self) -> dict[str, Any]:
        """What the phase said of its result."""
        return self.manifest["metrics"]

    @property
    def units(self) -> dict[str, dict[str, Any]]:
        """By unit name: key, file names and info."""
        return self.manifest["units"]

    @property
    def files(self) -> dict[str, FileEntry]:
        """Result files by name."""
        return {name: FileEntry(name, item["bytes"], item["sha256"]) for name, item in self.manifest["files"].items()}

    def file(self, name: str) -> Path:
        """Path of a result file.

        Raises:
            BadRequest: when the artifact lists no such file.
        """
        if name not in self.manifest["files"]:
            raise BadRequest(f"{self.path}: a {self.kind} artifact without the file {name!r}")
        return self.path / name

    def files_under(self, folder: str) -> list[Path]:
        """Paths of the result files below ``folder``, by name."""
        return [self.path / name for name in sorted(self.manifest["files"]) if name.startswith(f"{folder}/")]

    def verify(self) -> list[str]:
        """Re-hash every file; the names of those that differ or are gone."""
        return [
            entry.name
            for entry in self.files.values()
            if not (self.path / entry.name).is_file() or hash_file(self.path / entry.name) != entry.sha256
        ]


def is_sealed(path: Path) -> bool:
    """Whether ``path`` holds a sealed artifact."""
    return (path / MANIFEST).is_file()


def open_artifact(path: Path, kind: str = ANY_KIND) -> Artifact:
    """Open a sealed artifact, checking its kind and its files' names and sizes.

    Raises:
        BadRequest: when it is absent, unfinished, of another kind, or a file is missing or of another size.
    """
    if not is_sealed(path):
        state = "unfinished (run its phase again)" if (path / PROGRESS).is_dir() else "not there"
        raise BadRequest(f"{path}: want a sealed {kind} artifact; it is {state}")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadRequest(f"{path / MANIFEST}: {error}") from error
    if manifest.get("format") != FORMAT:
        raise BadRequest(f"{path / MANIFEST}: format {manifest.get('format')!r}, want {FORMAT!r}")
    if kind not in (ANY_KIND, manifest["kind"]):
        raise BadRequest(f"{path}: want a {kind} artifact, found {manifest['kind']}")
    for name, item in manifest["files"].items():
        file = path / name
        size = file.stat().st_size if file.is_file() else None
        if size != item["bytes"]:
            raise BadRequest(f"{file}: want {item['bytes']} bytes, found {'no file' if size is None else size}")
    return Artifact(path, manifest)


def hash_file(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(entries: Iterable[FileEntry]) -> str:
    """An artifact's digest: sha256 over its result files' names, sizes and hashes, in order of name."""
    total = hashlib.sha256()
    for entry in sorted((item for item in entries if not item.name.startswith(ASIDE)), key=lambda item: item.name):
        total.update(f"{entry.name}\0{entry.bytes}\0{entry.sha256}\n".encode())
    return total.hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def unit_key(*parts: Any) -> str:
    """sha256 over JSON values: the part of the recipe and of the inputs that bears on one unit."""
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def check_name(name: str) -> str:
    """``name`` if it can name a result file.

    Raises:
        ValueError: for absolute names, ``..``, and names the frame uses itself.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or parts[0] in (PROGRESS, MANIFEST):
        raise ValueError(f"{name!r} cannot name a result file")
    return name
