"""What the nodes of the Ray in use have, and whether a request fits: no worker spans two nodes, nor two GPUs.

Ray waits for ever, in silence, for what no node can give. So every request is held against the nodes first.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ray

from aplantida.pipeline.errors import BadRequest

_log = logging.getLogger(__name__)
_ROUNDING = 1e-3  # Ray counts resources in ten-thousandths: three thirds of a GPU are 0.9999


@dataclass(frozen=True)
class Node:
    """A living node of the cluster.

    Attributes:
        node_id: Ray's.
        name: as Ray's dashboard has it: the address, unless it was given another.
        cpus: all of them, busy or not.
        gpus: likewise.
    """

    node_id: str
    name: str
    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.name}: {_amounts(self.cpus, self.gpus)}"


@dataclass(frozen=True)
class Share:
    """What one worker takes of its node: CPUs, and GPUs (a part of one, or whole ones)."""

    cpus: float
    gpus: float = 0.0

    def __str__(self) -> str:
        return _amounts(self.cpus, self.gpus)


def _amounts(cpus: float, gpus: float) -> str:
    return f"{cpus:.4g} CPU and {gpus:.3g} GPU" if gpus else f"{cpus:.4g} CPU"


def living_nodes() -> list[Node]:
    """The nodes of the Ray in use, by name."""
    found = [
        Node(node["NodeID"], node["NodeName"], node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    ]
    return sorted(found, key=lambda node: (node.name, node.node_id))


def room_for(share: Share, nodes: Iterable[Node]) -> int:
    """How many workers of ``share`` the nodes hold at the same time when nothing else runs."""
    return sum(_room_on(node, share) for node in nodes)


def _room_on(node: Node, share: Share) -> int:
    by_kind = [(node.cpus, share.cpus), (node.gpus, share.gpus)]
    return min(math.floor(there / wanted + _ROUNDING) for there, wanted in by_kind if wanted)


def gpu_part(num_workers: int, nodes: Sequence[Node]) -> float:
    """The part of a GPU that each of ``num_workers`` gets when they are spread evenly: 1, 1/2, 1/3 …

    A worker never gets two GPUs, and those that share one have equal parts: three on two GPUs have a half each.
    """
    return 1.0 / max(1, math.ceil(num_workers / sum(int(node.gpus) for node in nodes)))


def require_room(share: Share, num_workers: int, nodes: Sequence[Node], *, key: str, why: str) -> None:
    """Let a request pass that the nodes can carry, and say in the log what each worker gets.

    Args:
        share: of one worker.
        num_workers: that must run at the same time.
        nodes: of the cluster.
        key: of the config, that a user would lower.
        why: what the workers do, for the messages.

    Raises:
        BadRequest: when they do not fit: Ray would wait for ever.
    """
    room = room_for(share, nodes)
    if room < num_workers:
        less = "resources.device to cpu" if share.gpus else "resources.num_threads to less"
        advice = f"set {key} to {room} or less" if room else f"no node can give one; set {less}"
        raise BadRequest(
            f"{key}: {why} asks Ray for {num_workers} x ({share}), each on one node; there is room for {room} on "
            f"{listed(nodes)}: {advice}, or add nodes"
        )
    _log.info("device: %s on %s, %d x (%s)", why, "GPU" if share.gpus else "CPU", num_workers, share)


def largest_share(num_workers: int, nodes: Sequence[Node], gpus: float = 0.0) -> float:
    """The most whole CPUs that each of ``num_workers`` can have at the same time, each on one node; 1 at least."""
    most = int(max((node.cpus for node in nodes if node.gpus >= gpus), default=1))
    fitting = (cpus for cpus in range(most, 0, -1) if room_for(Share(cpus, gpus), nodes) >= num_workers)
    return float(next(fitting, 1))


def listed(nodes: Sequence[Node]) -> str:
    """The nodes and what they have, for a message."""
    return "; ".join(str(node) for node in nodes) or "no node"
