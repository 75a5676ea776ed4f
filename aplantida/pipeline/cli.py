"""The one command line of every job: seven flags."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from aplantida.pipeline.config import ConfigT
from aplantida.pipeline.errors import BadRequest, PhaseError, machine_refusal
from aplantida.pipeline.logs import LEVELS, LOGGER, configure_console
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.runner import execute


class _Parser(argparse.ArgumentParser):
    """What is wrong with a flag is one line, as any other mistake is."""

    def error(self, message: str) -> NoReturn:
        self.exit(BadRequest.exit_code, f"{self.prog}: {message}; --help lists the flags\n")


def parser(phase: Phase[Any]) -> argparse.ArgumentParser:
    """The seven flags."""
    parse = _Parser(prog=f"python -m jobs.{phase.name}", allow_abbrev=False)
    parse.add_argument("--config", action="append", default=[], metavar="FILE", help="YAML; repeat for overlays")
    parse.add_argument("--input", action="append", default=[], metavar="[NAME=]PATH", help="an input artifact; repeat")
    parse.add_argument("--output", metavar="PATH", help="the artifact to make")
    parse.add_argument("--seed", type=int, help="the run's seed")
    parse.add_argument("--log-level", type=str.lower, choices=LEVELS, default="info")
    parse.add_argument("--device", choices=("auto", "cpu", "cuda"))
    parse.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")
    return parse


def main(phase: Phase[ConfigT], arguments: Sequence[str] | None = None) -> int:
    """Run a job; returns the exit code (0 done, 2 bad request, 3 recipe changed, 4 a gate failed)."""
    given = parser(phase).parse_args([_dashed(word) for word in (sys.argv[1:] if arguments is None else arguments)])
    configure_console(given.log_level)
    log = logging.getLogger(LOGGER)

    def work() -> int:
        values: dict[str, Any] = {}
        if given.output is not None:
            values["output"] = given.output
        if given.seed is not None:
            values["seed"] = given.seed
        if given.input:
            values["inputs"] = _inputs(phase, given.input)
        execute(phase, files=given.config, values=values, device=given.device, dry_run=given.dry_run)
        return 0

    return exit_code_of(work, log.error, about=f"{given.output or phase.name}: ")


def exit_code_of(work: Callable[[], int], tell: Callable[[str], object], about: str = "") -> int:
    """The code that a command's ``work`` returns, or that of what stopped it, which is told in a line.

    A file that the machine refuses is a bad request; any other error is a bug, and is raised.

    Args:
        work: the command.
        tell: is given the line.
        about: begins the line of what the machine refuses, which may name no file.
    """
    try:
        return work()
    except PhaseError as error:
        tell(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        tell("interrupted; run the same command again to go on")
        return 130
    except Exception as error:
        if (refusal := machine_refusal(error)) is None:
            raise
        tell(f"{about}{refusal}")
        logging.getLogger(LOGGER).debug("where that was", exc_info=error)
        return BadRequest.exit_code


def _dashed(word: str) -> str:
    """``--log_level`` means ``--log-level``."""
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value if word.startswith("--") else word


def _only_input(phase: Phase[Any], word: str) -> str:
    """The input that a path without a name is: the one there is, or the one that must be given."""
    specs = phase.input_specs
    required = [name for name, spec in specs.items() if not spec.optional]
    for names in (list(specs), required):
        if len(names) == 1:
            return names[0]
    raise BadRequest(f"--input {word}: say which: {', '.join(f'{key}=PATH' for key in specs)}")


def _inputs(phase: Phase[Any], words: Sequence[str]) -> dict[str, str | list[str]]:
    specs = phase.input_specs
    values: dict[str, str | list[str]] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals:
            name, path = _only_input(phase, word), word
        if name not in specs:
            raise BadRequest(f"--input {word}: {phase.name} has no input {name!r}; it takes {', '.join(specs)}")
        if specs[name].many:
            values[name] = [*values.get(name, []), path]
        elif name in values:
            raise BadRequest(f"--input {word}: {name!r} was given twice")
        else:
            values[name] = path
    return values
