"""What saw a photo, and how it is made anew without: ``python -m aplantida.trace --photo ID_OR_ADDRESS``.

``--author NAME`` and ``--host HOST`` ask for all of somebody's photos, as ``opt_out`` of configs/collection.yaml would
mean them; which parts of an address are secrets, ``--collection`` says. Every artifact, model and release below
``--runs`` and ``--bundles`` is listed that holds one or descends from one that does. Exit code 0, also when nothing is
found; 2 when the question is none.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from aplantida.domain.address_secrets import AddressSecrets
from aplantida.domain.opt_out import OptOuts
from aplantida.phases._collection_file import SecretSection
from aplantida.phases.registry import PHASES, load_phase
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.config import find_file, read_yaml, resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.release.remaking import commands, plan_remaking, write_configs
from aplantida.release.tracing import Trace, trace_photos

_COLLECTION = "configs/collection.yaml"
_KEYS = {"photo": "images", "author": "authors", "host": "hosts"}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    given = _parser().parse_args(arguments)
    asked = {key: [text] for word, key in _KEYS.items() if (text := getattr(given, word)) is not None}
    return exit_code_of(lambda: _tell(given, asked), lambda text: sys.stderr.write(f"trace: {text}\n"))


def _tell(given: argparse.Namespace, asked: Mapping[str, list[str]]) -> int:
    secrets = _secrets(given.collection)
    trace = trace_photos([resolve(given.runs), resolve(given.bundles)], _opt_outs(asked, secrets))
    sys.stdout.write("\n".join(_told(trace)) + "\n")
    if trace.found:
        into = given.into or f"{given.runs.rstrip('/.') or 'runs'}_anew"
        said = {key: [secrets.public(text) for text in texts] for key, texts in asked.items()}
        if trace.photos.twins:  # else the same picture stays, under another id
            said["images"] = [*said.get("images", []), *sorted(trace.photos.twins)]
        plan = plan_remaking(trace, said, into, {name: load_phase(name) for name in PHASES})
        if given.into is not None:
            files = write_configs(plan, into)
            sys.stdout.write(f"\n{len(files)} configs written into {resolve(into) / 'configs'}\n")
        sys.stdout.write("\nHow it is made anew without:\n\n")
        sys.stdout.write("\n".join(commands(plan, into, _again(given, secrets))) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(prog="python -m aplantida.trace", description="What saw a photo?")
    asked = parse.add_mutually_exclusive_group(required=True)
    asked.add_argument("--photo", metavar="ID_OR_ADDRESS", help="one photo: its id (32 digits) or its address")
    asked.add_argument("--author", metavar="NAME", help="all photos of somebody")
    asked.add_argument("--host", metavar="HOST", help="all photos of a site and its subdomains")
    parse.add_argument("--runs", default="runs", metavar="DIR", help="where artifacts are (default: runs)")
    parse.add_argument("--bundles", default="dist/models", metavar="DIR", help="and bundles (default: dist/models)")
    parse.add_argument("--collection", default=_COLLECTION, metavar="FILE",
                       help=f"the collection's file, for its secret_parameters (default: {_COLLECTION})")  # fmt: skip
    parse.add_argument("--into", metavar="DIR", help="write the configs of what is made anew, for artifacts in DIR")
    return parse


def _secrets(file: str) -> AddressSecrets:
    """What the collection's file says of secrets; the usual ones where it says nothing."""
    said = read_yaml(find_file(file)).get("secret_parameters") or {}
    try:
        return SecretSection.model_validate(said).to_secrets()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("secret_parameters", *first["loc"])))
        raise BadRequest(f"{file}: {where}: {first['msg']}") from None


def _opt_outs(asked: Mapping[str, list[str]], secrets: AddressSecrets) -> OptOuts:
    try:
        return OptOuts.of(asked.get("authors", ()), asked.get("hosts", ()), asked.get("images", ()), secrets)
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _again(given: Any, secrets: AddressSecrets) -> str:
    words = [word for name in (*_KEYS, "runs", "bundles", "collection") if getattr(given, name) is not None
             for word in (f"--{name}", secrets.public(getattr(given, name)))]  # fmt: skip
    return shlex.join(["python", "-m", "aplantida.trace", *words])


def _told(trace: Trace) -> list[str]:
    lines = [f"cannot be read, so not looked at: {text}" for text in trace.unread]
    if not trace.found:
        return [*lines, f"nothing found: of {trace.num_artifacts} artifacts none saw it, and no release names one"]
    lines.append(f"{len(trace.photos.ids)} photo(s) meant" + (", the first:" if trace.photos.shown else ""))
    lines += [f"  {text}" for text in trace.photos.shown]
    lines += [f"  {twin}  shows the same picture, and goes with it" for twin in sorted(trace.photos.twins)]
    lines.append(f"{len(trace.sightings)} of {trace.num_artifacts} artifacts saw them:")
    for item in trace.sightings:
        lines.append(f"  {item.artifact.kind:<14} {item.artifact.path}: {'; '.join(item.how)}")
        lines.append(f"  {'':<14} by way of {' -> '.join(item.way)}")
    lines += [f"  {'release':<14} {item.name}: descends from them; its record is {item.file}" for item in trace.records]
    lines += [f"  {'bundle':<14} {path}: {why}" for path, why in trace.copies]
    lines += [f"  {'unfinished':<14} {work.path}: begun from them" for work in trace.unfinished]
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
