"""What an artifact descends from, followed through the inputs that every artifact records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aplantida.pipeline.artifact import Artifact, open_artifact
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import Altered, BadRequest


@dataclass(frozen=True)
class Lineage:
    """Artifacts with all their ancestors.

    Attributes:
        artifacts: each once, in order of kind, digest and path; the starting ones included.
        problems: ancestors that could not be followed, a sentence each.
    """

    artifacts: tuple[Artifact, ...]
    problems: tuple[str, ...]

    def of_kind(self, kind: str) -> list[Artifact]:
        """Those of one kind."""
        return [artifact for artifact in self.artifacts if artifact.kind == kind]


def trace(starts: Sequence[Artifact]) -> Lineage:
    """Follow the inputs of ``starts`` to the sources.

    An ancestor that is gone, damaged, or no longer what it was when it was read is a problem, not an error: whoever
    asks decides how grave that is.
    """
    found = {artifact.path.resolve(): artifact for artifact in starts}
    problems: set[str] = set()
    waiting = list(found.values())
    while waiting:
        artifact = waiting.pop()
        for given in artifact.inputs.values():
            for entry in given:
                path = resolve(entry["path"]).resolve()
                try:
                    ancestor = found[path] if path in found else open_artifact(path, entry["kind"])
                except (BadRequest, Altered) as error:
                    problems.add(f"{artifact.path.name} descends from {entry['path']}, which cannot be read: {error}")
                    continue
                if ancestor.digest != entry["digest"]:
                    problems.add(
                        f"{artifact.path.name} was made from {entry['path']} when its digest was "
                        f"{entry['digest'][:12]}; now it is {ancestor.digest[:12]}"
                    )
                if path not in found:
                    found[path] = ancestor
                    waiting.append(ancestor)
    ordered = sorted(found.values(), key=lambda item: (item.kind, item.digest, str(item.path)))
    return Lineage(tuple(ordered), tuple(sorted(problems)))
