"""The table at the end: each node, what became of it, how long it took, and what came out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aplantida.demo.driver import Run
from aplantida.demo.yardstick import histogram_accuracy
from aplantida.pipeline.artifact import Artifact, open_artifact

_WIDTHS = (32, 9, 8)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _counts(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def _evaluation(artifact: Artifact) -> str:
    test = evaluation_of(artifact)["test"]
    return f"test top-1 {_percent(test['top1'])}, top-5 {_percent(test['top5'])}"


def evaluation_of(artifact: Artifact) -> dict[str, Any]:
    """The metrics an evaluation artifact holds."""
    return json.loads(artifact.file("metrics.json").read_text(encoding="utf-8"))


def _audit(artifact: Artifact) -> str:
    return f"verdict {artifact.metrics['verdict']}"


def _checkpoint(artifact: Artifact) -> str:
    metrics = artifact.metrics
    if "val_top1" not in metrics:
        return _size(artifact)
    return f"val top-1 {_percent(metrics['val_top1'])} in epoch {metrics['best_epoch']}"


def _size(artifact: Artifact) -> str:
    return f"{len(artifact.files)} files, {sum(entry.bytes for entry in artifact.files.values()) / 1e6:.1f} MB"


def _sweep(artifact: Artifact) -> str:
    best = json.loads(artifact.file("best.json").read_text(encoding="utf-8"))
    return f"best: temperature {best['temperature']:g}, alpha {best['alpha']:g}"


def _calibration(artifact: Artifact) -> str:
    decision = json.loads(artifact.file("decision.json").read_text(encoding="utf-8"))
    if "unsure_because" in decision:
        return "always unsure"
    return f"temperature {decision['temperature']:.3f}, threshold {decision['threshold']:.3f}"


def _split(artifact: Artifact) -> str:
    return f"{artifact.metrics['num_classes']} species, photos: {_counts(artifact.metrics['photos'])}"


# what is said, the model that learned from teachers, and the one of the same budget that did not
_GAINS = (
    ("distilled minus baseline", "evaluation_distilled", "evaluation_baseline"),
    ("student minus baseline, both fine-tuned", "evaluation_finetuned", "evaluation_baseline_finetuned"),
)
_SAY: dict[str, Callable[[Artifact], str]] = {
    "dataset_audit": _audit,
    "split": _split,
    "checkpoint": _checkpoint,
    "sweep": _sweep,
    "evaluation": _evaluation,
    "calibration": _calibration,
}


def write_table(run: Run) -> list[str]:
    """The table's lines, a header first: node, status, seconds, what came out."""
    lines = [_row(("node", "status", "time"), "result")]
    for outcome in run.outcomes():
        artifact = open_artifact(run.output(outcome["node"]))
        result = _SAY.get(artifact.kind, _size)(artifact)
        lines.append(_row((outcome["node"], outcome["status"], f"{outcome['seconds']:.0f} s"), result))
    return lines


def _row(cells: tuple[str, str, str], result: str) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)) + result


def write_comparison(run: Run) -> list[str]:
    """What the accuracies mean: colors alone, and what the teachers added; empty for part of a graph."""
    done = {outcome["node"] for outcome in run.outcomes()}
    if "evaluation" not in done:
        return []
    compared = {"evaluation", *(name for _, *names in _GAINS for name in names)} & done
    top1 = {name: float(evaluation_of(open_artifact(run.output(name)))["test"]["top1"]) for name in sorted(compared)}
    colors = colors_alone(run.output("fetch_images"), run.output("split_dataset"))
    ratio = top1["evaluation"] / max(colors, 1e-9)
    return [
        f"colors alone (histograms, logistic regression): test top-1 {_percent(colors)}",
        f"the student in the bundle: test top-1 {_percent(top1['evaluation'])}, {ratio:.1f} times that",
        *(
            f"{words}: {100 * (top1[with_teachers] - top1[without]):+.1f} points of test top-1"
            for words, with_teachers, without in _GAINS
            if {with_teachers, without} <= top1.keys()
        ),
    ]


def colors_alone(images: Path, split: Path) -> float:
    """Test top-1 of the yardstick on the train and test photos of a split."""
    rows = pq.read_table(open_artifact(split, "split").file("split.parquet")).to_pylist()
    where = {row["image_id"]: (row["split"], row["class_index"]) for row in rows}
    jpegs: dict[str, list[bytes]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    shards = open_artifact(images, "image_shards")
    for name in sorted(name for name in shards.files if name.startswith("shards/")):
        for row in pq.read_table(shards.file(name), columns=["image_id", "image"]).to_pylist():
            part, label = where.get(row["image_id"], ("", -1))
            if part in jpegs:
                jpegs[part].append(row["image"])
                labels[part].append(label)
    return histogram_accuracy(jpegs["train"], labels["train"], jpegs["test"], labels["test"])
