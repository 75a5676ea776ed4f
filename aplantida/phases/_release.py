"""What the phases share that make a release: a bundle or a manifest."""

from __future__ import annotations

from typing import Any

from aplantida.domain.escaping import for_file_name
from aplantida.pipeline.artifact import digest_of
from aplantida.pipeline.phase import PhaseContext


def note_release(ctx: PhaseContext[Any], kind: str, name: str) -> None:
    """Leave a record of what is about to be sealed as ``kind``; all of its files are written."""
    from aplantida.release.records import write_records

    write_records(name, kind, ctx.output.path, digest_of(ctx.output.files.values()), ctx.inputs)


def release_name(config: Any) -> str:
    """What a release's records are called: ``name``, ``version`` and, where only its species ship, ``region``."""
    name, region = f"{config.name}_{config.version}", config.region
    return name if region is None else f"{name}_{for_file_name(region)}"
