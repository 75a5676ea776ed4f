"""People and sites that want no part in it: their photos are refused, whatever the licence allows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from aplantida.domain.host_names import ascii_host
from aplantida.domain.text import clean_text

_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class OptOuts:
    """The list.

    Attributes:
        authors: compared without regard to case, repeated spaces and the ways Unicode has of writing one letter.
        hosts: host names in IDNA's ASCII form; each stands for its subdomains too.
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
        plain = {host: ascii_host(clean_text(host)) for host in hosts}
        for host, ascii_form in plain.items():
            if not _HOST.fullmatch(ascii_form):
                raise ValueError(f"host {host!r}: want a host name, e.g. photos.example.org")
        return cls(frozenset(names), frozenset(plain.values()))

    def refusal(self, author: str | None, host: str) -> str | None:
        """Why a photo by ``author`` on ``host`` is left out; None when nobody objects."""
        if author is not None and self.authors and _name(author) in self.authors:
            return f"the author {author!r} opted out"
        if self.hosts and self.has_host(host):
            return f"the site {host} opted out"
        return None

    def has_host(self, host: str) -> bool:
        """Whether ``host``, in Unicode or ASCII, or a domain it belongs to is on the list."""
        labels = ascii_host(host).split(".")
        return any(".".join(labels[start:]) in self.hosts for start in range(len(labels)))


def _name(author: str) -> str:
    """A name in the form in which names are compared: letters without case, each written in one way."""
    folded = unicodedata.normalize("NFKC", clean_text(author)).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).casefold().split())
