"""A look at every node of a cluster before any work: does it see the artifacts' folder, can torch use its GPUs?"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from aplantida.distributed.placement import Node, listed, living_nodes
from aplantida.pipeline.config import ROOT_VARIABLE, root
from aplantida.pipeline.errors import BadRequest

LOOK_SECONDS = 120.0


def check_root() -> None:
    """Leave a token in the artifacts' root, and have each node of several look for it.

    Raises:
        BadRequest: naming the nodes that do not see it.
    """
    nodes, folder = living_nodes(), root()
    if len(nodes) < 2:  # the driver's own
        return
    token = folder / f".seen-by-all-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        token.write_text("left by a driver that asks whether all nodes see this folder\n", encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{ROOT_VARIABLE}: {folder}: {error}") from None
    try:
        blind = _ask(nodes, _misses, str(token))
    finally:
        token.unlink()
    if blind:
        raise BadRequest(
            f"{ROOT_VARIABLE}={folder} is not the same folder on all nodes of Ray: "
            f"{'; '.join(f'{name}: {answer}' for name, answer in blind.items())}. Mount one folder at that path on "
            "every node"
        )


def wants_gpu(device: str, nodes: Sequence[Node]) -> bool:
    """Whether workers get GPUs: with ``cuda`` always, with ``auto`` where a node has one.

    Raises:
        BadRequest: for ``cuda`` where none has; naming the nodes where torch cannot use theirs, and why.
    """
    with_gpu = [node for node in nodes if node.gpus >= 1]
    if device == "cuda" and not with_gpu:
        raise BadRequest(
            f"resources.device: cuda asked for, but no node of Ray has a GPU ({listed(nodes)}); set it to auto or "
            "cpu, or start a node with `ray start --num-gpus`"
        )
    if device == "cpu" or not with_gpu:
        return False
    troubled = _ask(with_gpu, _gpu_trouble)
    if troubled:
        raise BadRequest("resources.device: " + "; ".join(f"{name}: {said}" for name, said in troubled.items()))
    return True


def _ask(nodes: Sequence[Node], question: Callable[..., str | None], *arguments: str) -> dict[str, str]:
    """By node (one at least), what its worker answered, or why it did not; nothing of those that answered None."""
    asking = ray.remote(num_cpus=0, max_calls=1)(question)
    asked = {
        node: asking.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)).remote(
            *arguments
        )
        for node in nodes
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=LOOK_SECONDS)
    answers = {node.name: _answer(reference) for node, reference in asked.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _answer(reference: ray.ObjectRef) -> str | None:
    try:
        return ray.get(reference, timeout=0)
    except GetTimeoutError:
        return f"no worker answered within {LOOK_SECONDS:.0f} s"
    except RayError as error:
        return f"no worker could look: {str(error).strip().splitlines()[-1]}"


def _misses(token: str) -> str | None:
    return None if Path(token).is_file() else f"{Path(token).parent} lacks the file that the driver left there"


def _gpu_trouble() -> str | None:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray hides the GPUs from a task that reserves none
    from aplantida.models.devices import card_trouble

    return card_trouble()
