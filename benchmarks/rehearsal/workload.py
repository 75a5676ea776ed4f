"""How much of everything a plain run of the whole collection does: photos, views, epochs, from the configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.phases.sweep_distillation import ENOUGH_VAL_PHOTOS
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import find_file, merge, read_yaml
from aplantida.pipeline.graph import Node

GLOBAL = "global"
TEACHERS, STUDENT = ("teacher_global", "teacher_regional"), "student"


@dataclass(frozen=True, slots=True)
class Work:
    """What a step does, in photos (a view counts as one).

    Attributes:
        role: whose plain network: ``teacher_global``, ``teacher_regional``, ``student``; empty for none.
        trained: photos that go forward and back.
        scored: photos that go forward only.
        handled: photos, views or rows that the processor deals with beside the network.
    """

    role: str
    trained: float
    scored: float
    handled: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Photos of a split."""

    train: int
    val: int
    test: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.train + self.val + self.test

    def times(self, share: float) -> Counts:
        """A share of each."""
        return Counts(*(max(1, round(share * count)) for count in (self.train, self.val, self.test)))


def counts_of(split: Artifact) -> dict[str, Counts]:
    """Photos of a split by scope: ``global``, and each region."""
    table = pq.read_table(split.file("split.parquet"), columns=["split", "regions"])
    names = sorted({name for name in table["regions"].combine_chunks().flatten().unique().to_pylist() if name})
    found = {GLOBAL: _counts(table["split"])}
    lengths = pc.list_value_length(table["regions"]).to_numpy()  # pyright: ignore[reportAttributeAccessIssue]
    splits = table["split"].to_numpy().repeat(lengths)
    regions = table["regions"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    for name in names:
        found[name] = Counts(*(int(((regions == name) & (splits == part)).sum()) for part in ("train", "val", "test")))
    return found


def _counts(column: Any) -> Counts:
    said = {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}
    return Counts(*(said.get(part, 0) for part in ("train", "val", "test")))


def work_of(node: Node, config: Mapping[str, Any], counts: Mapping[str, Counts], num_views: int) -> Work:
    """What a node does to the photos of a split.

    Args:
        node: of the graph.
        config: its merged YAML.
        counts: by scope.
        num_views: drawn views of a training photo.
    """
    everything = counts[GLOBAL]
    seen = counts.get(config.get("scope", GLOBAL), everything)
    epochs = config.get("training", {}).get("epochs", 1)
    checkpoint = node.inputs.get("checkpoint", "")
    role = next((name for name in TEACHERS if name in (node.name, checkpoint)), STUDENT)
    if node.phase in ("train_teacher", "distill_student", "finetune_student"):
        return Work(role, epochs * seen.train, epochs * seen.val, epochs * seen.total)
    if node.phase == "sweep_distillation":
        turns = epochs * config["search"]["num_trials"]
        trained, judged = (config["data"][name] for name in ("train_fraction", "val_fraction"))
        val = min(seen.val, ENOUGH_VAL_PHOTOS) if judged == "auto" else round(seen.val * judged)
        seen = Counts(round(seen.train * trained), val, 0)
        return Work(STUDENT, turns * seen.train, turns * seen.val, turns * seen.total)
    views = (1 + num_views) * everything.train + everything.val + everything.test
    if node.phase == "compute_teacher_logits":
        return Work(role, 0, views, views)
    if node.phase == "combine_teacher_logits":
        return Work("", 0, 0, views)
    if node.phase == "evaluate_model":
        return Work(role, 0, everything.val + everything.test, everything.val + everything.test)
    if node.phase == "calibrate_model":
        return Work("", 0, 0, everything.val + everything.test)
    return Work("", 0, 0, everything.total)


def merged_config(files: list[str]) -> dict[str, Any]:
    """YAML files, later over earlier."""
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, read_yaml(find_file(file)))
    return merged
