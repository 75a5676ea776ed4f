"""Folders below a folder, links to folders followed or not, each once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aplantida.pipeline.errors import BadRequest


def walk(folder: Path, *, follow: bool) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As ``os.walk``, in order of names; what is taken out of the list of folders is not entered.

    With ``follow``, links to folders are entered too: ``runs`` may lie on another disk. One that leads back to where
    the walk has been is not.

    Raises:
        BadRequest: for a folder that is there and cannot be listed: nobody knows what lies in it.
    """
    seen = {folder.resolve()}
    for place, names, files in os.walk(folder, followlinks=follow, onerror=_check_gone):
        names.sort()
        yield Path(place), names, files
        if follow:
            names[:] = [name for name in names if _is_new((Path(place) / name).resolve(), seen)]


def _is_new(real: Path, seen: set[Path]) -> bool:
    if real in seen:
        return False
    seen.add(real)
    return True


def _check_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # what somebody deleted meanwhile is not there to be found
        why = error.strerror or error
        raise BadRequest(f"{error.filename}: cannot be listed, so nobody knows what lies in it: {why}") from error
