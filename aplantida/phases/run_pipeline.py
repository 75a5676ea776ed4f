"""Run the graph (or some of its nodes) in one Ray session, skipping what is sealed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from aplantida.pipeline.config import PhaseConfig, Resources, find_file
from aplantida.pipeline.graph import Layout, NodeOutcome, load_graph, run_graph
from aplantida.pipeline.phase import Phase, PhaseContext


class RunPipelineConfig(PhaseConfig):
    """Which graph, which of its nodes, and where its artifacts go."""

    graph: str = "configs/pipeline.yaml"
    profile: str | None = None
    overlay_folder: str = "configs"
    runs: str = "runs/full"
    bundles: str = "dist/models"
    name: str = "student"
    version: str = "v1.0"
    nodes: list[str] = Field(default_factory=list)
    resources: Resources = Resources()

    def layout(self) -> Layout:
        """Where artifacts go."""
        return Layout(self.profile, self.overlay_folder, self.runs, self.bundles, self.name, self.version)


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
