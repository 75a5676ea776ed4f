"""The rehearsal's tables, its costs file, and the part of docs/planning.md that holds them."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aplantida.pipeline.artifact import is_sealed, open_artifact
from aplantida.pipeline.config import CHECKOUT
from aplantida.pipeline.environment import describe
from aplantida.pipeline.graph import Node
from aplantida.release.planning import network_of
from benchmarks.rehearsal.machines import OTHERS, Estimate, Observed, estimate
from benchmarks.rehearsal.measure import Attempt, Measured
from benchmarks.rehearsal.networks import NetworkSeconds
from benchmarks.rehearsal.overlays import Sizes
from benchmarks.rehearsal.steps import EXPORT_SOME, FETCH_SOME, INDEX, NETWORKS, SHARDS, Rehearsal, Step
from benchmarks.rehearsal.workload import GLOBAL, Counts, Work, counts_of, merged_config, work_of

PAGE = CHECKOUT / "docs/planning.md"
BEGIN, END = "<!-- rehearsal: begin -->", "<!-- rehearsal: end -->"
_WHOLE_AT_ONCE = frozenset(
    {"quantize_model", "export_tfjs", "validate_tfjs", "generate_manifest", "build_dashboard", "release_gate"}
)
_BYTES_A_WEIGHT, _WEIGHTS_IN_TRAINING = 4, 4  # float32; the model, its gradients' two moments, and the best one so far
_MEASURED_HEAD = (
    "| step | seconds | photos/s | driver, MB | largest other process, MB | written, MB |",
    "|---|---:|---:|---:|---:|---:|",
)
_TRAININGS = frozenset({"train_teacher", "distill_student", "finetune_student"})


@dataclass(frozen=True, slots=True)
class Row:
    """One step of the table.

    Attributes:
        name: of the step.
        phase: whose job it is; empty for none.
        took: in the rehearsal.
        photos: photos, views or rows it dealt with.
        kept_bytes: of its artifact.
        estimate: of a plain run.
        plain_bytes: of its artifact in a plain run.
        config: of a plain run; empty for no node.
    """

    name: str
    phase: str
    took: Attempt
    photos: float
    kept_bytes: int
    estimate: Estimate
    plain_bytes: float
    config: Mapping[str, Any]


class Reporter:
    """Reads what a finished rehearsal left in its folder."""

    def __init__(self, rehearsal: Rehearsal, folder: Path) -> None:
        self._rehearsal, self._sizes, self._folder = rehearsal, rehearsal.sizes, folder
        self._nodes = {node.name: node for node in rehearsal.nodes}
        text = (folder / f"{NETWORKS}.json").read_text(encoding="utf-8")
        self.networks = {role: NetworkSeconds(**row) for role, row in json.loads(text).items()}
        self._full = counts_of(open_artifact(rehearsal.output("split_dataset"), "split"))
        self._start_up = min(self._took(step).seconds for step in rehearsal.steps if step.phase)

    @property
    def counts(self) -> Counts:
        """Photos of the whole split."""
        return self._full[GLOBAL]

    def rows(self) -> list[Row]:
        """A row a step, in the order of the steps."""
        return [self._row(step) for step in self._rehearsal.steps]

    def _took(self, step: Step) -> Attempt:
        return Measured(self._folder / "measured" / f"{step.name}.json").total()

    def _row(self, step: Step) -> Row:
        took = self._took(step)
        kept = _kept_bytes(step.output)
        node = self._node_of(step)
        if node is None:
            count = self.counts.total if step.name in (SHARDS, INDEX) else 0
            hours = took.seconds / 3600
            none = Estimate("measured; no part of a run", hours, tuple(hours for _ in OTHERS))
            return Row(step.name, step.phase, took, count, kept, none, kept, {})
        seen, plain = self._works(step, node)
        whole = seen == plain or node.phase in _WHOLE_AT_ONCE
        observed = Observed(node.phase, took.seconds, self._start_up, seen, whole)
        wait = observed.per_photo if node.phase == "compute_teacher_logits" else 0.0
        found = estimate(observed, plain, self.networks, os.cpu_count() or 1, wait)
        share = 1.0 if whole else plain.handled / max(seen.handled, 1.0)
        plain_bytes = self._checkpoint_bytes(plain) if node.phase in _TRAININGS else kept * share
        return Row(step.name, node.phase, took, seen.handled, kept, found, plain_bytes, self._plain(node))

    def _node_of(self, step: Step) -> Node | None:
        return self._nodes.get({FETCH_SOME: "fetch_images"}.get(step.name, step.name))

    def _plain(self, node: Node) -> dict[str, Any]:
        return merged_config(node.config)

    def _works(self, step: Step, node: Node) -> tuple[Work, Work]:
        """What the rehearsal's step did, and what a plain run's does."""
        views = self._plain(self._nodes["logits_global"])["views"]["num_views"]
        plain = work_of(node, self._plain(node), self._full, views)
        if step.name == FETCH_SOME:
            count = float(open_artifact(step.output).metrics["num_records"])
            return Work("", 0, 0, count), plain
        if node.phase == "audit_dataset":
            return Work("", 0, 0, self._asked(step)), plain
        if self._sizes.full or not (plain.role or _sees_a_share(node.phase)):
            return plain, plain
        share = {scope: counts.times(self._sizes.photo_fraction) for scope, counts in self._full.items()}
        return work_of(node, merged_config(self._rehearsal.files(node)), share, views), plain

    def _asked(self, step: Step) -> float:
        return float(open_artifact(step.output).metrics["links"]["asked"])

    def _checkpoint_bytes(self, plain: Work) -> float:
        return self.networks[plain.role].num_parameters * _BYTES_A_WEIGHT * _WEIGHTS_IN_TRAINING


def _sees_a_share(phase: str) -> bool:
    """Whether a phase without a network of its own deals with the share of photos that the models saw."""
    return phase in ("combine_teacher_logits", "calibrate_model")


def _kept_bytes(path: Path) -> int:
    if is_sealed(path):
        return sum(entry.bytes for entry in open_artifact(path).files.values())
    return path.stat().st_size if path.is_file() else 0


def write_costs(path: Path, rows: list[Row], num_photos: int) -> None:
    """Write what ``run_pipeline --dry-run`` reckons with: a plain run's hours and bytes, by node, on this machine."""
    steps = {
        {FETCH_SOME: "fetch_images"}.get(row.name, row.name): {
            "phase": row.phase,
            "how": row.estimate.how,
            "hours": row.estimate.here,
            "bytes": row.plain_bytes,
            "driver_mb": row.took.driver_mb,
            "worker_mb": row.took.worker_mb,
            "epochs": row.config.get("training", {}).get("epochs"),
            **dict(zip(("network", "image_size"), network_of(row.config) or (None, None), strict=True)),
        }
        for row in rows
        if row.name not in (SHARDS, INDEX, NETWORKS, EXPORT_SOME)
    }
    facts = {"date": time.strftime("%Y-%m-%d"), "machine": _machine(), "num_photos": num_photos, "nodes": steps}
    path.write_text(json.dumps(facts, indent=1), encoding="utf-8")


