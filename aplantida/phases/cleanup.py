"""List what lies in a runs folder that nobody needs; delete it only when told to."""

from __future__ import annotations

from typing import Any, Literal

from aplantida.pipeline.config import PhaseConfig, resolve
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.release.retention import delete, find_leftovers

Category = Literal["scratch", "unsealed", "orphaned", "unreferenced", "damaged", "logs"]


class CleanupConfig(PhaseConfig):
    """Where to look and what may go."""

    runs: str = "runs"
    keep: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ("scratch", "unsealed", "orphaned", "unreferenced", "damaged", "logs")
    delete: bool = False


def run(ctx: PhaseContext[CleanupConfig]) -> dict[str, Any]:
    """Report, and delete when `delete: true`."""
    config = ctx.config
    folder = resolve(config.runs)
    found = [item for item in find_leftovers(folder, config.keep) if item.category in config.categories]
    for item in found:
        ctx.log.info("%-12s %9.1f MB  %s: %s", item.category, item.bytes / 1e6, item.path.relative_to(folder), item.why)
    unique = {item.path: item for item in found}
    freed = delete(list(unique.values()), folder) if config.delete else 0
    total = sum(item.bytes for item in unique.values())
    ctx.log.info("%d folders, %.1f MB; %s", len(unique), total / 1e6, "deleted" if config.delete else "nothing deleted")
    return {
        "leftovers": [
            {
                "category": item.category,
                "path": item.path.relative_to(folder).as_posix(),
                "bytes": item.bytes,
                "why": item.why,
            }
            for item in found
        ],
        "bytes": total,
        "bytes_freed": freed,
    }


PHASE = Phase(name="cleanup", config=CleanupConfig, inputs={}, output=None, version=1, run=run)
