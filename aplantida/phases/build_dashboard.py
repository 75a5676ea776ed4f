"""Build the dashboard of a run: HTML for people, a PNG for the report.

The page shows how long the validated bundle took. Those seconds are no result files of the validation (they are not in
its digest), so two runs with equal results give dashboards that differ in them, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import PhaseConfig, find_file
from aplantida.pipeline.phase import Phase, PhaseContext

MODELS = {
    "teacher, global": "evaluation_teacher_global",
    "teacher, regional": "evaluation_teacher_regional",
    "baseline": "evaluation_baseline",
    "baseline, fine-tuned": "evaluation_baseline_finetuned",
    "distilled": "evaluation_distilled",
    "fine-tuned": "evaluation_finetuned",
    "quantized": "evaluation",
}


GAINS = (("distilled", "baseline"), ("fine-tuned", "baseline, fine-tuned"))


class BuildDashboardConfig(PhaseConfig):
    """What is compared with what."""

    MOVED: ClassVar[Mapping[str, str]] = {"gain_of": "", "gain_over": ""}

    title: str = "Aplantida: evaluation"
    targets: str = "configs/targets.yaml"
    models: dict[str, str] = Field(default=MODELS, min_length=1)
    gains: tuple[tuple[str, str], ...] = GAINS
    confusions_of: str = "evaluation"


def targets_digest(config: BuildDashboardConfig) -> str:
    """The targets lie outside artifacts: other targets, another dashboard."""
    return hash_file(find_file(config.targets))


def run(ctx: PhaseContext[BuildDashboardConfig]) -> dict[str, Any]:
    """Read, judge, draw."""
    from aplantida.release.dashboard import to_html
    from aplantida.release.figures import to_png
    from aplantida.release.findings import find
    from aplantida.release.targets import judge, load_targets

    config, artifacts = ctx.config, ctx.input_list("artifacts")
    targets = judge(load_targets(find_file(config.targets)), artifacts)
    for item in targets:
        ctx.log.info("%-28s wanted %-10s measured %-10s %s", item.name, item.target, item.measured, item.verdict)
    findings = find(artifacts, config.models, config.confusions_of, config.gains)
    page = to_html(findings, targets, config.title)
    ctx.output.write_text("dashboard.html", page)
    ctx.output.write_bytes("eval_dashboard.png", to_png(findings, config.title))
    return {item.name: item.verdict for item in targets}


PHASE = Phase(
    name="build_dashboard",
    config=BuildDashboardConfig,
    inputs={"artifacts": "*+"},
    output="dashboard",
    version=5,
    run=run,
    sources={"targets": targets_digest},
)
