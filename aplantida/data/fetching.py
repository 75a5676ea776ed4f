"""Downloading politely and safely: many URLs at a time, few per host, bounded bytes and time, checked addresses."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from aplantida.data.addresses import AddressGuard, AddressRefused, GuardedResolver, host_and_port
from aplantida.data.images import explain_not_accepted, sniff
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.record import Reason

MAX_RETRY_AFTER_SECONDS = 60.0
HEAD_BYTES = 512
TRANSIENT = frozenset({Reason.HTTP_ERROR, Reason.TIMED_OUT, Reason.CONNECTION_FAILED})
_MISSING = (404, 410)
_FORBIDDEN = (401, 402, 403, 407, 451)
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 1 << 16
_FIRST_BYTES = {"Range": f"bytes=0-{HEAD_BYTES - 1}"}


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
        total_timeout_seconds: for one request and its whole answer.
        max_bytes: most bytes of a file, after decompression.
        max_redirects: most hops.
        max_attempts: tries in all, on 429, 5xx, time-outs and broken connections.
        backoff_seconds: pause before the second try; doubles each time, with jitter; Retry-After goes before it.
        allow_addresses: ``host:port`` that may be touched although not public.
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


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one URL: the bytes, or a reason and a detail, or that nothing has changed since.

    ``etag`` and ``last_modified`` are what the server said to ask with the next time.
    """

    body: bytes = b""
    reason: Reason | None = None
    detail: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    not_modified: bool = False


