"""A graph as Ray jobs, one job a node: ``python -m aplantida.distributed.submission --config FILE [--address URL]``.

Each job is what a user would type: ``ray job submit --working-dir . -- python -m jobs.PHASE --config … --output …``.
One follows the other, and a table of nodes and exit codes is printed. Ray ships the checkout without what
``.gitignore`` and ``.rayignore`` name; artifacts lie where the jobs' ``APLANTIDA_ROOT`` says. Ray's dashboard shows the
variables of a job, so that a password stays out of them.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from aplantida.data.collection_address import FROM_HEAD_VARIABLE, URI_VARIABLE, holds_credentials
from aplantida.distributed.dashboard import TROUBLE, Client, Refused, asked, ended_job, log_of, status_of
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.config import CHECKOUT, find_file, load_config, merge, read_yaml
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import GraphConfig, Layout, Node, input_paths
from aplantida.pipeline.profile import graph_of

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
PASSED_VARIABLES = ("APLANTIDA_ROOT", URI_VARIABLE, "WEIGHTS")
FAILED_WITHOUT_CODE = 1
_NO_AGENT = "No available agent"
_SHOWN_LINES = 40


@dataclass(frozen=True)
class JobRequest:
    """One node as a job: ``command`` is run in Ray's copy of the checkout."""

    node: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Attributes:
        node: the node it ran.
        submission_id: Ray's name for the job.
        exit_code: of ``python -m jobs.…``; :data:`FAILED_WITHOUT_CODE` when Ray could not start it or lost it.
        seconds: wall-clock time from submission to end.
        log: what it printed.
    """

    node: str
    submission_id: str
    exit_code: int
    seconds: float
    log: str


def requests_of(nodes: Sequence[Node], config: GraphConfig, device: str | None = None) -> list[JobRequest]:
    """The jobs of a graph, in order; every node is taken to seal an artifact.

    Args:
        nodes: in an order in which inputs come first.
        config: layout, seed, and the names of the nodes to run (none: all).
        device: overrides every node's ``resources.device``.

    Raises:
        BadRequest: for a name that is no node, or a node whose config names another release.
    """
    names = [node.name for node in nodes]
    unknown = sorted(set(config.nodes) - set(names))
    if unknown:
        raise BadRequest(f"no node is called {unknown[0]!r}; there are {', '.join(names)}")
    chosen = [node for node in nodes if not config.nodes or node.name in config.nodes]
    layout = config.layout()
    for node in chosen:
        _check_release(node, layout)
    return [JobRequest(node.name, _command(node, nodes, layout, config.seed, device)) for node in chosen]


def _check_release(node: Node, layout: Layout) -> None:
    """A job takes the release's name and version from its own files: they must be those of the folders.

    Raises:
        BadRequest: naming the node, the key and both values.
    """
    said: dict[str, Any] = {}
    for file in layout.files(node):
        said = merge(said, read_yaml(find_file(file)))
    for key, value in (("name", layout.name), ("version", layout.version)):
        if said.get(key, value) != value:
            raise BadRequest(
                f"{node.name}: {key} is {said[key]!r} in {', '.join(layout.files(node))}, {value!r} in the run: say "
                "the same in both (run_pipeline gives its own to all nodes; a job reads its files)"
            )


def _command(node: Node, nodes: Sequence[Node], layout: Layout, seed: int, device: str | None) -> tuple[str, ...]:
    words = ["python", "-m", f"jobs.{node.phase}"]
    for file in layout.files(node):
        words += ["--config", _in_copy(file, node)]
    for name, given in input_paths(node, nodes, layout).items():
        for path in [given] if isinstance(given, str) else given:
            words += ["--input", f"{name}={path}"]
    words += ["--output", layout.output(node), "--seed", str(seed)]
    return (*words, "--device", device) if device else tuple(words)


def _in_copy(file: str, node: Node) -> str:
    """How a job, which runs in a copy of the checkout, finds a file that was found here.

    Raises:
        BadRequest: for one under the working folder that is not in the checkout. A path that begins with / and leads
            elsewhere is taken to lie in a folder that all machines share.
    """
    path = find_file(file).resolve()
    if path.is_relative_to(CHECKOUT):
        return str(path.relative_to(CHECKOUT))
    if not Path(file).is_absolute():
        raise BadRequest(
            f"{node.name}: {file} is {path}, and jobs get a copy of {CHECKOUT} alone: want it there, or its path from "
            "/ in a folder that all machines share"
        )
    return file


def run_jobs(
    client: JobSubmissionClient,
    requests: Sequence[JobRequest],
    *,
    working_dir: Path,
    variables: Mapping[str, str],
    keep_going: bool = False,
    poll_seconds: float = 1.0,
) -> Iterator[JobResult]:
    """Submit the jobs one after the other, yielding each as it ends; an interruption stops the running one.

    A dashboard that is away is waited for, with an end: the job goes on meanwhile.

    Args:
        client: of the cluster.
        requests: in order.
        working_dir: the checkout, of which each job gets a copy.
        variables: environment of the jobs, over that of the cluster's head.
        keep_going: whether to submit the rest after a failure.
        poll_seconds: between two looks at a job's status.

    Raises:
        RuntimeError: when the cluster does not take a job, or does not know it any more.
    """
    runtime_env = {"working_dir": str(working_dir), "env_vars": dict(variables)}
    for request in requests:
        started = time.monotonic()
        submission_id = _submit(client, request, runtime_env)
        try:
            info = ended_job(client, submission_id, _complain, poll_seconds)
        except KeyboardInterrupt:
            with suppress(*TROUBLE):  # a Ray that is gone runs no job
                client.stop_job(submission_id)
            raise
        code = info.driver_exit_code
        if code is None or (code == 0 and info.status is not JobStatus.SUCCEEDED):
            code = FAILED_WITHOUT_CODE
        log = log_of(client, submission_id, _complain) or info.message or ""
        yield JobResult(request.node, submission_id, code, time.monotonic() - started, log)
        if code != 0 and not keep_going:
            return


def _submit(client: JobSubmissionClient, request: JobRequest, runtime_env: Mapping[str, Any]) -> str:
    """Submit, under a name of our own: what was taken without an answer is not submitted twice."""
    name = f"{request.node}-{uuid.uuid4().hex[:12]}"

    def submit() -> str:
        command = shlex.join(request.command)
        try:
            return client.submit_job(entrypoint=command, submission_id=name, runtime_env=dict(runtime_env))
        except RuntimeError as error:
            if name in str(error) and "already exists" in str(error):
                return name
            if status_of(error) == "500" and _NO_AGENT not in str(error):
                raise Refused(str(error)) from error
            raise

    return asked(submit, request.node, _complain)


def variables_of(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment goes along with jobs: Ray shows it, so that no credentials are among it.

    A ``MONGO_URI`` with credentials stays here. The jobs are told to take that of Ray's head, and to refuse to read
    a collection where it has none.
    """
    variables = {name: environment[name] for name in PASSED_VARIABLES if name in environment}
    if holds_credentials(variables.get(URI_VARIABLE, "")):
        del variables[URI_VARIABLE]
        variables[FROM_HEAD_VARIABLE] = "1"
    return variables


