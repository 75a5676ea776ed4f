"""People and sites that want no part in it, and photos that were withdrawn: refused, whatever the licence allows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.host_names import ascii_host
from aplantida.domain.people import in_reading_order, name_key, names_in
from aplantida.domain.people_frames import without_frame
from aplantida.domain.text import clean_text, is_invisible, valid_address

_IMAGE_ID = re.compile(r"[0-9a-f]{32}")  # as domain/record.image_id_of makes them
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)")
_SENT_AS_WRITTEN = "".join(map(chr, range(0x21, 0x7F)))
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_REMEMBERED = 16_384  # authors, who come again in every shard
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class OptOuts:
    """The list.

    Attributes:
        authors: compared without regard to case, accents and repeated spaces (:func:`people.name_key`).
        hosts: host names in IDNA's ASCII form; each stands for its subdomains too.
        image_ids: photos by id, in lower case.
        addresses: photos by address, as :func:`address_key` writes it.
        secrets: of addresses: they do not count.
    """

    authors: frozenset[str] = field(default_factory=frozenset[str])
    hosts: frozenset[str] = field(default_factory=frozenset[str])
    image_ids: frozenset[str] = field(default_factory=frozenset[str])
    addresses: frozenset[str] = field(default_factory=frozenset[str])
    secrets: AddressSecrets = USUAL

    @classmethod
    def of(
        cls, authors: Iterable[str], hosts: Iterable[str], images: Iterable[str] = (), secrets: AddressSecrets = USUAL
    ) -> OptOuts:
        """Build from what people write.

        Raises:
            ValueError: for an empty author, a host that is no host name, or an image that is neither the id of a photo
                nor an address.
        """
        names: set[str] = set()
        for author in authors:
            if not (name := without_frame(author)):
                raise ValueError(f"an author without a name: {author!r}; want a name, e.g. Ana Pérez")
            names.update(name_key(form) for text in (author, name) for form in (text, in_reading_order(text)))
        plain = {host: _ascii_or_none(clean_text(host)) or "" for host in hosts}
        for host, ascii_form in plain.items():
            if not _HOST.fullmatch(ascii_form):
                raise ValueError(f"host {host!r}: want a host name, e.g. photos.example.org")
        written = [valid_address(image) for image in images]
        ids = {text for text in written if _IMAGE_ID.fullmatch(text.lower())}
        for text in written:
            if text not in ids and not _has_host(text):
                raise ValueError(f"image {text!r}: want the id of a photo (32 digits 0-9a-f) or an address (https://…)")
            if unseen := next(filter(is_invisible, text), None):
                raise ValueError(
                    f"image {text!r}: holds an invisible character (U+{ord(unseen):04X}): want the address without, "
                    f"or with {quote(unseen)} where the photo's own has it"
                )
        addresses = frozenset(address_key(text, secrets) for text in written if text not in ids)
        return cls(frozenset(names), frozenset(plain.values()), frozenset(map(str.lower, ids)), addresses, secrets)

    def __bool__(self) -> bool:
        """Whether anybody is on the list."""
        return bool(self.authors or self.hosts or self.image_ids or self.addresses)

    def refusal(self, author: str | None, host: str, image_id: str | None = None, url: str | None = None) -> str | None:
        """Why a photo is left out; None when nobody objects.

        Args:
            author: who took it.
            host: where it is.
            image_id: its id.
            url: its address, with or without its secrets.
        """
        if image_id is not None and image_id in self.image_ids:
            return f"the photo {image_id} was withdrawn"
        if url is not None and self.addresses and address_key(url, self.secrets) in self.addresses:
            return f"the photo at {self.secrets.public(url)} was withdrawn"
        if author is not None and self.authors and _is_named(author, self.authors):
            return f"the author {author!r} opted out"
        if self.hosts and self.has_host(host):
            return f"the site {host} opted out"
        return None

    def has_host(self, host: str) -> bool:
        """Whether ``host``, in Unicode or ASCII, or a domain it belongs to is on the list."""
        labels = (_ascii_or_none(host) or "").split(".")
        return any(".".join(labels[start:]) in self.hosts for start in range(len(labels)))


def address_key(url: str, secrets: AddressSecrets = USUAL) -> str:
    """An address in the form in which withdrawn ones are compared.

    That is without secrets and fragment, scheme and host in lower case (the host in IDNA), without the scheme's port.
    Path and query stay as they are sent (letters beyond ASCII in percent signs): a server may tell them apart.
    """
    text = secrets.public(valid_address(url))
    parts = _ADDRESS.match(text)
    if parts is None:
        return text
    scheme, place, rest = parts[1].lower(), parts[2], quote(parts[3], safe=_SENT_AS_WRITTEN, errors="replace")
    host, colon, port = place.partition(":") if not place.startswith("[") else (place.lower(), "", "")
    authority = ((_ascii_or_none(host.strip()) or host) + colon + port).removesuffix(_DEFAULT_PORTS.get(scheme, "\0"))
    return f"{scheme}://{authority}{rest if rest.startswith('/') else f'/{rest}'}"


def without_photo(images: Iterable[str], found: Set[str], secrets: AddressSecrets = USUAL) -> list[str]:
    """Of photos as people list them those that were not found, without their secrets.

    Args:
        images: ids and addresses.
        found: ids in small letters, and addresses as :func:`address_key` writes them.
        secrets: of addresses.
    """
    return [
        secrets.public(text)
        for text in images
        if found.isdisjoint((valid_address(text).lower(), address_key(text, secrets)))
    ]


@lru_cache(maxsize=_REMEMBERED)
def _is_named(author: str, listed: frozenset[str]) -> bool:
    return not listed.isdisjoint(names_in(author))


def _ascii_or_none(host: str) -> str | None:
    try:
        return ascii_host(host)
    except ValueError:  # no such host name: nothing can be listed, or fetched, by it
        return None


def _has_host(text: str) -> bool:
    parts = _ADDRESS.match(text)
    return parts is not None and bool(parts[2])
