"""The release before: what it measured, and where the new one is worse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aplantida.export.bundle import MANIFEST_FILE, altered_files
from aplantida.pipeline.artifact import MANIFEST, hash_file, open_artifact
from aplantida.pipeline.errors import Altered, BadRequest

FACTS_FILE = "release.json"
FORMAT = "aplantida.release/1"
_PARTS = {"regions": "region", "frequency_bands": "band"}


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What is kept of a release, to hold the next one against.

    Attributes:
        name: of the release.
        version: of the release.
        bundle_sha256: of its ``bundle.json``.
        inputs: digests of what its bundle was made from.
        num_classes: how many species it knows.
        image_size: pixels a side.
        license: of the weights.
        bytes: of all files of the bundle.
        top1: share of the test photos by part (``all``, ``region europe``, ``band 10-49``), of parts with a photo.
        num_photos: test photos by part.
        region: whose species alone it names; None where it names all that it learned.
    """

    name: str
    version: str
    bundle_sha256: str
    inputs: dict[str, str]
    num_classes: int
    image_size: int
    license: str
    bytes: int
    top1: dict[str, float]
    num_photos: dict[str, int]
    region: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``release.json``."""
        return {"format": FORMAT, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Drop:
    """A part of the test photos that was measured in both releases, or in the last one only (``now`` is None)."""

    part: str
    before: float
    now: float | None


def facts_of(bundle_json: Mapping[str, Any], sha256: str, test: Mapping[str, Any]) -> ReleaseFacts:
    """Of a bundle.

    Args:
        bundle_json: its ``bundle.json``.
        sha256: of that file.
        test: what the evaluation of its model measured on test.
    """
    parts = [(name, row) for name, row in _parts(test) if row["num_photos"]]
    files = [*bundle_json["files"].values(), *bundle_json["formats"].values()]
    return ReleaseFacts(
        **{name: bundle_json[name] for name in ("name", "version", "num_classes", "image_size", "license")},
        bundle_sha256=sha256,
        inputs=dict(bundle_json["inputs"]),
        bytes=sum(entry["bytes"] for entry in files),
        top1={name: row["top1"] for name, row in parts},
        num_photos={name: row["num_photos"] for name, row in parts},
        region=bundle_json.get("region"),
    )


def _parts(test: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "all", test
    for key, word in _PARTS.items():
        for name, row in test.get(key, {}).items():
            yield f"{word} {name}", row


def previous_digest(path: Path) -> str:
    """What a release is known by before it is read: the sha256 of its ``artifact.json`` or ``bundle.json``.

    Raises:
        BadRequest: when there is neither.
    """
    for name in (MANIFEST, MANIFEST_FILE):
        if (path / name).is_file():
            return hash_file(path / name)
    raise BadRequest(f"previous: {path}: want a bundle ({MANIFEST_FILE}) or a release_gate artifact")


def read_previous(path: Path) -> ReleaseFacts:
    """A release that was made before: its bundle, wherever that lies, or the artifact of its release gate.

    Raises:
        BadRequest: when it is neither.
        Altered: when it is not what it was.
    """
    try:
        if (path / MANIFEST_FILE).is_file():
            altered = altered_files(path)
            if altered:
                raise Altered(f"previous: {path}: not as {MANIFEST_FILE} says: {', '.join(altered[:5])}")
            document = json.loads((path / MANIFEST_FILE).read_text(encoding="utf-8"))
            measured = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
            return facts_of(document, hash_file(path / MANIFEST_FILE), measured["evaluation"]["test"])
        value = json.loads(open_artifact(path, "release").file(FACTS_FILE).read_text(encoding="utf-8"))
        if value.pop("format", None) != FORMAT:
            raise ValueError(f"{FACTS_FILE}: want format {FORMAT!r}")
        return ReleaseFacts(**value)
    except BadRequest as error:
        raise BadRequest(f"previous: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest(
            f"previous: {path}: is no release that can be read: {type(error).__name__}: {error}"
        ) from error


def drops(before: ReleaseFacts, now: ReleaseFacts) -> list[Drop]:
    """Each part that the last release measured, and how it is now."""
    return [Drop(part, top1, now.top1.get(part)) for part, top1 in before.top1.items()]


def changes(before: ReleaseFacts, now: ReleaseFacts) -> list[tuple[str, str, str]]:
    """What differs: (what, before, now)."""
    rows = [
        (word, str(getattr(before, name) or "–"), str(getattr(now, name) or "–"))
        for name, word in (
            ("name", "name"),
            ("version", "version"),
            ("region", "region"),
            ("num_classes", "species"),
            ("image_size", "pixels a side"),
            ("license", "licence of the weights"),
            ("bytes", "bytes of the bundle"),
        )
    ]
    names = sorted({*before.inputs, *now.inputs})
    rows += [(name, before.inputs.get(name, "–")[:12], now.inputs.get(name, "–")[:12]) for name in names]
    parts = [*before.top1, *(name for name in now.top1 if name not in before.top1)]
    rows += [(f"top-1, {part}", _percent(before.top1.get(part)), _percent(now.top1.get(part))) for part in parts]
    return [row for row in rows if row[1] != row[2]]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
