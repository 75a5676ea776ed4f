"""Downloading politely and safely: many URLs at a time, few per host, bounded bytes and time, checked addresses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

import aiohttp
from yarl import URL

from aplantida.data.addresses import AddressGuard, AddressRefused, host_and_port
from aplantida.data.answers import (
    HEAD_BYTES,
    NO_SUCH_RANGE,
    PAUSING,
    REDIRECTS,
    Fetched,
    FetchFailure,
    read_answer,
)
from aplantida.data.host_state import HostLetAlone, Place
from aplantida.data.hosts import Hosts
from aplantida.data.resolving import GuardedResolver
from aplantida.data.wire import MAX_HEAD_BYTES, BadAnswer, LenientProtocol, StaleConnection
from aplantida.data.written_urls import redirect_target, url_to_send
from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.record import Reason

MAX_RETRY_AFTER_SECONDS = 60.0
TRANSIENT = frozenset({Reason.HTTP_ERROR, Reason.TIMED_OUT, Reason.CONNECTION_FAILED})
_FIRST_BYTES = {"Range": f"bytes=0-{HEAD_BYTES - 1}"}
_ACCEPT = "image/jpeg,image/png,image/webp,image/*;q=0.8,*/*;q=0.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """How downloads behave.

    Attributes:
        user_agent: who asks, with a way to reach them.
        concurrency: downloads at a time, over all hosts.
        concurrency_per_host: downloads at a time from one host.
        requests_per_second_per_host: most requests a host gets; None for no limit.
        opt_out_hosts: hosts, with their subdomains, that are not asked even when another redirects there.
        connect_timeout_seconds: to have a connection.
        read_timeout_seconds: between two pieces of an answer.
        total_timeout_seconds: for one request and its whole answer, from when it is begun.
        max_bytes: most bytes of a file, after decompression.
        max_redirects: most hops.
        max_attempts: tries in all, on 429, 5xx, time-outs and broken connections.
        backoff_seconds: pause before the second try; doubles each time, with jitter; Retry-After goes before it.
        allow_addresses: ``host:port`` that may be touched although not public.
        secrets: of addresses; no detail of an outcome holds one.
    """

    user_agent: str
    concurrency: int = 64
    concurrency_per_host: int = 8
    requests_per_second_per_host: float | None = None
    opt_out_hosts: tuple[str, ...] = ()
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 20.0
    total_timeout_seconds: float = 120.0
    max_bytes: int = 50_000_000
    max_redirects: int = 3
    max_attempts: int = 4
    backoff_seconds: float = 1.0
    allow_addresses: tuple[str, ...] = ()
    secrets: AddressSecrets = USUAL


class Fetcher:
    """Downloads over kept-alive connections. An async context manager; use it from one event loop.

    Attributes:
        hosts: whose turn it is.
    """

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._guard = AddressGuard.of(settings.allow_addresses)
        self._opt_outs = OptOuts.of((), settings.opt_out_hosts)
        self.hosts = Hosts(
            settings.concurrency,
            settings.concurrency_per_host,
            settings.requests_per_second_per_host,
            settings.max_attempts,
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Fetcher:
        settings = self._settings
        resolver = GuardedResolver(self._guard, settings.connect_timeout_seconds)
        connector = aiohttp.TCPConnector(resolver=resolver, limit=0, ttl_dns_cache=300)
        # the only way to have another reader of answers' heads
        connector._factory = partial(LenientProtocol, asyncio.get_running_loop())  # pyright: ignore
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout_seconds, sock_read=settings.read_timeout_seconds
            ),
            headers={"User-Agent": settings.user_agent, "Accept": _ACCEPT, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_field_size=MAX_HEAD_BYTES,  # the head's bound is a field's too
            max_line_size=MAX_HEAD_BYTES,
            trust_env=False,
        )
        # aiohttp would ask again by itself, at once: tries are counted and paced here
        self._session._retry_connection = False  # pyright: ignore[reportPrivateUsage]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(
        self,
        url: str,
        etag: str | None = None,
        last_modified: str | None = None,
        *,
        patiently: bool = True,
        rank: int = 0,
    ) -> Fetched:
        """Download one file. Never raises for what a server does: every outcome is a result.

        Args:
            url: of the file.
            etag: what the server called the version that is at hand; it then need not send the same again.
            last_modified: likewise, when it says it was changed.
            patiently: whether to ask again after a time-out; if not, the caller will when all else is done.
            rank: those of a lower one have their turns first.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        return await self._try(url, {name: value for name, value in conditions.items() if value}, patiently, rank)

    async def probe(self, url: str, *, patiently: bool = True, rank: int = 0) -> Fetched:
        """Ask for the first bytes of one file (a ranged GET) and look whether they are a photo's; the body is empty."""
        return await self._try(url, _FIRST_BYTES, patiently, rank)

    async def _try(self, url: str, headers: Mapping[str, str], patiently: bool, rank: int) -> Fetched:
        attempt = 1
        while True:
            try:
                return self._shown(await self._attempt(url, headers, attempt, rank))
            except FetchFailure as failure:
                wait = failure.retry_after_seconds
                is_over = failure.fetched.reason == Reason.TIMED_OUT and not patiently
                if wait is None or is_over or attempt >= self._settings.max_attempts:
                    return self._shown(failure.fetched)
                if failure.status != PAUSING:  # then the host waits, and with it all of its files
                    await asyncio.sleep(self._pause(attempt, wait))
                attempt += 1

    def _shown(self, outcome: Fetched) -> Fetched:
        """The outcome without secrets: a detail may name where a server sent us."""
        if outcome.detail is None:
            return outcome
        return replace(outcome, detail=self._settings.secrets.public_text(outcome.detail))

    def _pause(self, attempt: int, wanted: float) -> float:
        pause = self._settings.backoff_seconds * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
        return min(max(pause, wanted), MAX_RETRY_AFTER_SECONDS)

    async def _attempt(self, url: str, headers: Mapping[str, str], attempt: int, rank: int) -> Fetched:
        try:
            return await self._follow(url, headers, attempt, rank)
        except FetchFailure:
            raise
        except AddressRefused as error:
            raise FetchFailure(Reason.ADDRESS_REFUSED, str(error)) from None
        except HostLetAlone as error:
            known = error.last.fetched.reason if isinstance(error.last, FetchFailure) else None
            raise FetchFailure(known or Reason.CONNECTION_FAILED, str(error)) from None
        except Exception as error:  # whatever it is, it is this file's
            raise _failure_of(error) from None

    async def _follow(self, url: str, headers: Mapping[str, str], attempt: int, rank: int) -> Fetched:
        here = url
        for _hop in range(self._settings.max_redirects + 1):
            asked, host, port = self._checked(here)
            unwilling = self._opt_outs.refusal(None, host)
            if unwilling is not None:
                raise FetchFailure(Reason.OPTED_OUT, unwilling)
            async with self.hosts.turn(f"{host}:{port}", rank) as place:
                found = await self._judged(asked, headers, place, attempt)
            if isinstance(found, Fetched):
                return found
            try:
                here = redirect_target(here, found)
            except ValueError:  # its words could be a password
                raise AddressRefused("a redirect to what is no URL") from None
        shown = self._settings.secrets.public(here)[:200]
        raise FetchFailure(Reason.TOO_MANY_REDIRECTS, f"more than {self._settings.max_redirects}, last to {shown}")

    def _checked(self, url: str) -> tuple[URL, str, int]:
        """The URL as it will be asked for, its host and port; checked as it is written and as it will be asked for."""
        parts = self._guard.check(url)
        try:
            asked = url_to_send(url, parts)
        except ValueError:  # its words could be a password
            raise AddressRefused("not a URL: it cannot be written as it is sent") from None
        return asked, *host_and_port(self._guard.check(str(asked)))

    async def _judged(self, url: URL, headers: Mapping[str, str], place: Place, attempt: int) -> Fetched | str:
        """One request, from which its time is counted; what it says of the host is noted."""
        try:
            async with asyncio.timeout(self._settings.total_timeout_seconds):
                found = await self._ask_afresh(url, headers, place)
        except FetchFailure as failure:
            if failure.status == PAUSING:
                self.hosts.pause(place, self._pause(attempt, failure.retry_after_seconds or 0.0), failure)
            elif failure.status >= 500:
                self.hosts.failed(place, failure)
            else:
                self.hosts.answered(place)
            raise
        except (TimeoutError, aiohttp.ClientConnectionError, OSError) as error:
            failure = _failure_of(error)
            self.hosts.failed(place, failure)
            raise failure from None
        self.hosts.answered(place)
        return found

    async def _ask_afresh(self, url: URL, headers: Mapping[str, str], place: Place) -> Fetched | str:
        """As browsers do: what goes into a connection that its server has closed meanwhile goes into another one."""
        while True:
            try:
                return await self._ask(url, headers, place)
            except (StaleConnection, aiohttp.ClientConnectionResetError):
                continue

    async def _ask(self, url: URL, headers: Mapping[str, str], place: Place) -> Fetched | str:
        """The answer, or where it sends us."""
        if self._session is None:
            raise RuntimeError("use the fetcher in an `async with` block")
        ranged = "Range" in headers
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            self.hosts.spoke(place)
            if response.status in REDIRECTS:
                target = response.headers.get("Location")
                if not target:
                    raise FetchFailure(
                        Reason.HTTP_ERROR, f"status {response.status} without a Location", status=response.status
                    )
                return target
            if not ranged or response.status != NO_SUCH_RANGE:
                return await self._read(response, place, headers)
            response.close()
        async with self._session.get(url, allow_redirects=False) as response:  # its server knows no ranges
            return await self._read(response, place, headers)

    async def _read(self, response: aiohttp.ClientResponse, place: Place, headers: Mapping[str, str]) -> Fetched:
        ranged = "Range" in headers
        return await read_answer(
            response,
            max_bytes=self._settings.max_bytes,
            head_only=ranged,
            conditional=bool(headers) and not ranged,
            moved=partial(self.hosts.moved, place),
        )


def _failure_of(error: Exception) -> FetchFailure:
    """What an exception of a request is to the file's row."""
    if isinstance(error, TimeoutError | aiohttp.ServerTimeoutError):
        return FetchFailure(Reason.TIMED_OUT, str(error) or "no answer in time", 0.0)
    if isinstance(error, BadAnswer):
        return FetchFailure(Reason.HTTP_ERROR, str(error))
    return FetchFailure(Reason.CONNECTION_FAILED, f"{type(error).__name__}: {error}", 0.0)
