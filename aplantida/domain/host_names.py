"""Host names in the one form in which they can be compared: IDNA, as browsers write them on the wire (UTS 46)."""

from __future__ import annotations

from functools import lru_cache

import idna


@lru_cache(maxsize=65_536)
def ascii_host(host: str) -> str:
    """A host name in lower-case ASCII without final dots: ``Flores.Ñandú.ES.`` is ``flores.xn--and-6ma2c.es``.

    A name that IDNA has no form for (an underscore, an emoji) is written label by label in Punycode, as browsers do.

    Raises:
        ValueError: when there is no such host name.
    """
    if host.isascii():
        return host.lower().rstrip(".")
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower().rstrip(".")
    except idna.IDNAError:  # emoji, say: in use, and no part of the standard
        mapped = idna.uts46_remap(host, std3_rules=False)  # an IDNAError is a ValueError
    labels = mapped.split(".")
    if any(label.startswith("xn--") and not label.isascii() for label in labels):
        raise ValueError(f"no host name: {host!r}")
    return (
        ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)
        .lower()
        .rstrip(".")
    )
