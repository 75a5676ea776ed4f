"""What the dashboard shows, read out of artifacts into plain values; what a run does not hold is empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from aplantida.domain.class_index import ClassIndex
from aplantida.domain.escaping import read_csv
from aplantida.domain.split import SPLITS
from aplantida.pipeline.artifact import Artifact
from aplantida.release.gains import Gain, paired_gains
from aplantida.release.manifest import read_json

_TIMINGS = ("cold_seconds", "warm_seconds")


@dataclass(frozen=True)
class Findings:
    """Everything on the page.

    Attributes:
        stages: (what, photos left) from the collection to the split.
        losses: (stage, reason, rows), most frequent first within a stage.
        species: per class its id and photos per split, most photographed first.
        curves: per training run its epochs.
        models: per model its label and test metrics, in the order asked for.
        gains: two labels, and what the first model gains over the second; None where their photos differ.
        calibration: ``calibration.json``; empty when absent.
        confusions: rows of ``confusions.csv``.
        bundle: (part, megabytes).
        parity: rows of ``parity.csv``.
        decisions: what the licence report asks, with the decisions.
        timings: seconds that the validation reported, by ``cold_seconds.<runtime>`` and ``warm_seconds.<runtime>``.
    """

    stages: list[tuple[str, int]]
    losses: list[tuple[str, str, int]]
    species: list[dict[str, Any]]
    curves: dict[str, list[dict[str, Any]]]
    models: list[tuple[str, dict[str, Any]]]
    gains: list[tuple[str, str, dict[str, Gain] | None]]
    calibration: dict[str, Any]
    confusions: list[dict[str, str]]
    bundle: list[tuple[str, float]]
    parity: list[dict[str, str]]
    timings: dict[str, Any]
    decisions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def find(
    artifacts: Sequence[Artifact],
    models: Mapping[str, str],
    confusions_of: str,
    gains: Sequence[tuple[str, str]] = (),
) -> Findings:
    """Read what the dashboard shows.

    Args:
        artifacts: those of one run.
        models: label → name of the evaluation's folder; absent ones are left out.
        confusions_of: name of the evaluation whose confusions are shown.
        gains: pairs of labels of ``models``; those that are not both there are left out.
    """
    by_name = {artifact.path.name: artifact for artifact in artifacts}
    by_kind = {artifact.kind: artifact for artifact in reversed(artifacts)}
    stages, losses = _funnel(by_kind)
    judged = [(label, by_name[node]) for label, node in models.items() if node in by_name]
    calibration, confused, validation = (
        by_kind.get("calibration"),
        by_name.get(confusions_of),
        by_kind.get("validation"),
    )
    return Findings(
        stages=stages,
        losses=losses,
        species=_species(by_kind.get("split")),
        curves={
            name: read_json(artifact, "history.json")
            for name, artifact in sorted(by_name.items())
            if artifact.kind == "checkpoint" and "history.json" in artifact.files
        },
        gains=[
            (better, worse, paired_gains(dict(judged)[better], dict(judged)[worse]))
            for better, worse in gains
            if {better, worse} <= dict(judged).keys()
        ],
        models=[(label, read_json(artifact, "metrics.json")) for label, artifact in judged],
        calibration=read_json(calibration, "calibration.json") if calibration else {},
        confusions=_csv(confused, "confusions.csv"),
        bundle=_sizes(by_kind.get("model_bundle")),
        parity=_csv(validation, "parity.csv"),
        decisions=_decisions(by_kind.get("license_report")),
        timings=flatten(
            {key: validation.metrics[key] for key in _TIMINGS if key in validation.metrics} if validation else {}
        ),
    )


def _decisions(report: Artifact | None) -> list[dict[str, Any]]:
    return [] if report is None else read_json(report, "license_report.json").get("decisions", [])


def _funnel(by_kind: Mapping[str, Artifact]) -> tuple[list[tuple[str, int]], list[tuple[str, str, int]]]:
    stages: list[tuple[str, int]] = []
    losses: list[tuple[str, str, int]] = []
    records, images, split = (by_kind.get(kind) for kind in ("records", "image_shards", "split"))
    if records:
        kept, lost = _rows(records, "records.parquet"), _reasons(records, "rejections.parquet")
        stages += [("rows of the collection", kept + sum(lost.values())), ("accepted at export", kept)]
        losses += [("export", *item) for item in lost.most_common()]
    if images:
        in_shards = sum(_rows(images, str(path.relative_to(images.path))) for path in images.files_under("shards"))
        lost = _reasons(images, "failures.parquet")
        # photos whose pixels another photo already has are stored and set aside later
        stages.append(("stored photos", in_shards - lost.get("duplicate_pixels", 0)))
        losses += [("fetch", *item) for item in lost.most_common()]
    if split:
        lost = _reasons(split, "excluded.parquet")
        lost.pop("duplicate_pixels", None)  # counted at fetch
        stages.append(("photos in the split", _rows(split, "split.parquet")))
        losses += [("split", *item) for item in lost.most_common()]
    return stages, losses


def _rows(artifact: Artifact, name: str) -> int:
    return pq.read_metadata(artifact.file(name)).num_rows


def _reasons(artifact: Artifact, name: str) -> Counter[str]:
    reasons = pq.read_table(artifact.file(name), columns=["reason"])["reason"].to_pylist()
    return Counter(sorted(reasons))


def _species(split: Artifact | None) -> list[dict[str, Any]]:
    if split is None:
        return []
    index = ClassIndex.load(split.file("class_index.json"))
    rows = pq.read_table(split.file("split.parquet"), columns=["class_index", "split"])
    labels, splits = rows["class_index"].to_numpy(), np.asarray(rows["split"].to_pylist(), dtype=str)
    counts = {name: np.bincount(labels[splits == name], minlength=len(index)) for name in SPLITS}
    species = [
        {"class_id": class_id, **{name: int(counts[name][at]) for name in SPLITS}}
        for at, class_id in enumerate(index.class_ids)
    ]
    return sorted(species, key=lambda row: (-sum(row[name] for name in SPLITS), row["class_id"]))


def _csv(artifact: Artifact | None, name: str) -> list[dict[str, str]]:
    if artifact is None or name not in artifact.files:
        return []
    with artifact.file(name).open(encoding="utf-8", newline="") as stream:
        return read_csv(stream)


def _sizes(bundle: Artifact | None) -> list[tuple[str, float]]:
    if bundle is None:
        return []
    sizes: Counter[str] = Counter()
    for name, entry in bundle.files.items():
        sizes[name.partition("/")[0] + ("/" if "/" in name else "")] += entry.bytes
    parts = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return [("in all", sum(sizes.values()) / 1e6), *((name, size / 1e6) for name, size in parts)]


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; lists are left out."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat.update(flatten(item, f"{prefix}{key}."))
        elif not isinstance(item, list):
            flat[f"{prefix}{key}"] = item
    return flat
