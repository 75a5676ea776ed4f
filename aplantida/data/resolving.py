"""Host names become addresses: in threads of their own, each answer checked, names without one remembered."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from aplantida.data.addresses import AddressGuard
from aplantida.domain.host_names import ascii_host

REMEMBERED_SECONDS = 60.0
MAX_LOOKUPS = 64  # at a time; a name server that is silent holds one of them for up to half a minute
_FLAGS = socket.AI_ADDRCONFIG
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class GuardedResolver(AbstractResolver):
    """A resolver for aiohttp that hands on only addresses the guard accepts; one refused answer refuses the host.

    Lookups wait for nothing but each other: not for whatever else uses the loop's threads. Their threads are daemons:
    a silent name server does not keep the process from ending.

    Args:
        guard: judges every address.
        timeout_seconds: for one lookup, from when it is begun.
    """

    def __init__(self, guard: AddressGuard, timeout_seconds: float = 10.0) -> None:
        self._guard = guard
        self._timeout_seconds = timeout_seconds
        self._free = asyncio.Semaphore(MAX_LOOKUPS)
        self._without: dict[str, tuple[float, str]] = {}  # until when, and what was said

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve ``host`` and check every answer.

        Raises:
            AddressRefused: when an answer is not acceptable.
            OSError: when the name does not resolve, or did not within the last :data:`REMEMBERED_SECONDS`.
        """
        now = asyncio.get_running_loop().time()
        until, said = self._without.get(host, (0.0, ""))
        if now < until:
            raise OSError(said)
        try:
            answers = await self._look_up(host, port, family)
        except OSError as error:  # a TimeoutError is one
            said = f"no address of {host} is known: {error or 'the name server does not answer'}"
            self._without[host] = (asyncio.get_running_loop().time() + REMEMBERED_SECONDS, said)
            raise OSError(said) from None
        for answer in answers:
            self._guard.check_address(ascii_host(host), port, ipaddress.ip_address(answer["host"].partition("%")[0]))
        return answers

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        await self._free.acquire()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def ask() -> None:
            answers, failure = list[ResolveResult](), None
            try:
                answers = _addresses(host, port, family)
            except Exception as error:
                failure = error if isinstance(error, OSError) else OSError(f"{type(error).__name__}: {error}")
            with suppress(RuntimeError):  # the loop is over
                loop.call_soon_threadsafe(self._settle, found, answers, failure)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        async with asyncio.timeout(self._timeout_seconds):
            return await found

    def _settle(
        self, found: asyncio.Future[list[ResolveResult]], answers: list[ResolveResult], failure: OSError | None
    ) -> None:
        self._free.release()
        if found.done():  # nobody waits any more
            return
        if failure is not None:
            found.set_exception(failure)
        else:
            found.set_result(answers)


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found: Callable[..., Any] = socket.getaddrinfo
    answers: list[ResolveResult] = []
    for kind, _, protocol, _, place in found(host, port, type=socket.SOCK_STREAM, family=family, flags=_FLAGS):
        address = str(place[0])
        if kind == socket.AF_INET6 and place[3]:  # a link-local address and its interface
            address = socket.getnameinfo(place, _NUMERIC)[0]
        answers.append(
            ResolveResult(hostname=host, host=address, port=int(place[1]), family=kind, proto=protocol, flags=_NUMERIC)
        )
    return answers
