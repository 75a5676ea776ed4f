"""Run the graph (or some of its nodes), each node in a process of its own, skipping what is sealed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aplantida.pipeline import plan
from aplantida.pipeline.artifact import is_sealed
from aplantida.pipeline.child import run_in_child
from aplantida.pipeline.config import resolve
from aplantida.pipeline.graph import GraphConfig, Node, NodeOutcome, chosen_nodes, input_paths, run_graph
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.profile import graph_of
from aplantida.pipeline.runner import Outcome, execute
from aplantida.pipeline.waiting import WaitingNodes

LAST_RUN = "last_run.json"
SLOW_IMPORTS = ("torchvision",)  # and torch with it: once for all nodes


class RunPipelineConfig(GraphConfig):
    """Fields of configs/run_pipeline.yaml."""


def run_nodes(config: RunPipelineConfig, device: str | None = None) -> list[NodeOutcome]:
    """Run the config's nodes; the list holds what became of each."""
    from aplantida.distributed.sharing import shared_ray
    from aplantida.phases.registry import load_phase

    nodes = graph_of(config)
    outcomes: list[NodeOutcome] = []
    waiting = WaitingNodes(resolve(config.runs))
    waiting.add({node.name: _paths(node, nodes, config) for node in chosen_nodes(nodes, config.nodes)})
    with shared_ray():
        for outcome in run_graph(
            nodes,
            load_phase,
            config.layout(),
            only=config.nodes,
            values=config.of_the_run(),
            device=None if device == "auto" else device,
            sources=config.sources,
            carry_out=_carry_out,
        ):
            outcomes.append(outcome)
            waiting.done(outcome.node.name)
            _note(outcomes, resolve(config.runs) / LAST_RUN)
    return outcomes


def _paths(node: Node, nodes: Sequence[Node], config: RunPipelineConfig) -> list[str]:
    """What a node reads and makes."""
    layout = config.layout()
    read = input_paths(node, nodes, layout).values()
    return [layout.output(node), *(path for given in read for path in ([given] if isinstance(given, str) else given))]


def _carry_out(phase: Phase[Any], **request: Any) -> Outcome:
    """Run a node in a process of its own; one that is sealed is skipped or refused here, for that takes nothing."""
    if phase.output is not None and is_sealed(resolve(request["values"]["output"])):
        return execute(phase, **request)
    return run_in_child(phase.name, execute, phase, preload=SLOW_IMPORTS, **request)


def _note(outcomes: list[NodeOutcome], path: Path) -> None:
    """Say what became of each node so far: what a driver's table is made of, and what is known after a kill."""
    rows = [
        {
            "node": item.node.name,
            "phase": item.node.phase,
            "status": item.outcome.status,
            "seconds": round(item.outcome.seconds, 1),
        }
        for item in outcomes
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    temporary.replace(path)


def run(ctx: PhaseContext[RunPipelineConfig]) -> dict[str, Any]:
    """Run the graph."""
    outcomes = run_nodes(ctx.config, ctx.device)
    for item in outcomes:
        ctx.log.info("%-32s %-8s %7.1f s", item.node.name, item.outcome.status, item.outcome.seconds)
    return {item.node.name: item.outcome.status for item in outcomes}


def foresee(ctx: PhaseContext[Any]) -> None:
    """Say of each node what would become of it, and what that takes.

    Raises:
        PhaseError: what the run would end with, when a node would be refused.
    """
    from aplantida.phases._foresight import say_prospects, with_sizes
    from aplantida.phases.registry import load_phase

    config = ctx.config
    nodes = graph_of(config)
    values = config.of_the_run()
    found = plan.foresee(nodes, load_phase, config.layout(), only=config.nodes, values=values, sources=config.sources)
    prospects = with_sizes(found)
    say_prospects(prospects, resolve(config.resources.costs), resolve(config.runs), ctx.log)
    plan.refuse_all(prospects)


PHASE = Phase(
    name="run_pipeline",
    config=RunPipelineConfig,
    inputs={},
    output=None,
    version=1,
    run=run,
    sources={},
    foresee=foresee,
)
