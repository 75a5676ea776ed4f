from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from aplantida.data.actors import PhotoFetcher, PhotoSettings
from aplantida.data.answers import Fetched
from aplantida.data.fetching import Fetcher, FetchSettings
from aplantida.domain.address_secrets import ALWAYS, BESIDE_A_SIGNATURE, AddressSecrets
from aplantida.domain.record import Reason
from tests.fixtures.faulty_server import FaultyServer, faulty_server, jpeg_bytes


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with faulty_server() as running:
        yield running


def settings(server: FaultyServer, **changes: object) -> FetchSettings:
    values: dict[str, object] = {
        "user_agent": "aplantida-tests/1.0 (+https://example.org)",
        "allow_addresses": (server.address,),
        "connect_timeout_seconds": 2.0,
        "read_timeout_seconds": 1.0,
        "total_timeout_seconds": 2.0,
        "max_bytes": 1_000_000,
        "max_attempts": 3,
        "backoff_seconds": 0.01,
    }
    return FetchSettings(**{**values, **changes})  # type: ignore[arg-type]


def fetch(server: FaultyServer, *paths: str, probe: bool = False, **changes: object) -> list[Fetched]:
    async def all_of_them() -> list[Fetched]:
        async with Fetcher(settings(server, **changes)) as fetcher:
            ask = fetcher.probe if probe else fetcher.fetch
            return await asyncio.gather(*(ask(path if "://" in path else server.url(path)) for path in paths))

    return asyncio.run(all_of_them())


LEADING_TO_SECRETS = [
    ("/signed-loop/", Reason.TOO_MANY_REDIRECTS, "more than 3, last to {base}/signed-loop/"),
    ("/to-password", Reason.ADDRESS_REFUSED, "not a URL: a port that is no number from 0 to 65535"),
    ("/to-no-host", Reason.ADDRESS_REFUSED, "a redirect to what is no URL"),
    ("/to-no-address", Reason.ADDRESS_REFUSED, "a redirect to what is no URL"),
]
OUTCOMES = [
    ("/404", Reason.MISSING, 1),
    ("/410", Reason.MISSING, 1),
    ("/403", Reason.FORBIDDEN, 1),
    ("/401", Reason.FORBIDDEN, 1),
    ("/418", Reason.HTTP_ERROR, 1),
    ("/429", Reason.HTTP_ERROR, 3),
    ("/503", Reason.HTTP_ERROR, 3),
    ("/stall", Reason.TIMED_OUT, 3),
    ("/drip", Reason.TIMED_OUT, 3),
    ("/lying-length", Reason.CONNECTION_FAILED, 3),
    ("/reset", Reason.CONNECTION_FAILED, 3),
    ("/loop/", Reason.TOO_MANY_REDIRECTS, 4),
    ("/to-metadata", Reason.ADDRESS_REFUSED, 1),
    ("/to-file", Reason.ADDRESS_REFUSED, 1),
    ("/large.jpg", Reason.TOO_LARGE, 1),
    ("/gzip-bomb", Reason.TOO_LARGE, 1),
    ("/noai", Reason.OPTED_OUT, 1),
]


@pytest.mark.parametrize(("path", "reason", "requests"), OUTCOMES)
def test_every_fault_is_one_reason_after_so_many_requests(
    server: FaultyServer, path: str, reason: Reason, requests: int
) -> None:
    before = server.requests[path]
    started = time.monotonic()
    (outcome,) = fetch(server, path)
    assert (outcome.reason, outcome.body) == (reason, b"")
    assert outcome.detail
    assert server.requests[path] - before == requests
    assert time.monotonic() - started < 20


def test_of_a_photo_longer_than_its_answer_only_that_much_is_read_as_browsers_do(server: FaultyServer) -> None:
    (outcome,) = fetch(server, "/short-length.jpg")
    assert (outcome.reason, len(outcome.body)) == (None, 1000)  # the decoder then says what is missing


def test_nothing_listens_there(server: FaultyServer) -> None:
    (outcome,) = fetch(server, "http://127.0.0.1:9/a.jpg", allow_addresses=("127.0.0.1:9",))
    assert outcome.reason == Reason.CONNECTION_FAILED


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost:1/x", "file:///etc/passwd", "http://[::1/"])
def test_refused_addresses_are_never_asked(server: FaultyServer, url: str) -> None:
    assert fetch(server, url)[0].reason == Reason.ADDRESS_REFUSED


