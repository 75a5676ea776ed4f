"""What can go wrong with a request, and the exit code that says so."""

from __future__ import annotations

import errno
from collections.abc import Iterator

_CURES = {
    errno.ENOSPC: "the disk is full: make room, then run the same command again to go on",
    errno.EDQUOT: "the quota of disk space is used up: make room, then run the same command again to go on",
    errno.EFBIG: "the file system takes no file as large as this: write elsewhere",
    errno.EROFS: "the file system may only be read: write elsewhere",
    errno.EACCES: "this user may not: grant it, or take another folder",
    errno.EPERM: "this user may not: grant it, or take another folder",
    errno.ENOTDIR: "part of the path is a file: take another folder",
    errno.EISDIR: "it is a folder: want a file",
    errno.ENAMETOOLONG: "the path is too long: take a shorter one",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.EIO: "the disk, or what it is reached by, is faulty",
}
_FULL = "No space left on device"  # as libraries say it that raise errors of their own


class PhaseError(Exception):
    """Base of the errors that end a job with a message instead of a traceback."""

    exit_code = 1


class BadRequest(PhaseError):
    """The request cannot be carried out as written: a key, a value, a path, an input."""

    exit_code = 2


class RecipeChanged(PhaseError):
    """The output holds work of another recipe; the message names each key with its old and new value."""

    exit_code = 3


class GateFailed(PhaseError):
    """The work was done and a quality gate refuses its result."""

    exit_code = 4


class Altered(GateFailed):
    """A sealed artifact is no longer what it was when it was sealed."""


def machine_refusal(error: BaseException) -> str | None:
    """One line with the cure where, at the bottom of an error, the machine refuses a file; None for all else.

    What a user can mend is told from a bug by its errno: a file of ours that is not there stays a traceback.
    """
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in _CURES:
            place = f"{link.filename}: " if link.filename else ""
            return f"{place}{link.strerror or link}: {_CURES[link.errno]}"
        if _FULL in str(link):
            return f"{_FULL}: {_CURES[errno.ENOSPC]}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
