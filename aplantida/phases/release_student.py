"""From the trained student to a validated bundle in one job: the graph's slice that rounds, judges and ships it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from aplantida.phases.run_pipeline import RunPipelineConfig, foresee, run_nodes
from aplantida.pipeline.phase import Phase, PhaseContext

SLICE = ("quantized", "evaluation", "calibration", "licenses", "bundle", "validation")


class ReleaseStudentConfig(RunPipelineConfig):
    """Which graph and which of its nodes; everything that the slice reads must be sealed."""

    nodes: list[str] = Field(default=list(SLICE), min_length=1)


def run(ctx: PhaseContext[ReleaseStudentConfig]) -> dict[str, Any]:
    """Run the slice; a gate that refuses ends the job with its exit code."""
    outcomes = run_nodes(ctx.config, ctx.device)
    for item in outcomes:
        ctx.log.info("%-12s %-8s %7.1f s", item.node.name, item.outcome.status, item.outcome.seconds)
    return {item.node.name: item.outcome.status for item in outcomes}


PHASE = Phase(
    name="release_student",
    config=ReleaseStudentConfig,
    inputs={},
    output=None,
    version=1,
    run=run,
    sources={},
    foresee=foresee,
)
