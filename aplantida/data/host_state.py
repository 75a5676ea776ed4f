"""What is known of a host, and a request's right to go on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple


class HostLetAlone(Exception):
    """The host has failed so often that it is not asked now.

    Attributes:
        last: how it failed the last time.
    """

    def __init__(self, name: str, last: Exception | None) -> None:
        super().__init__(f"not asked: {name} fails again and again, the last time with: {last}")
        self.last = last


class Waiting(NamedTuple):
    """A request that waits for its turn: by rank, then by when it came."""

    rank: int
    order: int
    future: asyncio.Future[None]
    place: Place


@dataclass(eq=False, slots=True)
class Host:
    """What is known of a host, on the loop's clock.

    Attributes:
        name: with its port.
        waiting: requests that wait for a turn.
        holding: those that hold a place, the longest without a sign of life first.
        parked: how many gave theirs back.
        ended: requests so far.
        has_answered: anything at all.
        last_answer: when it last answered properly.
        failures: since then, in a row.
        rests: how often it was let alone since then.
        alone_until: it is let alone.
        pauses: that it asked for since then.
        paused_at: when it last asked for one.
        not_before: the next request.
        last_failure: how it failed.
        timer: of when it may be asked again.
    """

    name: str
    waiting: list[Waiting] = field(default_factory=list["Waiting"])  # a heap
    holding: OrderedDict[Place, None] = field(default_factory=OrderedDict)  # pyright: ignore[reportUnknownVariableType]
    parked: int = 0
    ended: int = 0
    has_answered: bool = False
    last_answer: float = float("-inf")
    failures: int = 0
    rests: int = 0
    alone_until: float = 0.0
    pauses: int = 0
    paused_at: float = float("-inf")
    not_before: float = 0.0
    last_failure: Exception | None = None
    timer: asyncio.TimerHandle | None = None


@dataclass(eq=False, slots=True)
class Place:
    """A request's right to go on.

    Attributes:
        host: whose.
        began: when, on the loop's clock.
    """

    host: Host
    began: float = 0.0
    moved_at: float = 0.0
    seen_ended: int = 0
    is_parked: bool = False
    counts: bool = False  # among those of all hosts
