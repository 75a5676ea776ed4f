"""What lies in a runs folder that nobody needs: unfinished work, leftovers, artifacts no other one descends from."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from aplantida.pipeline.artifact import MANIFEST, PROGRESS, Artifact, is_sealed, open_artifact
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.session import LEASE_SECONDS
from aplantida.pipeline.writer import SESSION

LOGS = "_logs"
CATEGORIES = ("scratch", "unsealed", "orphaned", "unreferenced", "damaged", "logs")


@dataclass(frozen=True)
class Leftover:
    """Something that could go.

    Attributes:
        category: ``scratch`` (a `_progress` folder inside a sealed artifact), ``unsealed`` (work that was begun and not
            finished, and that nobody is at), ``orphaned`` (sealed, but one of its inputs is gone or is no longer what
            it was), ``unreferenced`` (sealed, but no kept artifact descends from it), ``damaged`` (its files are not
            what its manifest says), or ``logs`` (logs of an artifact that is not there).
        path: the folder.
        bytes: what it holds.
        why: a sentence.
    """

    category: str
    path: Path
    bytes: int
    why: str


def find_leftovers(folder: Path, keep: Collection[str]) -> list[Leftover]:
    """What could go below ``folder``, by path.

    Args:
        folder: a runs folder: artifacts are its sub-folders, at any depth.
        keep: names of artifact folders that are wanted for themselves; they and their ancestors are never unreferenced.
            When empty, nothing counts as unreferenced.

    Raises:
        BadRequest: when the folder is not there, or ``keep`` names an artifact that is not in it.
    """
    if not folder.is_dir():
        raise BadRequest(f"runs = {str(folder)!r}: no such folder")
    candidates, logs = _walk(folder)
    sealed: list[Artifact] = []
    found: list[Leftover] = []
    for path in candidates:
        if is_being_written(path):
            continue
        if not is_sealed(path):
            found.append(_leftover("unsealed", path, "begun and not finished; its phase, run again, would go on"))
            continue
        try:
            sealed.append(open_artifact(path))
        except BadRequest as error:
            found.append(_leftover("damaged", path, str(error)))
        if (path / PROGRESS).is_dir():
            found.append(_leftover("scratch", path / PROGRESS, "left inside a sealed artifact"))
    absent = sorted(set(keep) - {artifact.path.name for artifact in sealed})
    if absent:
        raise BadRequest(f"keep: {absent[0]!r} is no sealed artifact below {folder}")
    found += _orphaned(sealed)
    found += _unreferenced(sealed, keep)
    names = {path.parent / LOGS / path.name for path in candidates}
    found += [_leftover("logs", path, "of an artifact that is not there") for path in logs if path not in names]
    return sorted(found, key=lambda item: (str(item.path), item.category))


def is_being_written(path: Path) -> bool:
    """Whether a live session holds the artifact: its lock on this machine, or a fresh lease on another."""
    lock = path / PROGRESS / "lock"
    if not lock.is_file():
        return False
    with lock.open("a", encoding="utf-8") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    try:
        session = json.loads((path / PROGRESS / SESSION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return session["host"] != platform.node() and time.time() - session["alive"] < LEASE_SECONDS


def delete(leftovers: Sequence[Leftover], folder: Path) -> int:
    """Delete them; returns the bytes freed.

    Raises:
        BadRequest: when one of them does not lie below ``folder``.
    """
    freed = 0
    for item in leftovers:
        if not item.path.resolve().is_relative_to(folder.resolve()) or item.path.resolve() == folder.resolve():
            raise BadRequest(f"{item.path} does not lie below {folder}: not deleted")
        if item.path.is_dir():
            freed += _size(item.path)
            (item.path / MANIFEST).unlink(missing_ok=True)  # first: half an artifact must not look sealed
            shutil.rmtree(item.path)
    return freed


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """Artifact folders (sealed or begun), and log folders, below ``folder``; symbolic links are not followed."""
    artifacts: list[Path] = []
    logs: list[Path] = []
    for place, names, files in os.walk(folder):
        here = Path(place)
        if MANIFEST in files or PROGRESS in names:
            artifacts.append(here)
            names.clear()
        elif here.name == LOGS:
            logs += [here / name for name in names]
            names.clear()
    return sorted(artifacts), sorted(logs)


def _orphaned(sealed: Sequence[Artifact]) -> list[Leftover]:
    found: list[Leftover] = []
    for artifact in sealed:
        for entry in (entry for given in artifact.inputs.values() for entry in given):
            path = resolve(entry["path"])
            if not is_sealed(path):
                why = f"its input {entry['path']} is gone"
            elif open_artifact(path).digest != entry["digest"]:
                why = f"its input {entry['path']} has been made anew since"
            else:
                continue
            found.append(_leftover("orphaned", artifact.path, why))
            break
    return found


def _unreferenced(sealed: Sequence[Artifact], keep: Collection[str]) -> list[Leftover]:
    if not keep:
        return []
    by_path = {artifact.path.resolve(): artifact for artifact in sealed}
    wanted = [artifact for artifact in sealed if artifact.path.name in keep]
    reached: set[Path] = set()
    while wanted:
        artifact = wanted.pop()
        if artifact.path.resolve() in reached:
            continue
        reached.add(artifact.path.resolve())
        inputs = [resolve(entry["path"]).resolve() for given in artifact.inputs.values() for entry in given]
        wanted += [by_path[path] for path in inputs if path in by_path]
    return [
        _leftover("unreferenced", artifact.path, f"neither kept nor an ancestor of {', '.join(sorted(keep))}")
        for path, artifact in by_path.items()
        if path not in reached
    ]


def _leftover(category: str, path: Path, why: str) -> Leftover:
    return Leftover(category, path, _size(path), why)


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
