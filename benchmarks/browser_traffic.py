"""What an app sends for an answer on a visitor's first and second visit: the bundle's way and a peer's."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

from aplantida.export.browser import chromium
from benchmarks.browser_peers import Peer
from benchmarks.browser_server import served
from benchmarks.report import Row

# as an app takes it: in a worker, and kept in Cache Storage
OURS = """async () => (await import("/bundle/classifier.js")).load("/bundle/")"""
LOOK = """async (make) => {
  const blob = await (await fetch("/photos/small.jpg")).blob();
  await (await (0, eval)(make)()).classify(blob);
}"""
SETTLED = 1000  # milliseconds after an answer, in which what is kept is written


def traffic(root: Path, peers: Sequence[Peer], policy: str) -> list[Row]:
    """Bytes of both visits together under one cache policy, an answer on each, the app's page and photo apart."""
    ours, our_note = counted(root, OURS, policy)
    rows = []
    for peer in peers:
        theirs, their_note = counted(root, peer.make, policy)
        title = f"bytes of two visits, against {peer.name}, Cache-Control: {policy}"
        note = f"ours: {our_note}; the peer's: {their_note}"
        rows.append(Row(title, ours, theirs, "bytes", theirs / ours, None, note))
    return rows


def counted(root: Path, make: str, policy: str) -> tuple[int, str]:
    """Bytes of a way's two visits, and what there is to tell of each."""
    visits = two_visits(root, make, policy)
    first, second = (sum(visit.values()) for visit in visits)
    return first + second, f"{first} (with gzip {packed(root, visits[0])}), then {second}"


def two_visits(root: Path, make: str, policy: str) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes by file of a first visit, and of the next one in the same browser."""
    visits = []
    with chromium() as context, served(root, policy) as (url, sent):
        for _ in range(2):
            sent.clear()
            page = context.new_page()
            page.goto(url)
            page.evaluate(LOOK, make)
            page.wait_for_timeout(SETTLED)
            page.close()
            visits.append({name: size for name, size in sent.items() if name not in ("index.html", "photos/small.jpg")})
    return visits[0], visits[1]


def packed(root: Path, sent: dict[str, int]) -> int:
    """Bytes of the same transfers if a server compressed each file with gzip."""
    total = 0.0
    for name, size in sent.items():
        content = (root / name).read_bytes()
        total += size * len(gzip.compress(content)) / len(content)
    return round(total)
