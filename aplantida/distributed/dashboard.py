"""Ray's dashboard, which takes jobs and tells of them, and may be away for a while: a job goes on meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ray.exceptions import AuthenticationError, RayError
from ray.job_submission import JobDetails, JobSubmissionClient

AWAY_SECONDS = 300  # that it may be away, or a head that has just started has no agent to start jobs
LOG_SECONDS = 30  # the same, when a job has ended and its exit code is known
ANSWER_SECONDS = 60
TROUBLE = (RuntimeError, OSError, RayError)  # requests' errors are OSErrors
_STATUS = re.compile(r"status code (\d{3})")
_BUSY = frozenset(("408", "429"))
_AnswerT = TypeVar("_AnswerT")


class Refused(RuntimeError):
    """An answer that waiting does not change."""


class Client(JobSubmissionClient):
    """Ray's client, which waits for an answer for a minute at most; Ray's own would wait for ever."""

    def _do_request(self, method: str, endpoint: str, **more: Any) -> Any:
        limit = {"timeout": ANSWER_SECONDS} if method == "GET" else {}
        return super()._do_request(method, endpoint, **limit, **more)


def asked(
    ask: Callable[[], _AnswerT],
    what: str,
    tell: Callable[[str], object],
    *,
    poll_seconds: float = 1.0,
    away_seconds: float | None = None,
) -> _AnswerT:
    """The dashboard's answer, waited for while it is away.

    Args:
        ask: asks for it.
        what: is asked about, for the message.
        tell: is given a line when the waiting begins.
        poll_seconds: between two tries.
        away_seconds: how long it is waited for; :data:`AWAY_SECONDS` if not said.

    Raises:
        RuntimeError: when it is away for longer; and as ``ask`` does, for an answer that waiting does not change.
    """
    limit = AWAY_SECONDS if away_seconds is None else away_seconds
    end: float | None = None
    while True:
        try:
            return ask()
        except TROUBLE as error:
            status = status_of(error)
            is_answer = status.startswith("4") and status not in _BUSY
            if is_answer or isinstance(error, Refused | AuthenticationError):
                raise
            if end is None:
                end = time.monotonic() + limit
                tell(f"{what}: no answer of the dashboard, which is waited for up to {limit} s: {error}")
            if time.monotonic() >= end:
                raise RuntimeError(f"{what}: no answer in {limit} s; it may still run: {error}") from error
        time.sleep(poll_seconds)


def status_of(error: BaseException) -> str:
    """The HTTP status that an error of Ray's client tells, or nothing."""
    found = _STATUS.search(str(error)) if isinstance(error, RuntimeError) else None
    return found[1] if found else ""


def ended_job(
    client: JobSubmissionClient, submission_id: str, tell: Callable[[str], object], poll_seconds: float
) -> JobDetails:
    """What Ray says of a job, when it has ended.

    Raises:
        RuntimeError: when the dashboard is away for too long, or does not know the job.
    """
    what = f"job {submission_id}"
    while True:
        try:
            info = asked(lambda: client.get_job_info(submission_id), what, tell, poll_seconds=poll_seconds)
        except RuntimeError as error:
            if status_of(error) != "404":
                raise
            raise Refused(
                f"{what} is unknown there now: was the cluster started anew? What is done is kept, and the same "
                f"command goes on from it ({error})"
            ) from error
        if info.status.is_terminal():
            return info
        time.sleep(poll_seconds)


def log_of(client: JobSubmissionClient, submission_id: str, tell: Callable[[str], object]) -> str:
    """What a job that has ended printed, or why nobody tells."""
    what = f"log of job {submission_id}"
    try:
        return asked(lambda: client.get_job_logs(submission_id), what, tell, away_seconds=LOG_SECONDS)
    except TROUBLE as error:
        return f"{what}: {error}"
