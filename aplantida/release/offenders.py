"""Who offends against the licences, and by which way that came into what is shipped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.release.credit_store import CreditStore
from aplantida.release.licenses import WeightAudit
from aplantida.release.lineage import Lineage
from aplantida.release.manifest import read_json
from aplantida.release.records import RECORDS, read_records


def way(lineage: Lineage, start: Artifact, ends: Sequence[Artifact]) -> list[str]:
    """Names of the artifacts from ``start`` to one of ``ends``, by the longest way; empty when there is none."""
    by_path = {artifact.path.resolve(): artifact for artifact in lineage.artifacts}
    known: dict[Path, list[str]] = {start.path.resolve(): [start.path.name]}

    def to(place: Path) -> list[str]:
        if place not in known:
            artifact = by_path.get(place)
            given = [] if artifact is None else [entry for entries in artifact.inputs.values() for entry in entries]
            known[place] = []  # whatever leads here again is no way
            longest = max((to(resolve(entry["path"]).resolve()) for entry in given), key=len, default=[])
            known[place] = [*longest, place.name] if longest else []
        return known[place]

    return max((to(end.path.resolve()) for end in ends), key=len, default=[])


Released = Mapping[str, Sequence[str]]


def photos_that_offend(
    credits: CreditStore, images: Artifact, path: Sequence[str], released: Released
) -> Iterator[dict[str, Any]]:
    """Refused photos by shard and id, each with its shard, the text that was given as its licence, and its way.

    Args:
        credits: with what it refuses.
        images: where the photos lie.
        path: from the shards to what is shipped.
        released: see :func:`releases_from`.
    """
    for shard in images.files_under("shards"):
        for image_id, text, why in credits.refused_among(pq.read_table(shard, columns=["image_id", "license_text"])):
            file = f"{images.path.name}/{shard.relative_to(images.path).as_posix()}"
            found = {"image_id": image_id, "file": file, "text": text, "why": why}
            came_into = {"path": list(path), "releases": list(released.get(images.digest, ()))}
            yield {"kind": "photo", **found, **came_into}


def weights_that_offend(
    weights: WeightAudit, lineage: Lineage, ends: Sequence[Artifact], released: Released
) -> Iterator[dict[str, Any]]:
    """Checkpoints whose initial weights may not be used, and what else is wrong with the lineage."""
    for artifact, why in weights.offending:
        card = read_json(artifact, "model.json")
        text = f"{card.get('pretrained')}: {card.get('pretrained_license')}"
        file = f"{artifact.path.name}/model.json"
        came_into = {"path": way(lineage, artifact, ends), "releases": list(released.get(artifact.digest, ()))}
        yield {"kind": "weights", "file": file, "text": text, "why": why, **came_into}
    for why in weights.broken:
        yield {"kind": "lineage", "file": None, "text": None, "why": why, "path": [], "releases": []}


def releases_from(lineage: Lineage) -> tuple[dict[str, list[str]], list[str]]:
    """The releases that descend from artifacts of a lineage, by the records that lie beside these.

    Returns:
        By an artifact's digest, ``name version: place`` of each release; and what is wrong with records that cannot be
        read.
    """
    files = {file for item in lineage.artifacts for file in (item.path.parent / RECORDS).glob("*.json")}
    found: dict[str, dict[str, None]] = {}
    unread: list[str] = []
    for file in sorted(files):
        try:
            (record,) = read_records([file])
        except BadRequest as error:
            unread.append(str(error))
            continue
        (place, _), *needs = record.needs
        for _, digest in needs:
            found.setdefault(digest, {})[f"{record.name}: {place}"] = None
    return {digest: list(texts) for digest, texts in found.items()}, unread


def write_offenders(file: Path, offenders: Iterable[dict[str, Any]], named: int) -> tuple[int, list[str]]:
    """Write offenders as a JSON list, one a line, however many they are.

    Returns:
        How many they are, and why of the first ``named``.
    """
    count, first = 0, list[str]()
    with file.open("w", encoding="utf-8") as stream:
        stream.write("[")
        for offender in offenders:
            stream.write((",\n" if count else "\n") + json.dumps(offender, ensure_ascii=False))
            count += 1
            if len(first) < named:
                first.append(offender["why"])
        stream.write("\n]\n")
    return count, first
