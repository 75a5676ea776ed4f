"""Whatever a server writes and a link says, what comes of it is a result or the one exception that is meant for it."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from aplantida.data.addresses import AddressGuard, AddressRefused, host_of
from aplantida.data.wire import BadAnswer, Chunks, read_head
from aplantida.data.written_urls import redirect_target, url_to_send
from aplantida.domain.address_secrets import public_address
from tests.fixtures.odd_server import ANSWERS

NUM_HEADS, NUM_URLS = 6_000, 6_000
PIECES = [
    *("http://", "https://", "HTTP:", "//", "/", "\\", "?", "#", "@", ":", "%", "%2e", "..", ".", "[", "]", "::1"),
    *("example.org", "127.0.0.1", "xn--", "xn--mller-kva", "ü", "。", "\u200d", "\U0001f33b", "١", "ß", "\ud800"),
    *("a", "A", "80", "99999999", " ", "\t", "\n", "\x00", "\xad", "&", "=", ";", "sig", "token", "|", "^", "'", '"'),
]


def mutated(draw: random.Random, data: bytes) -> bytes:
    """A few bytes changed, left out, doubled or put in."""
    out = bytearray(data)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(4)
        if kind == 0 and at < len(out):
            out[at] = draw.randrange(256)
        elif kind == 1:
            del out[at : at + draw.randrange(1, 20)]
        elif kind == 2:
            out[at:at] = out[at : at + draw.randrange(1, 40)]
        else:
            out[at:at] = draw.choice([b"\r", b"\n", b"\0", b":", b" ", b"-1", b"9" * 30, b"\xff", b"chunked", b","])
    return bytes(out)


@pytest.mark.parametrize("seed", range(3))
def test_any_head_is_read_or_refused(seed: int) -> None:
    draw = random.Random(seed)
    heads = [answer.split(b"\r\n\r\n")[0] + b"\r\n\r\n" for answer in ANSWERS.values() if len(answer) < 10_000]
    read = 0
    for _ in range(NUM_HEADS):
        with suppress(BadAnswer):
            head = read_head(mutated(draw, draw.choice(heads)))
            read += 1
            assert head.text.startswith(b"HTTP/1.1 ")
            assert head.text.endswith(b"\r\n\r\n")
            assert head.text.count(b"content-length:") + head.text.count(b"transfer-encoding:") <= 1
            assert 100 <= head.status <= 999
    assert read > NUM_HEADS // 2


@pytest.mark.parametrize("seed", range(3))
def test_any_chunks_are_read_or_refused_however_they_are_cut(seed: int) -> None:
    draw = random.Random(seed)
    bodies = [answer.partition(b"\r\n\r\n")[2] for name, answer in ANSWERS.items() if name.startswith("chunked")]
    for _ in range(NUM_HEADS // 6):
        body, whole, pieces = mutated(draw, draw.choice(bodies)), Chunks(), Chunks()
        with suppress(BadAnswer):
            expected, found, left = whole.feed(body), b"", body
            while left:
                size = draw.randrange(1, 2000)
                found, left = found + pieces.feed(left[:size]), left[size:]
            assert contents(found) == contents(expected)
            assert pieces.is_over == whole.is_over


def contents(chunks: bytes) -> bytes:
    """What canonical chunks hold."""
    out = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        out, chunks = out + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return out


@pytest.mark.parametrize("seed", range(3))
def test_any_link_is_sent_or_refused(seed: int) -> None:
    draw, guard, sent = random.Random(seed), AddressGuard.of([]), 0
    for number in range(NUM_URLS):
        begin = "http://example.org/" if number % 2 else ""
        url = begin + "".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 12)))
        host_of(url)
        assert public_address(public_address(url)) == public_address(url)
        with suppress(AddressRefused, ValueError):
            asked = url_to_send(url, guard.check(url))
            assert str(asked).isascii()
            assert not {" ", "\n", "#"} & set(str(asked))
            guard.check(str(asked))
            guard.check(redirect_target(str(asked), url))
            sent += 1
    assert sent > NUM_URLS // 10
