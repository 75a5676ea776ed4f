"""What a run of the graph still has to do: a note beside its artifacts, for whoever tidies up meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aplantida.pipeline.errors import BadRequest

WAITING = "waiting_nodes.json"


class WaitingNodes:
    """The nodes that a runs folder waits for, each with the paths it reads and the one it makes.

    Runs of some nodes add theirs to those that an earlier run left; a node that was done is taken out by whichever
    run did it. Without waiting nodes there is no file.

    Args:
        folder: of the run's artifacts.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / WAITING

    def add(self, nodes: Mapping[str, Sequence[str]]) -> None:
        """Note nodes that are to be run: name → paths, as configs name them."""
        self._write({**read_waiting(self._file), **{name: list(paths) for name, paths in nodes.items()}})

    def done(self, name: str) -> None:
        """A node was run or skipped."""
        nodes = read_waiting(self._file)
        if nodes.pop(name, None) is not None:
            self._write(nodes)

    def _write(self, nodes: Mapping[str, Sequence[str]]) -> None:
        if not nodes:
            self._file.unlink(missing_ok=True)
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(nodes, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.replace(self._file)


def read_waiting(file: Path) -> dict[str, list[str]]:
    """The nodes noted in ``file``, with their paths; empty when it is not there.

    Raises:
        BadRequest: when it cannot be read: what it keeps is not known.
    """
    if not file.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return {name: [str(path) for path in paths] for name, paths in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise BadRequest(f"{file}: cannot be read ({error!r}); delete it when no run is to go on there") from error
