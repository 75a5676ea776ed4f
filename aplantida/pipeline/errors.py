"""What can go wrong with a request, and the exit code that says so."""

from __future__ import annotations


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
