from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

import pytest

from aplantida.data.addresses import (
    AddressGuard,
    AddressRefused,
    UrlChecker,
    host_and_port,
    host_of,
    is_public,
)
from aplantida.data.resolving import GuardedResolver
from aplantida.domain.host_names import ascii_host

REFUSED = [
    "file:///etc/passwd",
    "ftp://example.org/a.jpg",
    "not a url",
    "",
    "http://",
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1/a.jpg",
    "http://127.0.0.1:8090/a.jpg",
    "http://127.1/a.jpg",
    "http://0x7f000001/a.jpg",
    "http://2130706433/a.jpg",
    "http://0.0.0.0/a.jpg",
    "http://10.1.2.3/a.jpg",
    "http://172.16.0.1/a.jpg",
    "http://192.168.1.1/a.jpg",
    "http://100.64.0.1/a.jpg",
    "http://224.0.0.1/a.jpg",
    "http://[::1]/a.jpg",
    "http://[fe80::1]/a.jpg",
    "http://[fd00::1]/a.jpg",
    "http://[::ffff:127.0.0.1]/a.jpg",
    "http://[64:ff9b::7f00:1]/a.jpg",
    "http://[2002:7f00:1::]/a.jpg",
    "http://localhost/a.jpg",
    "http://printer.local/a.jpg",
    "http://metadata.google.internal/a.jpg",
    "http://user:secret@example.org/a.jpg",
    "http://example.org:99999/a.jpg",
    "http://\uff11\uff12\uff17.0.0.1/a.jpg",
    "http://127\u30020\u30020\u30021/a.jpg",
    "http://\uff4cocalhost/a.jpg",
    "http://xn--\u00fc/a.jpg",
    "http://a\u00adb\u2028c.org/a.jpg",
    "http://example.org/a\r\nHost: b",
    "http://127.0.0.1:8089\\@example.org/",
    "http://example.org/" + "a" * 5000,
]
ACCEPTED = [
    "http://example.org/a.jpg",
    "https://inaturalist-open-data.s3.amazonaws.com/photos/1/original.jpg",
    "http://8.8.8.8/a.jpg",
    "http://[2001:4860:4860::8888]/a.jpg",
    "http://127.0.0.1:8089/a.jpg",
    "HTTP://EXAMPLE.org/é.jpg",
    "http://müller.example.org/a.jpg",
    "http://xn--mller-kva.example.org/a.jpg",
    "http://\U0001f33b.example.org/a.jpg",
]


@pytest.mark.parametrize(
    "url",
    [
        "http://ana:opensesame/x@h.org/a.jpg",
        "http://ana:9opensesame@/a.jpg",
        "http://ana:opensesame@exa\u2100mple.org/a.jpg",
        "http://[ana:opensesame]@h.org/a.jpg",
        "http://ana:opensesame\\@h.org/a.jpg",
        "http://ana:opensesame@xn--\u00fc/a.jpg",
        "http://h.org:99999999/opensesame.jpg",
    ],
)
def test_a_refusal_is_of_fixed_words(url: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        AddressGuard().check(url)
    assert "opensesame" not in str(caught.value)


@pytest.mark.parametrize("url", REFUSED)
def test_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        AddressGuard.of(["127.0.0.1:8089"]).check(url)


@pytest.mark.parametrize("url", ACCEPTED)
def test_accepted(url: str) -> None:
    AddressGuard.of(["127.0.0.1:8089"]).check(url)


def said(ask: Callable[[str], str], url: str) -> str:
    try:
        return ask(url)
    except AddressRefused as refusal:
        return f"refused: {refusal}"


@pytest.mark.parametrize(
    "url",
    [*REFUSED, *ACCEPTED, "http://1.1.1.1/a\n", "http://1.1.1.1/a b", "HTTP://1.1.1.1", "http://a.b:99999/"],
)
def test_a_checker_of_many_urls_says_what_the_guard_says_again_and_again(url: str) -> None:
    guard = AddressGuard.of(["127.0.0.1:8089"])
    urls = UrlChecker(guard)
    expected = said(lambda asked: host_and_port(guard.check(asked))[0], url)
    assert [said(urls.host_of, asked) for asked in (url, ACCEPTED[0], url)][::2] == [expected, expected]


@pytest.mark.parametrize("pair", ["127.0.0.1", "host:", ":80", "host:0", "host:99999", "host:http"])
def test_an_allow_list_holds_host_and_port(pair: str) -> None:
    with pytest.raises(ValueError, match="want host:port"):
        AddressGuard.of([pair])


@pytest.mark.parametrize(
    ("address", "public"), [("1.1.1.1", True), ("198.18.0.1", False), ("240.0.0.1", False), ("2002:0808:0808::", True)]
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def resolve(guard: AddressGuard, host: str, port: int) -> list[str]:
    async def ask() -> list[str]:
        resolver = GuardedResolver(guard)
        try:
            return [answer["host"] for answer in await resolver.resolve(host, port, socket.AF_INET)]
        finally:
            await resolver.close()

    return asyncio.run(ask())


def test_a_name_that_resolves_to_loopback_is_refused_unless_allowed() -> None:
    # `localhost` stands for any name an attacker's DNS answers with a private address
    with pytest.raises(AddressRefused, match="not a public address"):
        resolve(AddressGuard.of(["localhost:81"]), "localhost", 80)
    assert resolve(AddressGuard.of(["localhost:80"]), "localhost", 80) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Example.ORG.", "example.org"),
        ("MÜLLER.de", "xn--mller-kva.de"),
        ("mu\u0308ller.de", "xn--mller-kva.de"),
        ("XN--MLLER-KVA.de", "xn--mller-kva.de"),
        ("straße.de", "xn--strae-oqa.de"),
        ("árboles。example.org", "xn--rboles-ota.example.org"),
        ("\U0001f33b.org", "xn--4h8h.org"),
        ("my_host.example.org", "my_host.example.org"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_hosts_are_compared_in_idna(written: str, plain: str) -> None:
    assert ascii_host(written) == plain
    assert host_of(f"http://{written}/a.jpg") == plain
    assert host_and_port(AddressGuard.of([]).check(f"http://{written}/a.jpg"))[0] == plain
    guard = AddressGuard.of([f"{written}:81"])
    assert guard.is_allowed(plain, 81)
