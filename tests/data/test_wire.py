from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from aplantida.data.answers import Fetched
from aplantida.data.fetching import Fetcher, FetchSettings
from aplantida.domain.record import Reason
from aplantida.export.browser import chromium
from tests.fixtures.odd_server import ANSWERS, PHOTO, OddServer, odd_server

NO_PHOTO = {  # Chromium shows an error for these, all others as a photo
    "too-much-before",
    "no-head",
    "length-too-long",
    "two-lengths",
    "two-locations",
    "header-with-nul",
    "head-too-long",
    "chunked-without-an-end",
    "chunked-size-is-a-word",
    "gzip-but-it-is-not",
    "gzip-with-another-length",
    "deflate-but-it-is-not",
    "connection-closes-at-once",
    "head-cut",
}
CUT = {"gzip-cut"}  # shown with pixels missing: the decoder has the last word
OURS = {"status-404"}  # Chromium shows the picture of a missing page
TARGETS = [  # written in a page, and on the wire
    ("/a%28b.jpg", b"/a%28b.jpg"),
    ("/http%3A%2F%2Fx/y.jpg", b"/http%3A%2F%2Fx/y.jpg"),
    ("/a b.jpg", b"/a%20b.jpg"),
    ("/ñ.jpg", b"/%C3%B1.jpg"),
    ("/a'b.jpg", b"/a'b.jpg"),
    ("/a(b)[c]{d}|e^f`g.jpg", b"/a(b)[c]%7Bd%7D%7Ce%5Ef%60g.jpg"),
    ("/a%2fb%C3%b1.jpg", b"/a%2fb%C3%b1.jpg"),
    ("/a//b", b"/a//b"),
    ("/a/./c", b"/a/c"),
    ("/a/../d", b"/d"),
    ("/a/%2E%2e/e", b"/e"),
    ("/f/..", b"/"),
    ("/a%", b"/a%"),
    ("/a%zz", b"/a%zz"),
    ("/a+b;c=d,e@f:g!$&*~", b"/a+b;c=d,e@f:g!$&*~"),
    ('/a"<b>', b"/a%22%3Cb%3E"),
    ("/q?x=1&y='a b'&z=ñ|^`{}%28[]", b"/q?x=1&y=%27a%20b%27&z=%C3%B1|^`{}%28[]"),
    ("/q?", b"/q?"),
    ("/r\\s", b"/r/s"),
    ("/q?a=b?c", b"/q?a=b?c"),
    ("/%7Ea", b"/%7Ea"),
    ("/t?b#c", b"/t?b"),
    ("/u#b", b"/u"),
]
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<!doctype html><title>photos</title>"
LOAD = """(names) => Promise.all(names.map((name) => new Promise((done) => {
  const image = new Image();
  image.onload = () => done(true);
  image.onerror = () => done(false);
  image.src = name;
})))"""


@pytest.fixture(scope="module")
def server() -> Iterator[OddServer]:
    with odd_server({b"/page": PAGE}) as running:
        yield running


def asked(server: OddServer, *paths: str, probe: bool = False) -> list[Fetched]:
    async def all_of_them() -> list[Fetched]:
        settings = FetchSettings(user_agent="aplantida tests", allow_addresses=(server.address,), max_attempts=1)
        async with Fetcher(settings) as fetcher:
            ask = fetcher.probe if probe else fetcher.fetch
            return await asyncio.gather(*(ask(server.base + path) for path in paths))

    return asyncio.run(all_of_them())


def test_what_chromium_takes_is_taken_and_nothing_else(server: OddServer) -> None:
    found = dict(zip(ANSWERS, asked(server, *(f"/{name}" for name in ANSWERS)), strict=True))
    refused = {name for name, item in found.items() if item.reason is not None}
    assert refused == NO_PHOTO | OURS
    assert all(found[name].detail for name in refused)
    whole = {name for name, item in found.items() if item.body.startswith(PHOTO)}
    assert whole == set(ANSWERS) - refused - CUT
    assert all(PHOTO.startswith(found[name].body) and found[name].body for name in CUT)


def test_a_probe_reads_answers_as_the_fetch_does(server: OddServer) -> None:
    """But for what goes wrong after the first bytes, which a probe does not see."""
    found = dict(zip(ANSWERS, asked(server, *(f"/{name}" for name in ANSWERS), probe=True), strict=True))
    refused = {name for name, item in found.items() if item.reason is not None}
    assert refused == (NO_PHOTO | OURS) - {"length-too-long", "chunked-without-an-end", "gzip-with-another-length"}


