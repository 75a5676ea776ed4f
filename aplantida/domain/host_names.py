"""Host names in the one form in which they can be compared: IDNA, as browsers write them on the wire (UTS 46)."""

from __future__ import annotations

from functools import lru_cache

import idna


@lru_cache(maxsize=65_536)
def ascii_host(host: str) -> str:
    """A host name in lower-case ASCII without a final dot: ``Flores.Ñandú.ES.`` is ``flores.xn--and-6ma2c.es``.

    A name that IDNA has no form for (an underscore, an emoji) is written label by label in Punycode, as browsers do.
    """
    host = host.strip().rstrip(".")
    if host.isascii():
        return host.lower()
    try:
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
    except idna.IDNAError:
        mapped = host.lower()
    labels = mapped.rstrip(".").split(".")
    return ".".join(label if label.isascii() else f"xn--{_punycode(label)}" for label in labels)


def _punycode(label: str) -> str:
    return label.encode("utf-8", "replace").decode().encode("punycode").decode("ascii")
