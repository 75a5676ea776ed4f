"""What can go wrong with a request, and the exit code that says so."""

from __future__ import annotations

import errno
import os
import re
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
    errno.ELOOP: "its links lead back to themselves: mend them",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.EIO: "the disk, or what it is reached by, is faulty",
}
# as libraries say it that raise errors of their own: Rust by number, C++ in the system's words, SQLite in its own
_NUMBER = re.compile(r"\(os error (\d+)\)")
_WORDS = {os.strerror(code): code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE)}
_WORDS["database or disk is full"] = errno.ENOSPC
_CUT_OFF = re.compile(r"\d+ requested and \d+ written|inline_container.*unexpected pos")  # of NumPy and torch
_TRACEBACK = "Traceback (most recent call last)"


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

    The bottom is what an error says it was caused by, in another process too. What it came about beside counts for
    nothing: a bug in the handling of a refusal is a bug. What a user can mend is told from a bug by its errno: a file
    of ours that is not there stays a traceback.
    """
    links = list(_causes(error))
    for link in links:
        if isinstance(link, OSError) and link.errno in _CURES:
            place = f"{link.filename}: " if link.filename else ""
            return f"{place}{link.strerror or link}: {_CURES[link.errno]}"
    return _refusal_in(str(links[-1]))


def _refusal_in(text: str) -> str | None:
    """A refusal by the words of a library."""
    number = _NUMBER.search(text)
    code = int(number[1]) if number else next((code for words, code in _WORDS.items() if words in text), None)
    if code in _CURES:
        return f"{' '.join(text.split())}: {_CURES[code]}"
    if _CUT_OFF.search(text):
        return "a file could be written in part only: see whether the disk, a quota or the limit of a file is reached"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it names as its cause; those of Ray's tasks name it in ``cause``.

    The cause that a pool of processes gives is no error but the traceback of this very one, and left out.
    """
    seen = set[int]()
    while isinstance(error, BaseException) and id(error) not in seen and not (seen and _TRACEBACK in str(error)):
        seen.add(id(error))
        yield error
        error = error.__cause__ or getattr(error, "cause", None)