@pytest.mark.parametrize("path", ["/burst/1.jpg", "/busy/1.jpg"])
def test_passing_trouble_is_retried(server: FaultyServer, path: str) -> None:
    (outcome,) = fetch(server, path)
    assert outcome.reason is None
    assert outcome.body[:3] == b"\xff\xd8\xff"


def test_retry_after_is_honored(server: FaultyServer) -> None:
    started = time.monotonic()
    fetch(server, "/busy/2.jpg")
    assert time.monotonic() - started >= 1.0


def test_redirects_and_unasked_compression_are_followed(server: FaultyServer) -> None:
    redirected, packed = fetch(server, "/redirect", "/gzip")
    assert redirected.body.startswith(b"\xff\xd8\xff")
    assert packed.body == jpeg_bytes(7)


def test_the_server_learns_who_asks(server: FaultyServer) -> None:
    fetch(server, "/ok/agent.jpg")
    assert "aplantida-tests/1.0 (+https://example.org)" in server.user_agents


def test_a_host_is_never_asked_more_than_so_many_things_at_a_time(server: FaultyServer) -> None:
    paths = [f"/slow/{number}.jpg" for number in range(24)]
    server.most_in_flight = 0
    assert all(item.reason is None for item in fetch(server, *paths, concurrency_per_host=3))
    assert server.most_in_flight == 3


def test_a_host_gets_so_many_requests_a_second(server: FaultyServer) -> None:
    started = time.monotonic()
    paths = [f"/ok/{number}.jpg" for number in range(9)]
    assert all(item.reason is None for item in fetch(server, *paths, requests_per_second_per_host=20.0))
    assert time.monotonic() - started >= 8 / 20


def test_a_redirect_to_a_site_that_opted_out_is_not_followed(server: FaultyServer) -> None:
    allowed = {"allow_addresses": (server.address, server.address.replace("127.0.0.1", "localhost"))}
    assert fetch(server, "/to-localhost", **allowed)[0].reason is None
    before = server.requests["/ok/by-name.jpg"]
    (outcome,) = fetch(server, "/to-localhost", opt_out_hosts=("localhost",), **allowed)
    assert outcome.reason == Reason.OPTED_OUT
    assert server.requests["/ok/by-name.jpg"] == before


def test_a_probe_reads_the_first_bytes_only(server: FaultyServer) -> None:
    paths = ["/ok/p.jpg", "/html.jpg", "/404", "/empty.jpg", "/large.jpg", "/gif.jpg"]
    reasons = [item.reason for item in fetch(server, *paths, probe=True)]
    assert reasons == [None, Reason.NOT_AN_IMAGE, Reason.MISSING, Reason.EMPTY, None, Reason.UNSUPPORTED_FORMAT]


def test_an_actor_gives_one_row_per_record(server: FaultyServer) -> None:
    import pyarrow as pa

    paths = ["/ok/1.jpg", "/404", "/html.jpg", "/truncated.jpg", "/bomb.png", "/empty.jpg", "/tiny.jpg", "/gif.jpg"]
    worker = PhotoFetcher(
        settings(server), PhotoSettings(short_side_pixels=64, jpeg_quality=90, max_pixels=10**6), decode_threads=1
    )
    block = pa.table({"image_id": [f"{n:032x}" for n in range(8)], "url": [server.url(path) for path in paths]})
    rows = worker(block).to_pylist()
    worker.close()
    assert [row["image_id"] for row in rows] == block["image_id"].to_pylist()
    assert [row["reason"] for row in rows] == [
        None,
        "missing",
        "not_an_image",
        "truncated",
        "decompression_bomb",
        "empty",
        "too_small",
        "unsupported_format",
    ]
    assert rows[0]["content_type"] == "image/jpeg"  # whatever the server says
    assert (rows[0]["width"], rows[0]["height"]) == (85, 64)


@pytest.mark.parametrize(("path", "reason", "said"), LEADING_TO_SECRETS)
@pytest.mark.parametrize("probe", [False, True])
def test_secrets_of_redirects_are_not_told(
    server: FaultyServer, path: str, reason: Reason, said: str, probe: bool
) -> None:
    secrets = AddressSecrets.of([*ALWAYS, "garden_key"], BESIDE_A_SIGNATURE)
    (outcome,) = fetch(server, path, probe=probe, secrets=secrets)
    assert (outcome.reason, outcome.detail) == (reason, said.format(base=server.base))
