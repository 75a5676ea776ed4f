"""Records of releases: what a bundle or a manifest was made from, noted beside it and beside all it descends from.

Bundles are moved into web pages and manifests sent to others; the record stays, and keeps what they were made from.
A release is forgotten by deleting its records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest
from aplantida.release.lineage import trace

RECORDS = "_releases"
FORMAT = "aplantida.release_record/1"


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release that was made.

    Attributes:
        file: the record.
        name: of the release, with its version.
        needs: (path, digest) of every artifact it descends from; paths as absolute ones.
    """

    file: Path
    name: str
    needs: tuple[tuple[Path, str], ...]


def write_records(name: str, kind: str, path: Path, digest: str, inputs: Mapping[str, Sequence[Artifact]]) -> None:
    """Note a release beside it and in every folder that holds an ancestor of it.

    Args:
        name: of the release, with its version.
        kind: of the artifact: ``model_bundle`` or ``manifest``.
        path: the artifact.
        digest: the artifact's.
        inputs: what it was made from.
    """
    lineage = trace([artifact for given in inputs.values() for artifact in given]).artifacts
    record = {
        "format": FORMAT,
        "name": name,
        "kind": kind,
        "path": str(path),
        "digest": digest,
        "needs": [{"path": str(item.path), "kind": item.kind, "digest": item.digest} for item in lineage],
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    for folder in sorted({path.parent, *(item.path.parent for item in lineage)}):
        target = folder / RECORDS / f"{name}.{kind}.{digest[:12]}.json"
        target.parent.mkdir(exist_ok=True)
        temporary = target.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)


def read_records(files: Iterable[Path]) -> list[ReleaseRecord]:
    """The records in these files.

    Raises:
        BadRequest: naming a file that is none: what it keeps is not known.
    """
    records: list[ReleaseRecord] = []
    for file in files:
        try:
            value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if value["format"] != FORMAT:
                raise BadRequest(f"{file}: format {value['format']!r}, want {FORMAT!r}")
            own = (Path(value["path"]), value["digest"])
            needs = [(Path(item["path"]), item["digest"]) for item in value["needs"]]
            records.append(ReleaseRecord(file, value["name"], (own, *needs)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadRequest(
                f"{file}: is no record of a release: {error!r}; delete it to forget the release"
            ) from error
    return records
