"""One slow, silent or broken host holds up no other, and is itself let alone."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from aplantida.data import actors, hosts, resolving
from aplantida.data.actors import PhotoFetcher, PhotoSettings
from aplantida.data.answers import Fetched
from aplantida.data.fetching import Fetcher, FetchSettings
from aplantida.domain.record import Reason
from tests.fixtures.faulty_server import FaultyServer, faulty_server


@pytest.fixture
def healthy() -> Iterator[FaultyServer]:
    with faulty_server() as running:
        yield running


@pytest.fixture
def other() -> Iterator[FaultyServer]:
    with faulty_server() as running:
        yield running


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where connections are taken and nothing is said."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def settings(allowed: Sequence[str], **changes: object) -> FetchSettings:
    values: dict[str, object] = {"user_agent": "aplantida tests", "allow_addresses": tuple(allowed)}
    times = {"connect_timeout_seconds": 2.0, "read_timeout_seconds": 2.0, "total_timeout_seconds": 4.0}
    few = {"concurrency": 8, "concurrency_per_host": 4, "backoff_seconds": 0.01}
    return FetchSettings(**{**values, **times, **few, **changes})  # type: ignore[arg-type]


def fetch(urls: Sequence[str], allowed: Sequence[str], **changes: object) -> list[tuple[Fetched, float]]:
    """What became of each, and after how many seconds."""

    async def one(fetcher: Fetcher, url: str) -> tuple[Fetched, float]:
        started = time.monotonic()
        return await fetcher.fetch(url, patiently=False), time.monotonic() - started

    async def all_of_them() -> list[tuple[Fetched, float]]:
        async with Fetcher(settings(allowed, **changes)) as fetcher:
            return await asyncio.gather(*(one(fetcher, url) for url in urls))

    return asyncio.run(all_of_them())


def test_a_host_that_refuses_is_let_alone_and_named(healthy: FaultyServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
    urls = [f"http://{dead}/{number}.jpg" for number in range(200)]
    found = fetch([*urls, *(healthy.url(f"/ok/{n}.jpg") for n in range(20))], [dead, healthy.address])
    assert {item.reason for item, _ in found[:200]} == {Reason.CONNECTION_FAILED}
    assert sum("not asked" in (item.detail or "") for item, _ in found[:200]) >= 190
    assert all(dead in (item.detail or "") for item, _ in found[:200])
    assert {item.reason for item, _ in found[200:]} == {None}


def test_a_silent_host_costs_the_others_nothing(healthy: FaultyServer, silent: str) -> None:
    urls = [f"http://{silent}/{number}.jpg" for number in range(60)]
    good = [healthy.url(f"/ok/{number}.jpg") for number in range(100)]
    found = fetch([*urls, *good], [silent, healthy.address])
    assert {item.reason for item, _ in found[:60]} == {Reason.TIMED_OUT}
    assert max(seconds for _, seconds in found[:60]) < 15 * 2.0 / 2  # a round or two of four, not fifteen
    assert {item.reason for item, _ in found[60:]} == {None}
    assert max(seconds for _, seconds in found[60:]) < min(seconds for _, seconds in found[:60])


def test_photos_that_hang_do_not_keep_the_places_of_their_host(healthy: FaultyServer) -> None:
    hanging = [healthy.url(f"/stall/{number}.jpg") for number in range(12)]
    good = [healthy.url(f"/ok/{number}.jpg") for number in range(120)]
    mixed = [url for number in range(12) for url in (hanging[number], *good[10 * number : 10 * number + 10])]
    found = dict(zip(mixed, fetch(mixed, [healthy.address]), strict=True))
    assert {found[url][0].reason for url in good} == {None}
    assert max(found[url][1] for url in good) < min(found[url][1] for url in hanging)
    assert {found[url][0].reason for url in hanging} == {Reason.TIMED_OUT}


@pytest.mark.parametrize("status", ["503", "500"])
def test_a_host_that_answers_only_5xx_is_let_alone(healthy: FaultyServer, other: FaultyServer, status: str) -> None:
    urls = [other.url(f"/{status}") for _ in range(300)]
    found = fetch(
        [*urls, healthy.url("/ok/1.jpg")], [healthy.address, other.address], max_attempts=1, concurrency_per_host=2
    )
    assert {item.reason for item, _ in found[:-1]} == {Reason.HTTP_ERROR}
    assert other.requests[f"/{status}"] <= hosts.FRIENDS_FAILURES + 2
    assert found[-1][0].reason is None


@pytest.mark.parametrize(("status", "reason"), [("404", Reason.MISSING), ("410", Reason.MISSING), ("403", None)])
def test_an_answer_about_a_file_says_nothing_of_the_host(other: FaultyServer, status: str, reason: Reason) -> None:
    found = fetch([other.url(f"/{status}")] * 100, [other.address])
    assert {item.reason for item, _ in found} == {reason or Reason.FORBIDDEN}
    assert other.requests[f"/{status}"] == 100


def test_a_host_that_asks_for_a_pause_pauses_alone(healthy: FaultyServer, other: FaultyServer) -> None:
    slow = [other.url(f"/busy/{number}.jpg") for number in (2, 3)]  # 429 the first time, Retry-After: 1
    good = [healthy.url(f"/ok/{number}.jpg") for number in range(50)]
    found = fetch([*slow, *good], [healthy.address, other.address])
    assert {item.reason for item, _ in found} == {None}
    assert max(seconds for _, seconds in found[2:]) < min(seconds for _, seconds in found[:2])
    assert min(seconds for _, seconds in found[:2]) >= 1.0


def test_a_host_that_asks_for_pauses_only_is_let_alone(other: FaultyServer) -> None:
    found = fetch([other.url("/429")] * 100, [other.address])
    assert {item.reason for item, _ in found} == {Reason.HTTP_ERROR}
    assert other.requests["/429"] < 40


def test_a_host_is_let_alone_once_however_many_fail_at_a_time() -> None:
    async def fail_together() -> float:
        everyone = hosts.Hosts(64, 64, None, 4)

        async def one() -> None:
            async with everyone.turn("h:80") as place:
                everyone.spoke(place)
                await asyncio.sleep(0.05)
                everyone.failed(place, OSError("broken"))

        await asyncio.gather(*(one() for _ in range(40)))
        (host,) = everyone._hosts.values()  # pyright: ignore[reportPrivateUsage]
        return host.alone_until - asyncio.get_running_loop().time()

    assert asyncio.run(fail_together()) == pytest.approx(hosts.REST_SECONDS, abs=1.0)


def test_a_host_that_was_let_alone_has_another_chance(other: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "REST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]

    async def twice() -> list[Fetched]:
        async with Fetcher(settings([f"127.0.0.1:{dead}"])) as fetcher:
            url = f"http://127.0.0.1:{dead}/ok/1.jpg"
            first = await fetcher.fetch(url)
            second = await fetcher.fetch(url)
            await asyncio.sleep(0.4)
            server = await asyncio.start_server(_photo, "127.0.0.1", dead)
            async with server:
                third = await asyncio.gather(*(fetcher.fetch(url) for _ in range(5)))
        return [first, second, *third]

    async def _photo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n\xff\xd8\xff")
        await writer.drain()
        writer.close()

    first, second, *third = asyncio.run(twice())
    assert (first.reason, second.reason) == (Reason.CONNECTION_FAILED, Reason.CONNECTION_FAILED)
    assert "not asked" in (second.detail or "")
    assert {item.reason for item in third} == {None}


def test_names_without_an_address_are_looked_up_once_and_beside_the_others(
    healthy: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def slowly(host: str, port: int, family: socket.AddressFamily) -> list[resolving.ResolveResult]:
        looked_up.append(host)
        if host.startswith("dead"):
            time.sleep(1.0)
            raise socket.gaierror(-2, "Name or service not known")
        return real(host, port, family)

    real = resolving._addresses  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(resolving, "_addresses", slowly)
    name = healthy.address.replace("127.0.0.1", "localhost")
    dead = [f"http://dead-{number % 40}.example.org/{number}.jpg" for number in range(400)]
    found = fetch([*dead, f"http://{name}/ok/1.jpg"], [name, healthy.address], total_timeout_seconds=4.0)
    assert {item.reason for item, _ in found[:-1]} == {Reason.CONNECTION_FAILED}
    assert sorted(looked_up) == sorted([*(f"dead-{number}.example.org" for number in range(40)), "localhost"])
    assert found[-1][0].reason is None
    assert found[-1][1] < min(seconds for _, seconds in found[:-1])


def test_an_exception_of_one_photo_is_its_row(healthy: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = actors.store_photo

    def sometimes(data: bytes, **how: int) -> object:
        if len(data) % 2:
            raise KeyError(45057)
        return real(data, **how)

    monkeypatch.setattr(actors, "store_photo", sometimes)
    worker = PhotoFetcher(
        settings([healthy.address]), PhotoSettings(short_side_pixels=64, jpeg_quality=90, max_pixels=10**6), 1
    )
    urls = [healthy.url(f"/ok/{number}.jpg") for number in range(20)]
    rows = worker(pa.table({"image_id": urls, "url": urls})).to_pylist()
    worker.close()
    assert {(row["reason"], row["detail"]) for row in rows} == {(None, None), ("not_an_image", "KeyError: 45057")}


def test_who_gives_up_in_the_middle_keeps_nobody_waiting(healthy: FaultyServer) -> None:
    worker = PhotoFetcher(
        settings([healthy.address]), PhotoSettings(short_side_pixels=64, jpeg_quality=90, max_pixels=10**6), 2
    )
    urls = [healthy.url(f"/ok/{number}.jpg") for number in range(1_000)]
    given_up = worker.outcomes(pa.table({"image_id": urls, "url": urls}))
    next(given_up)
    given_up.close()  # as an exception of who writes them down does
    others = urls[:200]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(worker, pa.table({"image_id": others, "url": others})).result(30)
    assert found["reason"].null_count == len(others)
    worker.close()
    assert len(healthy.requests) < len(urls)  # the rest of them was never asked for
