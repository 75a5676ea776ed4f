"""Re-hash artifacts, run folders, bundles and manifests: ``python -m aplantida.verify PATH…``.

Exit code 0 when all is whole, 4 when something differs (each file is named), 2 when a path is nothing we know. With
``--key PUBLIC.pem`` the bundles among them must be signed by that key's owner too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aplantida.export.bundle import MANIFEST_FILE
from aplantida.export.signing import SIGNATURE_FILE, broken_signature, owner_of, signature_beside
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.release.verification import Subject, Verdict, subjects_at, verify, verify_together


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parse = argparse.ArgumentParser(prog="python -m aplantida.verify", description="Is everything still what it was?")
    parse.add_argument("paths", nargs="+", type=Path, metavar="PATH",
                       help="an artifact, a folder of artifacts, a bundle, or a TRAINING_MANIFEST file")  # fmt: skip
    parse.add_argument(
        "--key", type=Path, metavar="PUBLIC.pem", help="check the bundles' signatures by this public key"
    )
    parse.add_argument("--signature", type=Path, metavar="FILE",
                       help=f"the bundle's; else {SIGNATURE_FILE} in it, or NAME.sig beside its folder")  # fmt: skip
    given = parse.parse_args(arguments)
    if given.signature is not None and given.key is None:
        parse.error("--signature is checked by a --key")
    return exit_code_of(lambda: _look(given), lambda text: sys.stderr.write(f"verify: {text}\n"))


def _look(given: argparse.Namespace) -> int:
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
    if given.key is not None:
        trouble = _check_signatures(verdicts, given.key, given.signature)
        if trouble is not None:
            sys.stderr.write(f"verify: {trouble}\n")
            return BadRequest.exit_code
    for verdict in verdicts:
        _tell(verdict)
    bad = sum(bool(verdict.differences) for verdict in verdicts)
    sys.stdout.write(f"{len(verdicts)} looked at, {sum(v.num_files for v in verdicts)} files, {bad} not whole\n")
    return GateFailed.exit_code if bad else 0


def _check_signatures(verdicts: Sequence[Verdict], key: Path, signature: Path | None) -> str | None:
    """Add to the verdicts of bundles what is wrong with their signatures; a text when nothing can be checked."""
    bundles = [verdict for verdict in verdicts if (verdict.place / MANIFEST_FILE).is_file()]
    if not bundles or (signature is not None and len(bundles) > 1):
        return f"--key: {len(bundles)} bundles among the paths; want one, or several without --signature"
    try:
        signer = owner_of(key)
    except ValueError as error:
        return f"--key: {error}"
    for verdict in bundles:
        inside = verdict.place / SIGNATURE_FILE
        place = signature or (inside if inside.is_file() else signature_beside(verdict.place))
        trouble = broken_signature(verdict.place, key, place)
        if trouble is None:
            verdict.notes.append(f"signed by {signer}")
        else:
            verdict.differences.append(trouble)
    return None


def _tell(verdict: Verdict) -> None:
    state = f"{len(verdict.differences)} differ" if verdict.differences else "whole"
    sys.stdout.write(f"{verdict.place}: {verdict.kind} of {verdict.num_files} files: {state}\n")
    for line in verdict.differences:
        sys.stdout.write(f"  {line}\n")
    for line in verdict.notes:
        sys.stdout.write(f"  ({line})\n")


if __name__ == "__main__":
    raise SystemExit(main())
