"""Whose turn it is: a queue for each host, places that are held only while bytes move, hosts that are let alone.

A host that is slow, silent or broken costs the others nothing:

- a request that others of its host have overtaken, or that has been still for a second, gives its places back and goes
  on waiting without them; when bytes come it has them again;
- a host that has never answered is asked few things at a time, and these hold no place of the others;
- a host that cannot be reached or answers 5xx so many times in a row, and answers nobody meanwhile, is not asked again
  for a while: what waits for it fails at once, to be tried again later;
- a host that says that it was asked too often (429) rests alone, and is then asked one thing at a time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aplantida.data.host_state import Host, HostLetAlone, Place, Waiting

STRANGERS_AT_A_TIME = 4  # requests to a host that has never answered
STRANGERS_FAILURES, FRIENDS_FAILURES = 4, 20  # in a row, until a host is let alone
REST_SECONDS, MAX_REST_SECONDS = 60.0, 900.0  # doubles each time
STILL_SECONDS = 1.0
MIN_OVERTAKERS = 4
PARKED_PER_PLACE = 16  # requests of a host that gave their place back, for each place of the host
WAITING_PER_PLACE, MIN_WAITING = 8, 512  # requests without a place over all hosts, for each place there is; at least


class Hosts:
    """The hosts that are asked. Use it from one event loop.

    Args:
        concurrency: places over all hosts.
        concurrency_per_host: places of a host.
        requests_per_second: most requests a host gets; None for no limit.
        max_pauses: in a row that a host may ask for before it is let alone.
    """

    def __init__(
        self, concurrency: int, concurrency_per_host: int, requests_per_second: float | None, max_pauses: int
    ) -> None:
        self._places, self._per_host = concurrency, concurrency_per_host
        self._step = 0.0 if requests_per_second is None else 1.0 / requests_per_second
        self._max_pauses = max_pauses
        self._hosts: dict[str, Host] = {}
        self._most_uncounted = max(MIN_WAITING, WAITING_PER_PLACE * concurrency)
        self._hungry: tuple[OrderedDict[Host, None], ...] = (OrderedDict(), OrderedDict())  # known hosts, strangers
        self._moving: OrderedDict[Place, None] = OrderedDict()  # those that count, the longest still first
        self._uncounted = 0
        self._order = itertools.count()
        self._is_held = False
        self._look_again: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, name: str, rank: int = 0) -> AsyncIterator[Place]:
        """Wait for a turn at a host and hold it.

        Args:
            name: the host's.
            rank: those of a lower one come first.

        Raises:
            HostLetAlone: when the host is not asked now, or no longer.
        """
        host = self._hosts.setdefault(name, Host(name))
        self._check(host)
        place = Place(host)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(host.waiting, Waiting(rank, next(self._order), future, place))
        self._wake(host)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._end(place)
            raise
        try:
            yield place
        finally:
            self._end(place)

    def moved(self, place: Place) -> None:
        """Bytes came."""
        host, place.moved_at, place.seen_ended = place.host, self._now(), place.host.ended
        if place.is_parked:
            place.is_parked = False
            host.parked -= 1
            host.holding[place] = None
        host.holding.move_to_end(place)
        if not place.counts:
            place.counts = True
            self._uncounted -= 1
            self._moving[place] = None
        self._moving.move_to_end(place)

    def spoke(self, place: Place) -> None:
        """The host sent the head of an answer: there is one."""
        self.moved(place)
        if not place.host.has_answered:
            place.host.has_answered = True
            self._wake(place.host)

    def answered(self, place: Place) -> None:
        """The host gave an answer, whatever it said of the file."""
        host, was_careful = place.host, place.host.rests or place.host.pauses
        host.last_answer = self._now()
        host.failures = host.rests = host.pauses = 0
        if was_careful:
            self._wake(host)

    def failed(self, place: Place, error: Exception) -> None:
        """The host could not be reached, broke off, did not answer in time, or answered 5xx."""
        host = place.host
        if host.last_answer > place.began or self._now() < host.alone_until:
            return  # it answered others meanwhile: this is the file's trouble; or that is known
        host.failures += 1
        host.last_failure = error
        if host.failures >= (FRIENDS_FAILURES if host.has_answered else STRANGERS_FAILURES):
            self._let_alone(host)

    def pause(self, place: Place, seconds: float, error: Exception) -> None:
        """The host wants a pause; what was asked before it said so does not count again."""
        host, now = place.host, self._now()
        host.not_before = max(host.not_before, now + seconds)
        if place.began < host.paused_at or now < host.alone_until:
            return
        host.paused_at, host.pauses = now, host.pauses + 1
        host.last_failure = error
        if host.pauses > self._max_pauses:
            host.pauses = 0
            self._let_alone(host)

    def hold(self, held: bool) -> None:
        """Begin nothing new for now (what was had is not worked up yet), or go on."""
        self._is_held = held
        self._give_turns()

    def _let_alone(self, host: Host) -> None:
        host.alone_until = self._now() + min(REST_SECONDS * 2**host.rests, MAX_REST_SECONDS)
        host.rests += 1
        while host.waiting:
            future = host.waiting.pop().future
            if not future.done():
                future.set_exception(HostLetAlone(host.name, host.last_failure))

    def _check(self, host: Host) -> None:
        if self._now() < host.alone_until:
            raise HostLetAlone(host.name, host.last_failure)

    def _end(self, place: Place) -> None:
        host = place.host
        if place.is_parked:
            host.parked -= 1
        else:
            host.holding.pop(place, None)
        if place.counts:
            self._moving.pop(place, None)
        else:
            self._uncounted -= 1
        host.ended += 1
        self._park_overtaken(host)
        self._wake(host)

    def _park_overtaken(self, host: Host) -> None:
        while host.holding and host.parked < PARKED_PER_PLACE * self._per_host and self._may_wait():
            place = next(iter(host.holding))
            if host.ended - place.seen_ended < max(self._per_host, MIN_OVERTAKERS):
                return
            del host.holding[place]
            place.is_parked = True
            host.parked += 1
            self._uncount(place)

    def _may_wait(self) -> bool:
        return self._uncounted < self._most_uncounted

    def _uncount(self, place: Place) -> None:
        if place.counts:
            place.counts = False
            self._uncounted += 1
            self._moving.pop(place, None)

    def _wake(self, host: Host) -> None:
        if host.waiting:
            self._hungry[not host.has_answered][host] = None
        self._give_turns()

    def _give_turns(self) -> None:
        """Begin what may begin, one request of each host after the other."""
        for strangers, hungry in enumerate(self._hungry):
            while hungry and not self._is_held:
                host = next(iter(hungry))
                if host.has_answered == bool(strangers):  # no longer a stranger
                    del hungry[host]
                    self._hungry[not host.has_answered][host] = None
                elif not self._may_begin(host):
                    del hungry[host]
                elif not (self._may_wait() if strangers else self._is_room()):
                    break
                else:
                    self._begin(host)
                    hungry.move_to_end(host)

    def _may_begin(self, host: Host) -> bool:
        while host.waiting and host.waiting[0].future.done():  # cancelled
            heapq.heappop(host.waiting)
        if not host.waiting:
            return False
        limit = self._per_host
        if not host.has_answered:  # no more than it takes to know that it never will
            limit = max(1, min(limit, STRANGERS_AT_A_TIME - host.failures))
        if len(host.holding) >= (1 if host.pauses or host.rests else limit):
            return False
        now = self._now()
        if host.not_before <= now:
            return True
        if host.timer is None or host.timer.cancelled() or host.timer.when() < host.not_before:
            if host.timer is not None:
                host.timer.cancel()
            host.timer = asyncio.get_running_loop().call_at(host.not_before, self._wake, host)
        return False

    def _is_room(self) -> bool:
        """Whether a place is free; who has been still for long gives his back."""
        now = self._now()
        while len(self._moving) >= self._places and self._may_wait():
            place = next(iter(self._moving))
            again = place.moved_at + STILL_SECONDS
            if again > now:
                if self._look_again is None or self._look_again.when() <= now:
                    self._look_again = asyncio.get_running_loop().call_at(again, self._give_turns)
                break
            self._uncount(place)
        return len(self._moving) < self._places

    def _begin(self, host: Host) -> None:
        _, _, future, place = heapq.heappop(host.waiting)
        now = self._now()
        place.began = place.moved_at = now
        place.seen_ended = host.ended
        place.counts = host.has_answered
        host.holding[place] = None
        if place.counts:
            self._moving[place] = None
        else:
            self._uncounted += 1
        if self._step:
            host.not_before = max(now, host.not_before) + self._step
        future.set_result(None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