def checked_address(text: str) -> str:
    """The URL of a dashboard.

    Raises:
        BadRequest: for what is none: Ray would take it for something else, and wait for it.
    """
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port
        is_url = False
    if not is_url:
        raise BadRequest(f"--address {text!r}: want http://HOST:8265")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Submit a graph; returns the first exit code that is not 0, else 0."""
    parse = argparse.ArgumentParser(
        prog="python -m aplantida.distributed.submission", description="A graph as Ray jobs."
    )
    parse.add_argument("--config", action="append", required=True, metavar="FILE", help="run_pipeline YAML; repeatable")
    parse.add_argument("--address", default=DEFAULT_ADDRESS, metavar="URL", help=f"Ray's dashboard ({DEFAULT_ADDRESS})")
    parse.add_argument("--keep-going", action="store_true", help="submit the rest after a failure")
    given = parse.parse_args(arguments)
    return exit_code_of(lambda: _submit_graph(given), _complain)


def _complain(text: str) -> None:
    sys.stderr.write(f"submission: {text}\n")


def _submit_graph(given: argparse.Namespace) -> int:
    config = load_config(GraphConfig, given.config)
    device = None if config.resources.device == "auto" else config.resources.device
    requests = requests_of(graph_of(config), config, device)
    client = _client(checked_address(given.address))
    variables = variables_of(os.environ)
    if FROM_HEAD_VARIABLE in variables:
        _complain(
            f"{URI_VARIABLE} holds credentials and stays here, for Ray shows what goes along with a job: jobs read the "
            f"collection by the {URI_VARIABLE} in the environment of Ray's head"
        )
    jobs = run_jobs(client, requests, working_dir=CHECKOUT, variables=variables, keep_going=given.keep_going)
    try:
        return _table(jobs)
    except TROUBLE as error:
        _complain(f"{given.address} does not take the job, or is gone: {error}")
        return FAILED_WITHOUT_CODE


def _client(address: str) -> JobSubmissionClient:
    """A client of the cluster.

    Raises:
        BadRequest: when nobody answers there, or not as Ray does.
    """
    try:
        return Client(address)
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, RayError) as error:
        raise BadRequest(f"no Ray takes jobs at {address}: {error}") from None


def _table(results: Iterator[JobResult]) -> int:
    """Print a line for each job as it ends, and a failed one's last lines; the first exit code that is not 0."""
    sys.stdout.write(f"{'node':<28} {'exit code':>9} {'seconds':>8}  job\n")
    failed = 0
    for result in results:
        sys.stdout.write(f"{result.node:<28} {result.exit_code:>9} {result.seconds:>8.1f}  {result.submission_id}\n")
        sys.stdout.flush()
        if result.exit_code != 0:
            failed = failed or result.exit_code
            sys.stderr.write("".join(f"  | {text}\n" for text in result.log.splitlines()[-_SHOWN_LINES:]))
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
