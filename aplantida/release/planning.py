"""What a run will take, from what a rehearsal (``python -m benchmarks.rehearsal``) measured on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aplantida.pipeline.errors import BadRequest


@dataclass(frozen=True, slots=True)
class NodeCost:
    """What a node takes in a plain run of the rehearsal's collection.

    Attributes:
        phase: whose node.
        how: ``measured``, or from what it was reckoned.
        hours: of wall clock.
        bytes: of its artifact.
        driver_mb: the most resident memory of the phase's own process, MB.
        worker_mb: the most of any process it started, MB.
        epochs: of its training; None where it has none.
        network: timm's name of the network, None where there is none.
        image_size: of the network's input in training, pixels.
    """

    phase: str
    how: str
    hours: float
    bytes: float
    driver_mb: float
    worker_mb: float
    epochs: int | None = None
    network: str | None = None
    image_size: int | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """A rehearsal's costs file.

    Attributes:
        date: of the rehearsal.
        machine: in words.
        num_photos: of its collection.
        nodes: by name.
    """

    date: str
    machine: str
    num_photos: int
    nodes: Mapping[str, NodeCost]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a node will take; None: not known.

    Attributes:
        hours: of wall clock.
        bytes: of its artifact.
        memory_mb: of its largest process.
        remark: why something is not known; empty where all is.
    """

    hours: float | None
    bytes: float | None
    memory_mb: float | None
    remark: str = ""


def read_costs(path: Path) -> Costs | None:
    """The costs file of a rehearsal; None where there has been none.

    Raises:
        BadRequest: when the file is not a rehearsal's.
    """
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        nodes = {name: NodeCost(**row) for name, row in said["nodes"].items()}
        return Costs(said["date"], said["machine"], int(said["num_photos"]), nodes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        names = ", ".join(item.name for item in fields(NodeCost))
        raise BadRequest(
            f"{path}: no costs file of a rehearsal ({error}); want date, machine, num_photos and, by node, {names}"
        ) from error


def outlook(costs: Costs, node: str, config: Mapping[str, Any], num_photos: int) -> Outlook:
    """What a node will take over ``num_photos`` photos, in proportion to the rehearsal's.

    Args:
        costs: of a rehearsal.
        node: its name.
        config: the node's, as JSON values.
        num_photos: of the collection.
    """
    cost = costs.nodes.get(node)
    if cost is None:
        return Outlook(None, None, None, "not rehearsed")
    share = num_photos / costs.num_photos
    memory = max(cost.driver_mb, cost.worker_mb)
    trained = network_of(config)
    if cost.network is not None and trained is not None and trained != (cost.network, cost.image_size):
        timed = f"{cost.network} at {cost.image_size} px"
        return Outlook(None, cost.bytes * share, memory, f"timed was {timed}, this is {trained[0]} at {trained[1]} px")
    epochs = config.get("training", {}).get("epochs")
    turns = epochs / cost.epochs if epochs and cost.epochs else 1.0
    return Outlook(cost.hours * share * turns * float(_fraction(config)), cost.bytes * share, memory)


def network_of(config: Mapping[str, Any]) -> tuple[str, int] | None:
    """Name of the network of a config and the side it is trained at; None where it names none."""
    model, data = config.get("model"), config.get("data")
    if not model or not data or "image_size" not in data:
        return None
    return model["name"], data.get("train_image_size") or data["image_size"]


def _fraction(config: Mapping[str, Any]) -> float:
    """Share of the photos that a model phase sees."""
    return config.get("data", {}).get("photo_fraction", config.get("photo_fraction", 1.0))


def outlook_text(found: Outlook) -> str:
    """``1.5 h, 20 GB on disk, 1.2 GB of memory``, as far as it is known."""
    parts = [
        None if found.hours is None else _hours(found.hours),
        None if found.bytes is None else f"{_size(found.bytes)} on disk",
        None if found.memory_mb is None else f"{_size(found.memory_mb * 1e6)} of memory",
        found.remark,
    ]
    return ", ".join(part for part in parts if part)


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"
