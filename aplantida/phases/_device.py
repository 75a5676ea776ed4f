"""The device of the phases that compute in their own process."""

from __future__ import annotations

from typing import Any

from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext


def device_here(ctx: PhaseContext[Any]) -> str:
    """``cpu`` or ``cuda``, and a line in the log that says which.

    Raises:
        BadRequest: for ``cuda`` where there is none, or a card that torch cannot use.
    """
    from aplantida.models.devices import describe_device, resolve_device

    try:
        device = resolve_device(ctx.device)
    except ValueError as error:
        raise BadRequest(f"resources.device: {error}") from None
    ctx.log.info("device: %s", describe_device(device))
    return device.type
