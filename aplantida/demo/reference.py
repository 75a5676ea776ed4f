"""`python -m aplantida.demo.reference --collection DIR --weights DIR`: every phase over a collection on disk.

The collection is a folder with ``plants.jsonl`` (mongoimport format) and ``images/``, which is served at the loopback
address its URLs name. ``WEIGHTS`` is set for the overlays in ``configs/reference/``, which name files in it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aplantida.demo.__main__ import finish
from aplantida.demo.driver import Run, complain, run_over
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.logs import configure_console

CONFIGS = ("configs/run_pipeline.yaml", "configs/reference/run_pipeline.yaml")
_LOOPBACK = ("127.0.0.1", "localhost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the reference; the exit code is the job's."""
    parser = argparse.ArgumentParser(prog="python -m aplantida.demo.reference", description=__doc__)
    parser.add_argument("--collection", type=Path, required=True, help="folder with plants.jsonl and images/")
    parser.add_argument("--weights", type=Path, required=True, help="folder with pretrained weights (timm's key names)")
    parser.add_argument("--config", action="append", default=[], metavar="FILE", help="over its run_pipeline.yaml")
    given = parser.parse_args(arguments)
    configure_console("info")
    started = time.monotonic()

    def work() -> int:
        if not given.weights.is_dir():
            raise BadRequest(f"--weights {given.weights}: no such folder")
        run = Run.load([*CONFIGS, *given.config])
        port = port_in(given.collection / "plants.jsonl")
        code = run_over(run, given.collection.resolve(), port, {"WEIGHTS": str(given.weights.resolve())})
        if code == 0:
            finish(run, time.monotonic() - started)
        return code

    return exit_code_of(work, complain)


def port_in(documents: Path) -> int:
    """The port of the loopback address that most URLs of a mongoimport file name.

    Raises:
        BadRequest: when the file is missing or names none.
    """
    if not documents.is_file():
        raise BadRequest(f"{documents}: no such file; want a mongoimport file (one document a line)")
    ports: Counter[int] = Counter()
    for word in documents.read_text(encoding="utf-8").split('"'):
        if word.startswith("http://"):
            parts = urlsplit(word)
            if parts.hostname in _LOOPBACK and parts.port:
                ports[parts.port] += 1
    if not ports:
        raise BadRequest(f"{documents}: no URL names a port of 127.0.0.1, so its photos cannot be served here")
    return ports.most_common(1)[0][0]


if __name__ == "__main__":
    raise SystemExit(main())
