"""A dry run of the graph in words: what would become of each node, and what it would take."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aplantida.domain.class_index import ClassIndex
from aplantida.phases._student import StudentModelSection, foreseen_size
from aplantida.pipeline.artifact import is_sealed, open_artifact
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import Node
from aplantida.pipeline.plan import Prospect
from aplantida.release.planning import Costs, Outlook, outlook, outlook_text, read_costs

_COUNTED_BY = ("fetch_images", "export_dataset")


def with_sizes(prospects: Sequence[Prospect]) -> list[Prospect]:
    """Prospects that say how large a student to be trained will be in the browser; one that cannot fit is refused."""
    return [_with_size(item) for item in prospects]


def _with_size(item: Prospect) -> Prospect:
    config: Any = item.config
    model = getattr(config, "model", None)
    if item.verdict != "run" or not isinstance(model, StudentModelSection):
        return item
    num_classes = model.num_classes or _num_classes(config.inputs["split"])
    if num_classes is None:
        return replace(item, why=f"{item.why}; its size in the browser is known once the split is sealed")
    try:
        rank, size = foreseen_size(model, num_classes, config.data.image_size, config.gates.max_model_bytes)
    except BadRequest as error:
        return replace(item, verdict="refuse", why=str(error), error=error)
    head = "a dense head" if rank is None else f"a head of rank {rank}"
    return replace(item, why=f"{item.why}; {head} for {num_classes} classes: {size / 1e6:.2f} MB in the browser")


def _num_classes(split: str) -> int | None:
    path = resolve(split)
    return len(ClassIndex.load(open_artifact(path).file("class_index.json"))) if is_sealed(path) else None


def say_prospects(prospects: Sequence[Prospect], costs_path: Path, runs: Path, log: Any) -> None:
    """Log a line a node, and what all of them take together, held against the disk and the memory there are.

    Args:
        prospects: of the nodes, in order.
        costs_path: of a rehearsal's costs file.
        runs: folder of the artifacts.
        log: where the lines go.

    Raises:
        BadRequest: when the costs file cannot be read.
    """
    costs = read_costs(costs_path)
    num_photos = photos_known(prospects)
    found = {
        item.node.name: outlook(
            costs, _rehearsed_as(item.node, costs), item.config.model_dump(mode="json"), num_photos or costs.num_photos
        )
        for item in prospects
        if costs is not None and item.config is not None and item.verdict in ("run", "resume")
    }
    for item in prospects:
        more = f" ({outlook_text(found[item.node.name])})" if item.node.name in found else ""
        log.info("%-32s %-7s %s%s", item.node.name, item.verdict, item.why.partition("\n")[0], more)
    if costs is None:
        log.info("hours, disk and memory are not known: %s is not there; `make rehearsal` writes it", costs_path)
    elif found:
        _say_sum(found, costs, num_photos, runs, log)


def _rehearsed_as(node: Node, costs: Costs) -> str:
    """The node whose costs are known: itself, or the one whose recipe it shares."""
    return node.name if node.overlay is None or node.name in costs.nodes else node.overlay


def photos_known(prospects: Sequence[Prospect]) -> int | None:
    """Photos of the collection, once an export or the image shards are sealed."""
    for item in prospects:
        if item.node.phase in _COUNTED_BY and item.output is not None and is_sealed(item.output):
            count = open_artifact(item.output).metrics.get("num_records")
            if count is not None:
                return int(count)
    return None


def _say_sum(found: dict[str, Outlook], costs: Costs, num_photos: int | None, runs: Path, log: Any) -> None:
    import psutil

    known = [item for item in found.values() if item.hours is not None]
    sums = Outlook(
        sum(item.hours or 0.0 for item in known),
        sum(item.bytes or 0.0 for item in found.values()),
        max((item.memory_mb or 0.0 for item in found.values()), default=0.0),
    )
    left_out = f"; hours of {len(found) - len(known)} nodes are not known" if len(known) < len(found) else ""
    log.info("together: %s%s", outlook_text(sums), left_out)
    counted = "its photos, as none are exported yet" if num_photos is None else f"{num_photos} photos"
    log.info("reckoned from the rehearsal of %s on %s, for %s", costs.date, costs.machine, counted)
    there = next(path for path in (runs, *runs.parents) if path.is_dir())
    free, memory = shutil.disk_usage(there).free, psutil.virtual_memory().total
    if (sums.bytes or 0) > free:
        log.warning("the disk of %s has %.1f GB free: too little", there, free / 1e9)
    if (sums.memory_mb or 0) * 1e6 > memory:
        log.warning("this machine has %.1f GB of memory: too little", memory / 1e9)
