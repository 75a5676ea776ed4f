"""Files of a training that must survive a kill: on disk before they are in place, and written by one session only."""

from __future__ import annotations

import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

STATE_FILE = "state.pt"
FOLDER = "checkpoints"
_ON_RAY_BEFORE = "ray/training"  # where trainings on Ray kept theirs until they shared FOLDER: still read
_KEPT = 2
_UNFINISHED = "tmp-"
SessionCheck = Callable[[], None]


def alone() -> None:
    """The check of a training whose folder no other session can take over."""


def beside(target: Path) -> Path:
    """Where to write what will be ``target``: a name that no other process uses."""
    return target.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}-{target.name}")


def settle(temporary: Path, target: Path, check: SessionCheck) -> None:
    """Move a finished file or folder into its place, once its bytes are on disk and ``check`` lets this session.

    Raises:
        OSError: when ``target`` is a folder that is not empty.
    """
    for path in [*temporary.rglob("*"), temporary]:
        _sync(path)
    check()
    temporary.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checkpoint_name(number: int) -> str:
    """Of a checkpoint's folder: names sort as their numbers do."""
    return f"{number:09d}"


def newest_whole(*folders: Path) -> Path | None:
    """The ``state.pt`` of the checkpoint of the highest number in ``folders``; one that was cut off while it was
    written or copied does not count. None when there is none."""
    found = [path / STATE_FILE for folder in folders for path in folder.glob("[0-9]*")]  # one may be taken away now
    ordered = sorted(found, key=lambda path: path.parent.name, reverse=True)
    return next((path for path in ordered if _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    """Whether torch's archive has its end, and each of its parts the checksum it was written with."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


class Checkpoints:
    """The numbered checkpoints of one training, the same for a bare process and for Ray's workers.

    Args:
        folder: of the training; they lie below it.
        check: raises when another session has taken over.
    """

    def __init__(self, folder: Path, check: SessionCheck) -> None:
        self._folder, self._before = folder / FOLDER, folder / _ON_RAY_BEFORE
        self._check = check

    def latest(self) -> Path | None:
        """The newest whole checkpoint's ``state.pt``, None on a fresh start; what a kill left unfinished is removed."""
        self._check()
        for unfinished in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        return newest_whole(self._folder, self._before)

    def save(self, state: Mapping[str, Any], number: int) -> None:
        """Keep ``state`` as checkpoint ``number``, and of the others the one before it.

        A whole one of that number is left as it is. One of a higher number is damaged, as the training went on from an
        earlier one: it goes too, so that it never counts as one of those kept.
        """
        target = self._folder / checkpoint_name(number)
        if not _is_whole(target / STATE_FILE):
            temporary = beside(target)
            temporary.mkdir(parents=True)
            torch.save(dict(state), temporary / STATE_FILE)
            self._check()
            shutil.rmtree(target, ignore_errors=True)
            settle(temporary, target, self._check)
        numbered = sorted(self._folder.glob("[0-9]*"))
        newest = numbered.index(target)
        for other in numbered[: max(0, newest + 1 - _KEPT)] + numbered[newest + 1 :]:
            shutil.rmtree(other)
