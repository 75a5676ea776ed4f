"""Which URLs may be touched: http(s) only, public addresses only, unless a ``host:port`` is allow-listed.

A URL is checked twice: as text (scheme, host, port, literal addresses) by :class:`AddressGuard`, and as the addresses
its name resolves to by :class:`~aplantida.data.resolving.GuardedResolver`. The connection goes to exactly the addresses
that were checked, so a name cannot answer one thing to the check and another to the connection (DNS rebinding).

Hosts are compared as DNS knows them: in IDNA (UTS 46), lower case, without a last dot.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import pyarrow as pa

from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.host_names import ascii_host

MAX_URL_LENGTH = 4096
_PORTS = {"http": 80, "https": 443}
# printable ASCII with nothing before the path but a scheme, a host of plain characters and a port
_PLAIN_URL = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]+)?)(?:[/?#][!-~]*)?")
_MAX_REMEMBERED = 65_536
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """A URL, or an address its host resolves to, that must not be touched; the message says why."""


@dataclass(frozen=True)
class AddressGuard:
    """The rule.

    Attributes:
        allowed: ``host:port`` pairs that may be touched although they are not public, as written in URLs, e.g.
            ``127.0.0.1:8089`` or ``cdn.lan:80``.
    """

    allowed: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, allowed: Iterable[str]) -> AddressGuard:
        """Build from ``host:port`` texts.

        Raises:
            ValueError: for a text that is not ``host:port``.
        """
        pairs = set[str]()
        for text in allowed:
            host, colon, port = text.strip().rpartition(":")
            if not (host and colon and port.isdecimal() and port.isascii() and 0 < int(port) < 65536):
                raise ValueError(f"allowed address {text.strip()!r}: want host:port, e.g. 127.0.0.1:8089")
            pairs.add(f"{ascii_host(host)}:{int(port)}")
        return cls(frozenset(pairs))

    def check(self, url: str) -> SplitResult:
        """Check a URL as text; no name is resolved.

        Returns:
            The URL's parts.

        Raises:
            AddressRefused: unless it is a well-formed http(s) URL of a name, a public address or an allow-listed one.
        """
        parts = _parts_of(url)
        host, port = host_and_port(parts)
        address = _literal(host)
        if address is not None:
            self.check_address(host, port, address)
        elif _is_local_name(host) and not self.is_allowed(host, port):
            raise AddressRefused(f"{host} names a machine of a private network")
        return parts

    def check_address(self, host: str, port: int, address: IpAddress) -> None:
        """Check one address that ``host`` stands for.

        Raises:
            AddressRefused: when it is not public and ``host:port`` is not allow-listed.
        """
        if not self.is_allowed(host, port) and not is_public(address):
            raise AddressRefused(f"{host}:{port} leads to {address}, which is not a public address")

    def is_allowed(self, host: str, port: int) -> bool:
        """Whether ``host:port`` is on the allow-list."""
        return f"{host}:{port}" in self.allowed


class UrlChecker:
    """An :class:`AddressGuard` for very many URLs: asks it once per scheme, host and port where nothing else counts."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._hosts: dict[str, str] = {}

    def host_of(self, url: str) -> str:
        """The host (lower case) of an acceptable URL.

        Raises:
            AddressRefused: as :meth:`AddressGuard.check` does.
        """
        plain = _PLAIN_URL.fullmatch(url) if len(url) <= MAX_URL_LENGTH else None
        if plain is None:
            return host_and_port(self._guard.check(url))[0]
        host = self._hosts.get(plain[1])
        if host is None:
            host = host_and_port(self._guard.check(plain[1]))[0]
            if len(self._hosts) >= _MAX_REMEMBERED:
                self._hosts.clear()
            self._hosts[plain[1]] = host
        return host


def host_and_port(parts: SplitResult) -> tuple[str, int]:
    """Host, as :func:`ascii_host` writes it, and effective port of a checked URL."""
    return ascii_host(parts.hostname or ""), parts.port or _PORTS[parts.scheme]


def public_addresses(urls: pa.ChunkedArray, secrets: AddressSecrets = USUAL) -> pa.ChunkedArray:
    """The URLs without their secrets."""
    public = secrets.public
    chunks = [pa.array([url and public(url) for url in chunk.to_pylist()], pa.string()) for chunk in urls.chunks]
    return pa.chunked_array(chunks, pa.string())


def with_public_addresses(rows: pa.Table, secrets: AddressSecrets = USUAL) -> pa.Table:
    """Rows as they are shown: their ``url`` without its secrets, all else as it is."""
    place = rows.schema.get_field_index("url")
    return rows.set_column(place, rows.schema.field(place), public_addresses(rows["url"], secrets))


def host_of(url: str | None) -> str:
    """The host a URL names, as :func:`ascii_host` writes it, for reports; ``(none)`` when it names none."""
    try:
        return ascii_host(urlsplit(url or "").hostname or "(none)")
    except ValueError:
        return "(none)"


def is_public(address: IpAddress) -> bool:
    """Whether ``address`` is globally routable unicast, looking through IPv4 addresses wrapped in IPv6 ones."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _wrapped_ipv4(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _wrapped_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _parts_of(url: str) -> SplitResult:
    if len(url) > MAX_URL_LENGTH:
        raise AddressRefused(f"a URL of {len(url)} characters; at most {MAX_URL_LENGTH} are accepted")
    if url != url.strip() or any(ord(character) < 0x20 or ord(character) == 0x7F for character in url):
        raise AddressRefused("a URL with control characters or surrounding spaces")
    trouble = "characters that a host cannot have"  # said in fixed words: the error's own could be a password
    try:
        parts = urlsplit(url)
        trouble = "a port that is no number from 0 to 65535"
        port = parts.port
        trouble = "a host that DNS has no name for"
        ascii_host(parts.hostname or "")
    except ValueError:
        raise AddressRefused(f"not a URL: {trouble}") from None
    if parts.scheme not in _PORTS:
        raise AddressRefused(f"scheme {parts.scheme!r}: only http and https are fetched")
    if not parts.hostname or any(character in parts.hostname for character in " \\%"):
        raise AddressRefused("a URL without a proper host")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("a URL that carries a user name or password")
    if port == 0:
        raise AddressRefused("port 0")
    return parts


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:  # 127.1, 0x7f000001, 2130706433: what the C library would read as an address
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
