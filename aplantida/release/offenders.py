"""Who offends against the licences, and by which way that came into what is shipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import resolve
from aplantida.release.credit_store import CreditStore
from aplantida.release.licenses import WeightAudit
from aplantida.release.lineage import Lineage
from aplantida.release.manifest import read_json


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


def photos_that_offend(credits: CreditStore, images: Artifact, path: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Refused photos by shard and id, each with its shard, the text that was given as its licence, and its way.

    Args:
        credits: with what it refuses.
        images: where the photos lie.
        path: from the shards to what is shipped.
    """
    for shard in images.files_under("shards"):
        for image_id, text, why in credits.refused_among(pq.read_table(shard, columns=["image_id", "license_text"])):
            file = f"{images.path.name}/{shard.relative_to(images.path).as_posix()}"
            yield {"kind": "photo", "image_id": image_id, "file": file, "text": text, "why": why, "path": list(path)}


def weights_that_offend(weights: WeightAudit, lineage: Lineage, ends: Sequence[Artifact]) -> Iterator[dict[str, Any]]:
    """Checkpoints whose initial weights may not be used, and what else is wrong with the lineage."""
    for artifact, why in weights.offending:
        card = read_json(artifact, "model.json")
        text = f"{card.get('pretrained')}: {card.get('pretrained_license')}"
        file = f"{artifact.path.name}/model.json"
        yield {"kind": "weights", "file": file, "text": text, "why": why, "path": way(lineage, artifact, ends)}
    for why in weights.broken:
        yield {"kind": "lineage", "file": None, "text": None, "why": why, "path": []}