def test_urls_are_sent_as_they_were_written(server: OddServer) -> None:
    server.targets.clear()
    assert [item.reason for item in asked(server, *(written for written, _ in TARGETS))] == [None] * len(TARGETS)
    assert sorted(server.targets) == sorted(target for _, target in TARGETS)


@pytest.mark.timeout(180)
def test_a_real_chromium_takes_and_sends_the_same(server: OddServer) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.base}/page")
        shown = dict(zip(ANSWERS, page.evaluate(LOAD, [f"/{name}" for name in ANSWERS]), strict=True))
        assert {name for name, is_shown in shown.items() if not is_shown} == NO_PHOTO
        server.targets.clear()
        page.evaluate(LOAD, [written for written, _ in TARGETS])
        assert {target for _, target in TARGETS} == set(server.targets)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/ros\xe9.jpg", b"/ros%E9.jpg"),
        ("/rosé.jpg".encode(), b"/ros%C3%A9.jpg"),
        (b"/a b%20c.jpg ", b"/a%20b%20c.jpg"),
        (b"?x=\xe9", b"/moved?x=%E9"),
        (b"//HOST/x\xff.jpg", b"/x%FF.jpg"),
    ],
)
def test_bytes_of_a_location_are_escaped_one_by_one(location: bytes, target: bytes) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n"
    photos: dict[bytes, bytes] = {}
    with odd_server(photos) as server:
        photos[b"/moved"] = moved % location.replace(b"HOST", server.address.encode())
        assert [item.reason for item in asked(server, "/moved")] == [None]
        assert server.targets[-1] == target


@pytest.mark.parametrize(
    ("tag", "kept"), [(b'"ros\xe9"', None), ('"rosé"'.encode(), '"rosé"'), (b'W/"1"', 'W/"1"'), (b"", None)]
)
def test_an_etag_is_kept_if_it_can_be_sent_back_as_it_came(tag: bytes, kept: str | None) -> None:
    head = b"HTTP/1.1 200 OK\r\nETag: %s\r\nX-Robots-Tag: s\xed, \xff\r\nLast-Modified: \xe9\r\n\r\n" % tag
    with odd_server({b"/a.jpg": head + PHOTO}) as server:
        (item,) = asked(server, "/a.jpg")
    assert (item.body, item.etag, item.last_modified) == (PHOTO, kept, None)


def test_an_opt_out_with_bytes_that_are_no_text_is_one_with_text() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Robots-Tag: s\xed, noai\r\n\r\n"
    with odd_server({b"/a.jpg": head + PHOTO}) as server:
        (item,) = asked(server, "/a.jpg")
    assert item.reason == Reason.OPTED_OUT
    assert item.detail == "X-Robots-Tag: s\ufffd, noai"
    assert item.detail.encode()


def test_a_server_without_ranges_is_asked_again_without_one() -> None:
    refused = b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n"
    with odd_server() as server:
        server.once[b"/a.jpg"] = refused
        assert [item.reason for item in asked(server, "/a.jpg", probe=True)] == [None]
        assert server.targets == [b"/a.jpg"] * 2


@pytest.mark.parametrize("length", [500, 9_000, 100_000])
def test_a_long_validator_costs_no_photo_and_only_a_short_one_is_sent_back(length: int) -> None:
    head = b'HTTP/1.1 200 OK\r\nETag: "%s"\r\nLast-Modified: %s\r\n\r\n' % ((b"e" * length,) * 2)
    with odd_server({b"/a.jpg": head + PHOTO}) as server:
        (item,) = asked(server, "/a.jpg")
    assert (item.body, item.reason) == (PHOTO, None)
    assert (item.etag is None, item.last_modified is None) == (length > 1024, length > 1024)


def test_a_redirect_to_an_endless_address_is_refused_and_no_broken_connection() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /%s\r\n\r\n" % (b"a" * 9_000)
    with odd_server({b"/moved": moved}) as server:
        (item,) = asked(server, "/moved")
    assert item.reason == Reason.ADDRESS_REFUSED
    assert "at most 4096" in (item.detail or "")


@pytest.mark.parametrize("tag", ["noai; noindex", "noindex;noimageai", "noindex ; NoAI"])
def test_an_opt_out_between_semicolons_is_one(tag: str) -> None:
    with odd_server({b"/a.jpg": f"HTTP/1.1 200 OK\r\nX-Robots-Tag: {tag}\r\n\r\n".encode() + PHOTO}) as server:
        (item,) = asked(server, "/a.jpg")
    assert item.reason == Reason.OPTED_OUT
