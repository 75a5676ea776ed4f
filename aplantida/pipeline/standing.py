"""How a request stands to what lies at its output: nothing, unfinished or sealed work, of this recipe or another."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aplantida.pipeline.artifact import MANIFEST, PROGRESS, is_sealed, open_artifact
from aplantida.pipeline.config import PhaseConfig, root
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.recipe import changes_since

RECIPE, INPUTS = "recipe.json", "inputs.json"
REFUSED = "refused"  # the output holds the report of a gate that refused, and nothing to go on from
State = Literal["absent", "unfinished", "sealed"]


@dataclass(frozen=True)
class Standing:
    """What a request meets.

    Attributes:
        state: of the output.
        changes: keys of the recipe that differ, ``key: old -> new``; empty for the same recipe.
        renewed: live sources that changed under unfinished work, which goes on under their new state.
    """

    state: State
    changes: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()

    def check(self, path: Path) -> None:
        """Refuse another recipe.

        Raises:
            RecipeChanged: naming each key with both values.
        """
        if self.changes:
            listed = "\n  ".join(self.changes)
            raise RecipeChanged(
                f"{path}: {self.state} under another recipe; choose another --output or undo:\n  {listed}"
            )


def earlier_recipe(path: Path) -> tuple[State, Mapping[str, Any]]:
    """The state of an output and the recipe of what it holds (empty when it holds nothing).

    Raises:
        BadRequest: when it holds files that are no artifact's.
    """
    if is_sealed(path):
        return "sealed", open_artifact(path).manifest["recipe"]
    if (path / PROGRESS / RECIPE).is_file():
        return "unfinished", json.loads((path / PROGRESS / RECIPE).read_text(encoding="utf-8"))
    if (path / PROGRESS / REFUSED).is_file():
        return "absent", {}
    if path.is_dir() and any(child.name != PROGRESS for child in path.iterdir()):
        raise BadRequest(f"{path}: holds files but is no artifact; choose another --output")
    return "absent", {}


def stand(
    path: Path,
    phase: Phase[Any],
    recipe: Mapping[str, Any],
    sources: Callable[[], Mapping[str, str]],
    *,
    trust_sources: bool,
) -> Standing:
    """Compare a request with what lies at its output.

    Args:
        path: the output.
        phase: which.
        recipe: of the request; its ``sources`` are not looked at.
        sources: gives their digests, and is called only when they count.
        trust_sources: take a sealed artifact as it is, whatever its sources are like today.

    Raises:
        BadRequest: when the output cannot be written.
    """
    state, earlier = earlier_recipe(path)
    if state == "absent":
        return Standing(state)
    config_type: type[PhaseConfig] = phase.config
    today = earlier["sources"] if state == "sealed" and trust_sources else sources()
    changes = changes_since(earlier, {**recipe, "sources": today}, config_type)
    live = tuple(f"sources.{name}: " for name in phase.live_sources) if state == "unfinished" else ()
    renewed = tuple(change for change in changes if live and change.startswith(live))
    return Standing(state, tuple(change for change in changes if change not in renewed), renewed)


def begin(path: Path, recipe: Mapping[str, Any], inputs: Mapping[str, Any], *, renew: bool) -> None:
    """Note what unfinished work is made by and of, for the sessions that go on with it, and for whoever tidies up.

    Args:
        path: the output.
        recipe: of the work.
        inputs: as the sealed artifact will have them: path, kind and digest, by input name.
        renew: the recipe replaces an earlier one.
    """
    for name, value, always in ((INPUTS, inputs, True), (RECIPE, recipe, renew)):
        target = path / PROGRESS / name
        if always or not target.is_file():
            temporary = target.with_suffix(".tmp")
            temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
            temporary.replace(target)


def give_up(path: Path) -> None:
    """Leave the result files that are there, and nothing of the session: whatever recipe comes next starts afresh."""
    shutil.rmtree(path / PROGRESS)
    (path / PROGRESS).mkdir()
    (path / PROGRESS / REFUSED).touch()


def check_apart(path: Path) -> None:
    """Artifacts never lie in one another: what seals the outer one tidies away what it does not know.

    Raises:
        BadRequest: naming both.
    """
    for parent in path.parents:
        if _is_artifact(parent):
            raise BadRequest(f"{path}: lies inside the artifact {parent}; choose an --output beside it")
        if parent == root():
            break
    for name in (MANIFEST, RECIPE):
        for inner in path.rglob(name):
            folder = inner.parent.parent if name == RECIPE else inner.parent
            if folder != path and folder.name != PROGRESS and _is_artifact(folder):
                raise BadRequest(f"{path}: the artifact {folder} lies inside it; choose an --output beside it")


def check_writable(path: Path) -> None:
    """Whether a folder can be made, and written, as far as that is told without doing it.

    Raises:
        BadRequest: naming what stands in the way.
    """
    place = next(item for item in (path / PROGRESS, path, *path.parents) if os.path.lexists(item))
    if not place.is_dir():
        raise BadRequest(f"output {path}: no folder can be made there: {place} is no folder; take another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise BadRequest(f"output {path}: no folder can be made there: {place} may not be written; take another")


def _is_artifact(path: Path) -> bool:
    return is_sealed(path) or (path / PROGRESS / RECIPE).is_file()
