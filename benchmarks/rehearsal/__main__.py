"""`python -m benchmarks.rehearsal`: the plain pipeline on a collection of the user's size, and what it takes.

Killed, it goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ray

from aplantida.data.collection_address import URI_VARIABLE
from aplantida.demo.driver import complain, say
from aplantida.demo.mongod import embedded_mongod
from aplantida.distributed.session import ADDRESS_VARIABLE, ray_session
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import BadRequest, PhaseError
from aplantida.pipeline.logs import LOGGER, configure_console, log_file
from aplantida.pipeline.progress import Progress
from benchmarks.__main__ import put_section
from benchmarks.rehearsal.collection import CollectionSize, fill
from benchmarks.rehearsal.measure import Measured, run_measured
from benchmarks.rehearsal.overlays import Sizes
from benchmarks.rehearsal.report import Reporter, page, results_section, write_costs, write_page
from benchmarks.rehearsal.server import photo_server
from benchmarks.rehearsal.steps import Rehearsal, Step, plan_rehearsal

ORIGINAL_SIDE, COSTS = 480, "costs.json"
_LAST_LINES = 30


class StepFailed(PhaseError):
    """A step of the rehearsal ended with an exit code of its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse; the exit code is that of the first step that fails."""
    given = _parser().parse_args(arguments)
    configure_console("info")
    sizes = Sizes(
        num_photos=given.photos,
        model_photos=min(given.model_photos, given.photos),
        asked_links=given.links,
        image_size=given.image_size,
        port=given.port,
        num_readers=given.readers,
        full=given.full,
    )
    return exit_code_of(lambda: _rehearse(given, sizes), complain)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=__doc__)
    parser.add_argument("--species", type=int, default=9_000)
    parser.add_argument("--photos", type=int, default=900_000)
    parser.add_argument("--readers", type=int, help="of the database; default: the plain config's")
    parser.add_argument("--full", action="store_true", help="leave nothing out: all photos over HTTP, plain networks")
    parser.add_argument("--fetched", type=int, default=50_000, help="photos fetched over HTTP (default: %(default)s)")
    parser.add_argument("--links", type=int, default=9_000, help="links the audit asks for (default: %(default)s)")
    parser.add_argument("--model-photos", type=int, default=4_000, help="photos the models see (default: %(default)s)")
    parser.add_argument("--image-size", type=int, default=64, help="of the models' input (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8093, help="of the photo server (default: %(default)s)")
    parser.add_argument("--folder", default="runs/rehearsal", help="where everything goes (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/planning.md, as at full size")
    parser.add_argument("--until", metavar="STEP", help="stop after this step, e.g. split_dataset")
    return parser


def _rehearse(given: argparse.Namespace, sizes: Sizes) -> int:
    folder = resolve(given.folder)
    size = CollectionSize(given.species, given.photos, given.port)
    _same_recipe(folder / "recipe.json", {key: value for key, value in vars(given).items() if key not in _HOW})
    rehearsal = plan_rehearsal(given.folder, sizes, given.species)
    steps = rehearsal.steps
    if given.until is not None and given.until not in {step.name for step in steps}:
        raise BadRequest(f"--until {given.until}: want one of {', '.join(step.name for step in steps)}")
    with log_file(folder / "log.jsonl"), _servers(folder, given, steps) as environment:
        if URI_VARIABLE in environment:
            _fill(environment[URI_VARIABLE], size, given.fetched, folder)
        for position, step in enumerate(steps, start=1):
            _carry_out(step, f"{position} of {len(steps)}", folder, environment)
            if step.name == given.until:
                return 0
    _report(rehearsal, folder, given)
    return 0


def _report(rehearsal: Rehearsal, folder: Path, given: argparse.Namespace) -> None:
    """Print the tables, write the costs, and put the tables into docs/planning.md where the size is the user's."""
    reporter = Reporter(rehearsal, folder)
    rows = reporter.rows()
    write_costs(folder / COSTS, rows, given.photos)
    changed = [f"--{key} {value}" for key, value in vars(given).items() if key in _SHOWN and value != _SHOWN[key]]
    command = " ".join([_COMMAND, *changed])
    text = page(rows, reporter.networks, rehearsal.sizes, reporter.counts, command)
    say(text)
    (folder / "tables.md").write_text(text + "\n", encoding="utf-8")
    if given.write or (given.species, given.photos) == (_SHOWN["species"], _SHOWN["photos"]):
        write_page(text)
        put_section("rehearsal", results_section(rows, command))


_HOW = ("until", "readers", "folder", "write")
_SHOWN = {"species": 9_000, "photos": 900_000, "readers": None}
_COMMAND = "python -m benchmarks.rehearsal"


def _same_recipe(path: Path, wanted: dict[str, object]) -> None:
    """Refuse a folder that holds a rehearsal of another size."""
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        changed = [f"{key}: {found.get(key)} -> {wanted[key]}" for key in wanted if found.get(key) != wanted[key]]
        if changed:
            raise BadRequest(f"{path.parent} holds another rehearsal ({', '.join(changed)}): choose another --folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(wanted, indent=1), encoding="utf-8")


@contextmanager
def _servers(folder: Path, given: argparse.Namespace, steps: Sequence[Step]) -> Iterator[dict[str, str]]:
    """Ray for all steps, and the collection's server and the photos' while a step wants them; variables that say so."""
    waiting = [step for step in steps if not _measured(folder, step).is_done]
    if not waiting:
        yield {}
        return
    with ExitStack() as stack:
        stack.enter_context(ray_session())
        environment = {ADDRESS_VARIABLE: ray.get_runtime_context().gcs_address}
        if any(step.needs_servers for step in waiting):
            environment[URI_VARIABLE] = stack.enter_context(embedded_mongod(folder / "mongo"))
            stack.enter_context(photo_server(given.port, ORIGINAL_SIDE, max(1, (os.cpu_count() or 1) // 2)))
        yield environment


def _fill(uri: str, size: CollectionSize, num_fetched: int, folder: Path) -> None:
    log = logging.getLogger(f"{LOGGER}.rehearsal")
    with Progress(log, size.num_photos + num_fetched, "entries", "filling the collection") as progress:
        fill(uri, size, num_fetched, progress.update)


def _measured(folder: Path, step: Step) -> Measured:
    return Measured(folder / "measured" / f"{step.name}.json")


def _carry_out(step: Step, position: str, folder: Path, environment: dict[str, str]) -> None:
    measured = _measured(folder, step)
    if measured.is_done:
        return
    log = folder / "logs" / f"{step.name}.log"
    say(f"{time.strftime('%H:%M:%S')}  step {position}: {step.name} (says so in {log})")
    code = run_measured(step.command, measured, step.output, environment, log)
    total = measured.total()
    say(f"          {total.seconds:.0f} s, driver {total.driver_mb:.0f} MB, largest worker {total.worker_mb:.0f} MB")
    if code != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:])
        failure = StepFailed(f"{step.name}: exit code {code}; the last lines of {log}:\n{tail}")
        failure.exit_code = code
        raise failure


if __name__ == "__main__":
    raise SystemExit(main())
