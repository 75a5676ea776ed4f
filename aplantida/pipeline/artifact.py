"""Sealed artifacts: a folder of result files and the ``artifact.json`` that was written last."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from aplantida.domain.seals import SEAL, broken_seal, hash_file, hash_once, sealed
from aplantida.pipeline.errors import Altered, BadRequest

FORMAT = "aplantida.artifact/1"
MANIFEST = "artifact.json"
PROGRESS = "_progress"
ASIDE = "aside/"  # files below it are kept and verified like results, but are none: they do not count in the digest
ANY_KIND = "*"
KEYS = frozenset(
    {
        *("format", "kind", "phase", "version", "fingerprint", "digest", "config", "recipe"),
        *("inputs", "files", "units", "metrics", "sessions", SEAL),
    }
)
# most of a run's bytes; aplantida.verify and the release gate hash them
_BY_PHOTO = re.compile(r".+/shard-\d+\.\w+|(scores|features)_\w+\.parquet")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One result file: its name inside the artifact (with ``/``), size in bytes, sha256 in hex.

    Raises:
        ValueError: for a name that cannot name a result file.
    """

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        check_name(self.name)

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
            if not place_in(self.path, entry.name).is_file() or hash_file(self.path / entry.name) != entry.sha256
        ]


def is_sealed(path: Path) -> bool:
    """Whether ``path`` holds a sealed artifact."""
    return (path / MANIFEST).is_file()


def of_kind(kind: str, what: str = "an artifact") -> str:
    """``an artifact of kind KIND``, or ``of any kind``, for messages."""
    return f"{what} of any kind" if kind == ANY_KIND else f"{what} of kind {kind}"


def open_artifact(path: Path, kind: str = ANY_KIND, *, hashed: bool = True) -> Artifact:
    """Open a sealed artifact, checking its kind, its files' names and sizes, and what it is cheap to hash.

    Args:
        path: its folder.
        kind: what it must be.
        hashed: hash every file but those with something for each photo (``aplantida.verify`` hashes them too).

    Raises:
        BadRequest: when it is absent, unfinished, of another kind, or a file is missing, a link or outside.
        Altered: when a file that is hashed, or ``artifact.json`` itself, is not what it was.
    """
    if not is_sealed(path):
        state = "unfinished (run its phase again)" if (path / PROGRESS).is_dir() else "not there"
        raise BadRequest(f"{path}: want {of_kind(kind, 'a sealed artifact')}; it is {state}")
    manifest, trouble = _read_manifest(path)
    if trouble is not None:
        raise Altered(f"{path / MANIFEST} was altered: {trouble}")
    if manifest.get("format") != FORMAT:
        raise BadRequest(f"{path / MANIFEST}: format {manifest.get('format')!r}, want {FORMAT!r}")
    if kind not in (ANY_KIND, manifest.get("kind")):
        raise BadRequest(f"{path}: want {of_kind(kind)}, found {manifest.get('kind')}")
    artifact = Artifact(path, manifest)
    try:
        for entry in artifact.files.values():
            _check_file(place_in(path, entry.name), entry, hashed and not _BY_PHOTO.fullmatch(entry.name))
        for given in (given for entries in artifact.inputs.values() for given in entries):
            str(given["path"] + given["kind"] + given["digest"])
    except OSError as error:
        raise BadRequest(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest(f"{path / MANIFEST}: {error!s}") from error
    return artifact


def _read_manifest(path: Path) -> tuple[dict[str, Any], str | None]:
    """What ``artifact.json`` says, and how it shows that it was altered.

    Raises:
        BadRequest: when it is no JSON object.
    """
    try:
        value = json.loads(place_in(path, MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("want an object")
        manifest = cast("dict[str, Any]", value)
        trouble = broken_seal(manifest)
    except (OSError, ValueError, RecursionError) as error:
        raise BadRequest(f"{path / MANIFEST}: {error}") from error
    if trouble is None and manifest.get("format") == FORMAT and (strange := sorted(set(manifest) - KEYS)):
        trouble = f"it has the key {strange[0]!r}"
    return manifest, trouble


def _check_file(file: Path, entry: FileEntry, hashed: bool) -> None:
    if not file.is_file():
        raise BadRequest(f"{file}: want {entry.bytes} bytes, found no file")
    state = file.stat()
    if state.st_size != entry.bytes:
        raise BadRequest(f"{file}: want {entry.bytes} bytes, found {state.st_size}")
    if hashed:
        found = hash_once(file)
        if found != entry.sha256:
            raise Altered(
                f"{file} was altered: its sha256 is {found}, {MANIFEST} says {entry.sha256}; "
                "`python -m aplantida.verify` names all that differs"
            )


def place_in(folder: Path, name: str) -> Path:
    """Where a file of an artifact lies.

    Raises:
        ValueError: when it, or a folder on the way to it, is a link.
    """
    place = folder
    for part in PurePosixPath(name).parts:
        place = place / part
        if place.is_symlink():
            raise ValueError(f"{name!r} is reached by the link {place}: an artifact holds files, not links")
    return place


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """``artifact.json``: its format, the manifest, and the seal over both."""
    plain = json.loads(json.dumps({"format": FORMAT, **manifest}, ensure_ascii=False))  # as a reader will have it
    return json.dumps(sealed(plain), indent=1, ensure_ascii=False)


def is_as_written(text: str) -> bool:
    """Whether an ``artifact.json`` has just the bytes it was written with, as far as a reader of its values can tell.

    One that was written before there were seals counts as it is.
    """
    manifest = json.loads(text)
    return SEAL not in manifest or text == json.dumps(manifest, indent=1, ensure_ascii=False)


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
    """``name`` if it can name a result file: relative, inside, in one spelling, and a name on every file system.

    Raises:
        ValueError: for absolute names, ``..``, backslashes, control characters, and names the frame uses itself.
    """
    path = PurePosixPath(name)
    strange = any(char == "\\" or unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in name)
    if not path.parts or strange or str(path) != name or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} cannot name a result file: want a relative name inside the artifact")
    if path.parts[0] in (PROGRESS, MANIFEST):
        raise ValueError(f"{name!r} cannot name a result file: the frame uses it")
    return name
