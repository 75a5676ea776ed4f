"""A phase's scratch database, whose want of room is a bad request: it says which key to raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aplantida.data.database import Database, DatabaseFull
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext


@contextmanager
def scratch_database(ctx: PhaseContext[Any], name: str, memory_mb: int) -> Iterator[Database]:
    """An empty database of this session that goes to disk, in the output's scratch folder, beyond so much memory.

    Raises:
        BadRequest: naming ``resources.memory_mb``, when neither memory nor disk has room for what is asked of it.
    """
    folder = ctx.output.scratch / name
    try:
        with Database.open(folder, memory_mb=memory_mb) as database:
            yield database
    except DatabaseFull as error:
        raise BadRequest(
            f"resources.memory_mb = {memory_mb}: too little for the scratch database of this collection; set "
            f"resources.memory_mb to {2 * memory_mb} or more, and see that the disk of {folder} has room ({error})"
        ) from None