class _Failure(Exception):
    """One attempt failed; ``retry_after_seconds`` is None when another try is pointless."""

    def __init__(self, reason: Reason, detail: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.fetched = Fetched(reason=reason, detail=detail)
        self.retry_after_seconds = retry_after_seconds


class Fetcher:
    """Downloads over kept-alive connections. An async context manager; use it from one event loop."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._guard = AddressGuard.of(settings.allow_addresses)
        self._all = asyncio.Semaphore(settings.concurrency)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(settings.concurrency_per_host)
        )
        self._opt_outs = OptOuts.of((), settings.opt_out_hosts)
        self._next_turn: defaultdict[str, float] = defaultdict(float)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Fetcher:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=GuardedResolver(self._guard), limit=0, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout_seconds, sock_read=settings.read_timeout_seconds
            ),
            headers={"User-Agent": settings.user_agent, "Accept": "image/*", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
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

    async def fetch(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Fetched:
        """Download one file. Never raises for what a server does: every outcome is a result.

        Args:
            url: of the file.
            etag: what the server called the version that is at hand; it then need not send the same again.
            last_modified: likewise, when it says it was changed.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        return await self._try(url, {name: value for name, value in conditions.items() if value})

    async def probe(self, url: str) -> Fetched:
        """Ask for the first bytes of one file (a ranged GET) and look whether they are a photo's; the body is empty."""
        return await self._try(url, _FIRST_BYTES)

    async def _try(self, url: str, headers: Mapping[str, str]) -> Fetched:
        attempt = 1
        while True:
            try:
                return await self._attempt(url, headers)
            except _Failure as failure:
                if failure.retry_after_seconds is None or attempt >= self._settings.max_attempts:
                    return failure.fetched
                pause = self._settings.backoff_seconds * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
                await asyncio.sleep(min(max(pause, failure.retry_after_seconds), MAX_RETRY_AFTER_SECONDS))
                attempt += 1

    async def _attempt(self, url: str, headers: Mapping[str, str]) -> Fetched:
        try:
            async with asyncio.timeout(None) as limit:
                return await self._follow(url, headers, limit)
        except AddressRefused as error:
            raise _Failure(Reason.ADDRESS_REFUSED, str(error)) from None
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise _Failure(Reason.TIMED_OUT, str(error) or "no answer in time", 0.0) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Failure(Reason.CONNECTION_FAILED, f"{type(error).__name__}: {error}", 0.0) from None
        except ValueError as error:
            raise _Failure(Reason.ADDRESS_REFUSED, f"not a URL: {error}") from None

    async def _follow(self, url: str, headers: Mapping[str, str], limit: asyncio.Timeout) -> Fetched:
        here = url
        for _hop in range(self._settings.max_redirects + 1):
            self._guard.check(here)
            parts = self._guard.check(str(URL(here)))  # as it will be asked for
            host = host_and_port(parts)[0]
            unwilling = self._opt_outs.refusal(None, host)
            if unwilling is not None:
                raise _Failure(Reason.OPTED_OUT, unwilling)
            async with self._turn(host):
                limit.reschedule(asyncio.get_running_loop().time() + self._settings.total_timeout_seconds)
                async with self._request(here, headers) as response:
                    if response.status not in _REDIRECTS:
                        return await self._answer(response, headers)
                    target = response.headers.get("Location")
            limit.reschedule(None)
            if not target:
                raise _Failure(Reason.HTTP_ERROR, f"status {response.status} without a Location")
            here = urljoin(here, target)
        raise _Failure(Reason.TOO_MANY_REDIRECTS, f"more than {self._settings.max_redirects}, last to {here[:200]}")

    @asynccontextmanager
    async def _turn(self, host: str) -> AsyncIterator[None]:
        async with self._hosts[host]:
            await self._pace(host)
            async with self._all:
                yield

    async def _pace(self, host: str) -> None:
        """Wait for the host's next moment; moments lie evenly, so that there are no bursts after a pause either."""
        rate = self._settings.requests_per_second_per_host
        if rate is None:
            return
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_turn[host])
        self._next_turn[host] = turn + 1.0 / rate
        await asyncio.sleep(turn - now)

    @asynccontextmanager
    async def _request(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("use the fetcher in an `async with` block")
        async with self._session.get(URL(url), headers=headers, allow_redirects=False) as response:
            yield response

    async def _answer(self, response: aiohttp.ClientResponse, headers: Mapping[str, str]) -> Fetched:
        status, head_only = response.status, "Range" in headers
        if status == 304 and headers and not head_only:
            return Fetched(not_modified=True)
        if status in _MISSING:
            raise _Failure(Reason.MISSING, f"status {status}")
        if status in _FORBIDDEN:
            raise _Failure(Reason.FORBIDDEN, f"status {status}")
        if status in _RETRIED:
            raise _Failure(Reason.HTTP_ERROR, f"status {status}", _retry_after(response))
        if status == 416 and head_only:
            return Fetched(reason=Reason.EMPTY, detail="no byte to send")
        if status not in (200, 206):
            raise _Failure(Reason.HTTP_ERROR, f"status {status}")
        robots = ",".join(response.headers.getall("X-Robots-Tag", [])).lower()
        if any(word.strip() in ("noai", "noimageai") for word in robots.split(",")):
            raise _Failure(Reason.OPTED_OUT, f"X-Robots-Tag: {robots}")
        if head_only:
            return await self._head(response)
        return Fetched(
            body=await self._body(response),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )

    async def _head(self, response: aiohttp.ClientResponse) -> Fetched:
        begin = bytearray()
        async for chunk in response.content.iter_chunked(HEAD_BYTES):
            begin += chunk
            if len(begin) >= HEAD_BYTES:
                break
        if len(begin) >= HEAD_BYTES:
            response.close()  # whatever else a server without ranges would send
        if not begin:
            return Fetched(reason=Reason.EMPTY, detail="0 bytes")
        if sniff(bytes(begin)) is None:
            why = explain_not_accepted(bytes(begin))
            return Fetched(reason=why.reason, detail=why.detail)
        return Fetched()

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        most = self._settings.max_bytes
        if response.content_length is not None and response.content_length > most:
            response.close()
            raise _Failure(Reason.TOO_LARGE, f"{response.content_length} bytes announced, at most {most} are read")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > most:
                response.close()
                raise _Failure(Reason.TOO_LARGE, f"more than {most} bytes")
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        return _decompress(bytes(body), encoding, most)


def _decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Undo a content encoding nobody asked for, without trusting the size it unpacks to."""
    if encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise _Failure(Reason.HTTP_ERROR, f"Content-Encoding {encoding!r}, asked for identity")
    try:
        unpacked = zlib.decompressobj(wbits=47).decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise _Failure(Reason.HTTP_ERROR, f"Content-Encoding {encoding}: {error}") from None
    if len(unpacked) > max_bytes:
        raise _Failure(Reason.TOO_LARGE, f"{len(body)} bytes of {encoding} unpack to more than {max_bytes}")
    return unpacked


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """Seconds a server asks to wait (a number or a date); 0 when it does not say."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
