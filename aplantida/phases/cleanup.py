"""List what lies in a runs folder that nobody needs; delete it only when told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aplantida.pipeline.config import PhaseConfig, resolve
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.release.retention import Leftover, delete, find_leftovers

Category = Literal["scratch", "damaged", "logs", "unreferenced"]
ONE_BY_ONE = ("unfinished", "orphaned", "strange")


class CleanupConfig(PhaseConfig):
    """Where to look and what may go."""

    runs: str = "runs"
    needed_by: tuple[str, ...] = ("runs", "dist")
    keep: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ("scratch", "damaged", "logs")
    named: tuple[str, ...] = ()
    log_days: float = Field(default=30.0, ge=0)
    delete: bool = False


def run(ctx: PhaseContext[CleanupConfig]) -> dict[str, Any]:
    """Report, and delete when `delete: true`."""
    config, log = ctx.config, ctx.log
    folder = resolve(config.runs)
    named = {path.strip("/") for path in config.named}
    found = find_leftovers(
        folder,
        keep=config.keep,
        named=config.named,
        log_days=config.log_days,
        needed_by=[resolve(text) for text in config.needed_by],
    )

    def goes(item: Leftover) -> bool:
        return item.category in (*config.categories, *ONE_BY_ONE) or bool({*_names(item.path, folder)} & named)

    leftovers = [item for item in found.leftovers if goes(item)]
    for item in leftovers:
        log.info("%-12s %9.1f MB  %s: %s", item.category, item.bytes / 1e6, item.path.relative_to(folder), item.why)
    for item in found.kept:
        place = item.path.relative_to(folder)
        log.info("%-12s %9.1f MB  %s is kept (`named: [%s]` lists it): %s",
                 item.category, item.bytes / 1e6, place, place, item.why)  # fmt: skip
    freed = delete(leftovers, folder) if config.delete else 0
    total = sum(item.bytes for item in leftovers)
    done = f"{freed} bytes freed" if config.delete else "nothing deleted"
    log.info("%d folders, %d bytes (%.1f MB); %s", len(leftovers), total, total / 1e6, done)
    return {
        "leftovers": [_row(item, folder) for item in leftovers],
        "kept": [_row(item, folder) for item in found.kept],
        "bytes": total,
        "bytes_freed": freed,
    }


def _names(path: Path, folder: Path) -> tuple[str, str]:
    """What a config may call an artifact."""
    return path.name, path.relative_to(folder).as_posix()


def _row(item: Leftover, folder: Path) -> dict[str, Any]:
    place = item.path.relative_to(folder).as_posix()
    return {"category": item.category, "path": place, "bytes": item.bytes, "why": item.why}


PHASE = Phase(name="cleanup", config=CleanupConfig, inputs={}, output=None, version=2, run=run)