def page(rows: list[Row], networks: dict[str, NetworkSeconds], sizes: Sizes, counts: Counts, command: str) -> str:
    """The Markdown between the markers."""
    classes = f"{counts.total:,} photos ({counts.train:,} train, {counts.val:,} val, {counts.test:,} test)"
    lines = [
        f"`{command}` on {time.strftime('%Y-%m-%d')}, {_machine()}: {classes} in the split; the models saw",
        f"{sizes.photo_fraction:.2%} of them at {sizes.image_size} pixels." if not sizes.full else "all of them.",
        "",
        *_MEASURED_HEAD,
        *map(_measured_line, rows),
        "",
        "| plain network | px | on | seconds a photo trained | scored | photos timed |",
        "|---|---:|---|---:|---:|---:|",
        *(
            f"| {item.network} | {item.image_size} | {item.device} | {item.train_seconds:.3g} | "
            f"{item.score_seconds:.3g} | {item.num_photos} each |"
            for item in networks.values()
        ),
        "",
        _hours_head(),
        *(_hours_line(row) for row in rows if not row.estimate.how.endswith("no part of a run")),
        _total_line(rows),
    ]
    return "\n".join(lines)


def results_section(rows: list[Row], command: str) -> str:
    """What benchmarks/RESULTS.md says of a rehearsal; the hours of a plain run stand in docs/planning.md."""
    minutes = sum(row.took.seconds for row in rows) / 60
    lines = [
        f"`{command}` on {time.strftime('%Y-%m-%d')}, {_machine()}: {len(rows)} steps in {minutes:.0f} minutes, "
        f"{sum(row.kept_bytes for row in rows) / 1e9:.1f} GB written.",
        "",
        *_MEASURED_HEAD,
        *map(_measured_line, rows),
    ]
    return "\n".join(lines)


def _measured_line(row: Row) -> str:
    rate = f"{row.photos / row.took.seconds:,.0f}" if row.photos else "–"
    largest = f"{row.took.worker_mb:,.0f}" + (f" ({row.took.worker})" if row.took.worker else "")
    cells = (row.name, f"{row.took.seconds:,.0f}", rate, f"{row.took.driver_mb:,.0f}", largest)
    return f"| {' | '.join(cells)} | {row.kept_bytes / 1e6:,.1f} |"


def _hours_head() -> str:
    names = " | ".join(f"{machine.name}, estimate" for machine in OTHERS)
    rule = f"|---|---:|{'---:|' * len(OTHERS)}---:|---|"
    return f"| step of a plain run | here, hours | {names} | disk, GB | here: how |\n{rule}"


def _hours_line(row: Row) -> str:
    hours = " | ".join(f"{value:,.2f}" for value in (row.estimate.here, *row.estimate.others))
    return f"| {row.name} | {hours} | {row.plain_bytes / 1e9:,.2f} | {row.estimate.how} |"


def _total_line(rows: list[Row]) -> str:
    counted = [row for row in rows if not row.estimate.how.endswith("no part of a run")]
    sums = [sum(row.estimate.here for row in counted)]
    sums += [sum(row.estimate.others[at] for row in counted) for at in range(len(OTHERS))]
    disk = sum(row.plain_bytes for row in counted) / 1e9
    return f"| **all** | {' | '.join(f'**{value:,.1f}**' for value in sums)} | **{disk:,.0f}** | |"


def write_page(text: str, path: Path = PAGE) -> None:
    """Put the text between the page's markers, which are added at its end when it has none."""
    old = path.read_text(encoding="utf-8")
    part = f"{BEGIN}\n{text}\n{END}"
    if BEGIN in old:
        new = re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: part, old, flags=re.DOTALL)
    else:
        new = f"{old.rstrip()}\n\n{part}\n"
    path.write_text(new, encoding="utf-8")


def _machine() -> str:
    facts = describe()
    return f"{os.cpu_count()} cores of {facts['processor']}, GPUs: {', '.join(facts['gpus']) or 'none'}"
