"""What the demo gave where its table was written: ``python -m aplantida.demo.digests`` writes it after a demo.

Each run of the demo is held against the table. What is only read, fetched and dealt out is equal everywhere; a training
rounds as its processor does, so from the first that differs there on nothing more can be said.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aplantida.demo.driver import Run, complain, say
from aplantida.domain.cores import usable_cores
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import ALL

TABLE = CHECKOUT / "configs/demo/digests.json"
CONFIGS = ("configs/run_pipeline.yaml", "configs/demo/run_pipeline.yaml")
FORMAT = "aplantida.demo_digests/1"
LEARNED = "checkpoint"  # the kind from which on results are arithmetic
Row = Mapping[str, Any]


def processor() -> str:
    """The processor's name, a digest of what it can do, and how many cores: on equal ones numbers are rounded alike."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = " ".join(sorted(facts.get("flags", "").split()))
    digest = hashlib.sha256(flags.encode()).hexdigest()[:12]
    return f"{facts.get('model name', '?')} {digest}, {usable_cores()} cores"


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """node → kind, version of its phase, digest, in the graph's order; but those that read all, which name times."""
    rows: dict[str, dict[str, Any]] = {}
    for node in run.nodes:
        if ALL not in node.needs():
            artifact = open_artifact(run.output(node.name))
            version = artifact.manifest["version"]
            rows[node.name] = {"kind": artifact.kind, "version": version, "digest": artifact.digest}
    return rows


def read_table(file: Path = TABLE) -> dict[str, Any]:
    """``processor`` on which it was written, and ``nodes`` as :func:`measure` gives them.

    Raises:
        BadRequest: when it is not there, is none, or names no node.
    """
    advice = "after a demo, `python -m aplantida.demo.digests` writes it"
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        rows = [(row["kind"], row["digest"], str(row["version"])) for row in table["nodes"].values()]
        texts = [table["processor"], *(text for row in rows for text in row)]
        if table["format"] != FORMAT or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"want the format {FORMAT!r}, a processor, and of each node kind, version and digest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequest(f"{file}: no table of digests ({error!r}); {advice}") from error
    if not rows:
        raise BadRequest(f"{file}: names no node; {advice}")
    return table


def compare(table: Mapping[str, Any], found: Mapping[str, Row], here: str) -> list[str]:
    """What the table says of a run, in a line or more.

    Args:
        table: see :func:`read_table`.
        found: of the run, see :func:`measure`.
        here: the processor it ran on.
    """
    known: Mapping[str, Row] = table["nodes"]
    lines: list[str] = []
    unknown = [name for name in found if name not in known]
    if unknown:
        lines.append(f"digests: the table does not know {', '.join(unknown)}")
    missing = [name for name in known if name not in found]
    if missing:
        lines.append(f"digests: the run lacks {', '.join(missing)}")
    both = [name for name in found if name in known]
    differ = [name for name in both if found[name]["digest"] != known[name]["digest"]]
    first = next((name for name in differ if found[name]["kind"] == LEARNED), None)
    if first is not None and here != table["processor"]:
        both = both[: both.index(first)]
        differ = [name for name in differ if name in both]
        lines.append(
            f"digests: this CPU rounds otherwise ({here}; the table is of {table['processor']}): "
            f"only the {len(both)} nodes before {first} are compared"
        )
    risen = [name for name in differ if found[name]["version"] != known[name]["version"]]
    if differ:
        versions = f"; of another version: {', '.join(risen)}" if risen else ""
        lines.append(f"digests: {len(differ)} of {len(both)} are not those of the table: {', '.join(differ)}{versions}")
    else:
        lines.append(f"digests: all {len(both)} are those of the table" if both else "digests: none to compare")
    return lines


def told(run: Run, file: Path = TABLE) -> list[str]:
    """The lines at the end of a demo, whatever the table is like."""
    try:
        return compare(read_table(file), measure(run), processor())
    except BadRequest as error:
        return [f"digests: not compared: {error}"]


def main(file: Path = TABLE) -> int:
    """Write the table from the demo's artifacts."""

    def work() -> int:
        run = Run.load(CONFIGS)
        table = {"format": FORMAT, "processor": processor(), "nodes": measure(run)}
        file.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say(f"{len(table['nodes'])} digests written into {file}")
        return 0

    return exit_code_of(work, complain)


if __name__ == "__main__":
    sys.exit(main())
