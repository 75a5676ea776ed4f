"""People and sites that want no part in it: their photos are refused, whatever the licence allows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")


@dataclass(frozen=True, slots=True)
class OptOuts:
    """The list.

    Attributes:
        authors: compared without regard to case and repeated spaces.
        hosts: lower-case host names; each stands for its subdomains too.
    """

    authors: frozenset[str] = field(default_factory=frozenset[str])
    hosts: frozenset[str] = field(default_factory=frozenset[str])

    @classmethod
    def of(cls, authors: Iterable[str], hosts: Iterable[str]) -> OptOuts:
        """Build from what people write.

        Raises:
            ValueError: for an empty author, or a host that is no host name.
        """
        names = [_name(author) for author in authors]
        if "" in names:
            raise ValueError("an author without a name")
        plain = [host.strip().lower().rstrip(".") for host in hosts]
        for host in plain:
            if not _HOST.match(host):
                raise ValueError(f"host {host!r}: want a host name, e.g. photos.example.org")
        return cls(frozenset(names), frozenset(plain))

    def refusal(self, author: str | None, host: str) -> str | None:
        """Why a photo by ``author`` on ``host`` (lower case) is left out; None when nobody objects."""
        if author is not None and self.authors and _name(author) in self.authors:
            return f"the author {author!r} opted out"
        if self.hosts and self.has_host(host):
            return f"the site {host} opted out"
        return None

    def has_host(self, host: str) -> bool:
        """Whether ``host`` (lower case) or a domain it belongs to is on the list."""
        labels = host.split(".")
        return any(".".join(labels[start:]) in self.hosts for start in range(len(labels)))


def _name(author: str) -> str:
    return " ".join(author.casefold().split())
