"""Which artifacts are needed: those that a root descends from, followed by path and by digest.

What is needed is told as in git: roots are named, everything that can be reached from them stays. An artifact names its
inputs by path and digest, a recipe by digest. Where the path no longer holds what was read there, every
artifact of that digest counts, and what lies at the path now counts too: in doubt a thing stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aplantida.pipeline.artifact import FORMAT, MANIFEST, PROGRESS, Artifact, is_sealed, open_artifact, place_in
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import Altered, BadRequest
from aplantida.pipeline.standing import INPUTS, RECIPE

BUNDLE = "model_bundle"
RELEASED = (BUNDLE, "manifest")
State = Literal["sealed", "damaged", "strange", "unfinished"]


@dataclass(frozen=True, slots=True)
class Need:
    """Something that is needed: what lies at ``path`` (or lay, when it is gone), and what has this ``digest``."""

    path: Path | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class Work:
    """A folder with an artifact in it, whole or not.

    Attributes:
        path: the folder.
        state: of its work.
        digest: of a sealed or damaged artifact; None when it cannot be read, or of unfinished work.
        needs: what it was made from.
        is_release: whether it is a bundle, a manifest, or was made from a bundle.
        is_legible: whether it is known what it was made from.
        trouble: what is damaged.
    """

    path: Path
    state: State
    digest: str | None = None
    needs: tuple[Need, ...] = ()
    is_release: bool = False
    is_legible: bool = True
    trouble: str = ""


@dataclass(frozen=True)
class Root:
    """Something that is wanted for itself.

    Attributes:
        name: for people: ``keep: student``.
        needs: what it stands on.
    """

    name: str
    needs: tuple[Need, ...]


@dataclass
class Reached:
    """What is needed.

    Attributes:
        by: resolved path of an artifact → the root that needs it.
        illegible: artifacts that are needed and do not tell what they need.
    """

    by: dict[Path, str] = field(default_factory=dict[Path, str])
    illegible: list[Path] = field(default_factory=list[Path])


def read_work(path: Path) -> Work:
    """What lies in an artifact's folder."""
    if not is_sealed(path):
        return _read_unfinished(path)
    try:
        return _work_of(open_artifact(path, hashed=False).manifest, path, "sealed")
    except (BadRequest, Altered) as error:
        trouble, is_out_of_reach = str(error), isinstance(error.__cause__, OSError)
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        is_strange = is_out_of_reach or manifest["format"] != FORMAT or _has_links(path, manifest["files"])
        return _work_of(manifest, path, "strange" if is_strange else "damaged", trouble)
    except OSError:
        return Work(path, "strange", is_legible=False, trouble=trouble)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Work(path, "damaged", is_legible=False, trouble=trouble)


def _has_links(path: Path, names: Iterable[str]) -> bool:
    """Whether a file of the artifact, or a folder on the way to it, is a link: it is not opened, and may be whole."""
    try:
        for name in (MANIFEST, *names):
            place_in(path, name)
    except ValueError:
        return True
    return False


def _read_unfinished(path: Path) -> Work:
    """Work begun by earlier versions names its inputs by digest only."""
    needs: list[Need] = []
    try:
        if (path / PROGRESS / RECIPE).is_file():
            recipe = json.loads((path / PROGRESS / RECIPE).read_text(encoding="utf-8"))
            needs = [Need(None, digest) for given in recipe["inputs"].values() for digest in given]
        if (path / PROGRESS / INPUTS).is_file():
            inputs = json.loads((path / PROGRESS / INPUTS).read_text(encoding="utf-8"))
            needs += [Need(resolve(item["path"]), item["digest"]) for given in inputs.values() for item in given]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Work(path, "unfinished", needs=tuple(needs), is_legible=False)
    return Work(path, "unfinished", needs=tuple(needs))


def _work_of(manifest: Any, path: Path, state: State, trouble: str = "") -> Work:
    artifact = Artifact(path, manifest)
    given = [entry for entries in artifact.inputs.values() for entry in entries]
    needs = [Need(resolve(entry["path"]), entry["digest"]) for entry in given]
    released = artifact.kind in RELEASED or any(entry["kind"] == BUNDLE for entry in given)
    return Work(path, state, artifact.digest, tuple(needs), released, trouble=trouble)


def reach(works: Sequence[Work], roots: Iterable[Root]) -> Reached:
    """Follow the roots through ``works``, and through artifacts elsewhere that these name.

    Args:
        works: all artifacts that are known.
        roots: what is wanted for itself.
    """
    by_path = {work.path.resolve(): work for work in works}
    by_digest: dict[str, list[Work]] = {}
    for work in works:
        if work.digest is not None:
            by_digest.setdefault(work.digest, []).append(work)
    reached = Reached()
    for root in roots:
        waiting = list(root.needs)
        while waiting:
            for work in _meant(waiting.pop(), by_path, by_digest):
                place = work.path.resolve()
                if place in reached.by:
                    continue
                reached.by[place] = root.name
                if not work.is_legible:
                    reached.illegible.append(work.path)
                waiting += work.needs
    return reached


def _meant(need: Need, by_path: dict[Path, Work], by_digest: dict[str, list[Work]]) -> list[Work]:
    """The artifacts a need speaks of; one that lies elsewhere is read and noted."""
    found: list[Work] = []
    if need.path is not None:
        place = need.path.resolve()
        if place not in by_path and (is_sealed(place) or (place / PROGRESS).is_dir()):
            by_path[place] = read_work(place)
        if place in by_path:
            found.append(by_path[place])
    if need.digest is not None and need.digest not in {work.digest for work in found}:
        found += by_digest.get(need.digest, [])
    return found
