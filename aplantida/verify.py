"""Re-hash artifacts, run folders, bundles and manifests: ``python -m aplantida.verify PATH…``.

Exit code 0 when all is whole, 4 when something differs (each file is named), 2 when a path is nothing we know.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.release.verification import Subject, Verdict, subjects_at, verify, verify_together


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parse = argparse.ArgumentParser(prog="python -m aplantida.verify", description="Is everything still what it was?")
    parse.add_argument("paths", nargs="+", type=Path, metavar="PATH",
                       help="an artifact, a folder of artifacts, a bundle, or a TRAINING_MANIFEST file")  # fmt: skip
    given = parse.parse_args(arguments)
    subjects: dict[Path, Subject] = {}
    for path in given.paths:
        found = subjects_at(path)
        if not found:
            sys.stderr.write(
                f"verify: {path}: want an artifact (artifact.json), a bundle (bundle.json), a TRAINING_MANIFEST file, "
                "or a folder that holds one\n"
            )
            return BadRequest.exit_code
        subjects |= {subject.place.resolve(): subject for subject in found}
    verdicts: list[Verdict] = []
    for subject in subjects.values():
        verdicts.append(verify(subject))
    verify_together(verdicts)
    for verdict in verdicts:
        _tell(verdict)
    bad = sum(bool(verdict.differences) for verdict in verdicts)
    sys.stdout.write(f"{len(verdicts)} looked at, {sum(v.num_files for v in verdicts)} files, {bad} not whole\n")
    return GateFailed.exit_code if bad else 0


def _tell(verdict: Verdict) -> None:
    state = f"{len(verdict.differences)} differ" if verdict.differences else "whole"
    sys.stdout.write(f"{verdict.place}: {verdict.kind} of {verdict.num_files} files: {state}\n")
    for line in verdict.differences:
        sys.stdout.write(f"  {line}\n")
    for line in verdict.notes:
        sys.stdout.write(f"  ({line})\n")


if __name__ == "__main__":
    raise SystemExit(main())
