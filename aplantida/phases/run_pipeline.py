"""Run the graph (or some of its nodes) in one Ray session, skipping what is sealed."""

from __future__ import annotations

from typing import Any

from aplantida.pipeline.config import find_file
from aplantida.pipeline.graph import GraphConfig, NodeOutcome, load_graph, run_graph
from aplantida.pipeline.phase import Phase, PhaseContext


class RunPipelineConfig(GraphConfig):
    """Fields of configs/run_pipeline.yaml."""


def run_nodes(config: RunPipelineConfig, device: str | None = None) -> list[NodeOutcome]:
    """Run the config's nodes in one Ray session; the list holds what became of each."""
    from aplantida.distributed.session import shared_session
    from aplantida.phases.registry import load_phase

    nodes = load_graph(find_file(config.graph))
    with shared_session():
        outcomes = run_graph(
            nodes,
            load_phase,
            config.layout(),
            only=config.nodes,
            values={"seed": config.seed},
            device=None if device == "auto" else device,
        )
        return list(outcomes)


def run(ctx: PhaseContext[RunPipelineConfig]) -> dict[str, Any]:
    """Run the graph."""
    outcomes = run_nodes(ctx.config, ctx.device)
    for item in outcomes:
        ctx.log.info("%-28s %-8s %7.1f s", item.node.name, item.outcome.status, item.outcome.seconds)
    return {item.node.name: item.outcome.status for item in outcomes}


PHASE = Phase(name="run_pipeline", config=RunPipelineConfig, inputs={}, output=None, version=1, run=run, sources={})
