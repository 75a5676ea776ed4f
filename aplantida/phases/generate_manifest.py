"""Write the training manifest of a release."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from aplantida.phases._release import note_release
from aplantida.pipeline.config import RELEASE_NAME, PhaseConfig
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.release.manifest import FILE_NAME, build_manifest, to_yaml


class GenerateManifestConfig(PhaseConfig):
    """What the release is called."""

    name: str = Field(default="student", pattern=RELEASE_NAME)
    version: str = Field(default="v1.0", pattern=RELEASE_NAME)


def run(ctx: PhaseContext[GenerateManifestConfig]) -> dict[str, Any]:
    """Describe all artifacts in one YAML file."""
    config = ctx.config
    try:
        manifest = build_manifest(ctx.input_list("artifacts"), config.name, config.version)
    except ValueError as error:
        raise BadRequest(str(error)) from error
    ctx.output.write_text(FILE_NAME.format(version=config.version), to_yaml(manifest))
    note_release(ctx, "manifest", f"{config.name}_{config.version}")
    ctx.log.info("%d artifacts, seeds %s", len(manifest["artifacts"]), manifest["seeds"])
    return {"num_artifacts": len(manifest["artifacts"]), "seeds": manifest["seeds"]}


PHASE = Phase(
    name="generate_manifest",
    config=GenerateManifestConfig,
    inputs={"artifacts": "*+"},
    output="manifest",
    version=2,
    run=run,
)
