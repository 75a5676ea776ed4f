"""Seeds that depend on names, never on the order in which things run."""

from __future__ import annotations

import hashlib


def derive_seed(root: int, *names: str | int) -> int:
    """Return a seed in [0, 2**63) that is a pure function of ``root`` and ``names``.

    Args:
        root: the run's seed.
        *names: what the seed is for, e.g. ``("views", image_id, 3)``; ``("ab",)`` and ``("a", "b")`` differ.
    """
    text = "\x1f".join(str(part) for part in (root, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
