"""fetch_images beside dead and silent hosts: what they cost the photos of a healthy one.

The healthy host is a local server; dead hosts are ports where nobody listens, ports where somebody listens and never
answers, and names that do not resolve; stalling photos are the healthy host's own, which it never sends. A side's rate
is of the healthy photos, from the start to the last of them; what is tried again at the end is left out.
"""

from __future__ import annotations

import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from aplantida.data.actors import PhotoFetcher, PhotoSettings
from aplantida.data.answers import Fetched
from aplantida.data.fetching import FetchSettings
from aplantida.demo.cdn import serve_folder
from benchmarks.fetch_images import QUALITY, SHORT_SIDE, Server
from benchmarks.photos import draw_jpegs
from benchmarks.report import Row, read_flags, show

NUM_PHOTOS, NUM_DRAWN, NUM_DEAD_HOSTS, REPEATS = 1_600, 48, 40, 3
CONCURRENCY, LATENCY_SECONDS, STALL_SECONDS, READ_TIMEOUT_SECONDS = 32, 0.05, 120.0, 4.0
LEAST = 0.9


@contextmanager
def silent_ports(count: int) -> Iterator[list[str]]:
    """Addresses where connections are taken and nothing is ever said."""
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(count)]
    try:
        yield [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def closed_ports(count: int) -> list[str]:
    """Addresses where nobody listens."""
    with silent_ports(count) as ports:
        return ports


class Watched(PhotoFetcher):
    """Notes how many photos were stored, and when the last healthy URL was done."""

    def watch(self, healthy: frozenset[str]) -> None:
        """Begin."""
        self.healthy, self.left, self.stored, self.last = healthy, len(healthy), 0, 0.0
        self.done = threading.Event()

    async def _one(self, row: dict[str, Any], rank: int, patiently: bool) -> None:
        await super()._one(row, rank, patiently)
        if row["url"] in self.healthy:
            self.left, self.last = self.left - 1, time.perf_counter()
            if not self.left:
                self.done.set()

    def _store(self, fetched: Fetched) -> dict[str, Any]:
        told = super()._store(fetched)
        self.stored += "image" in told
        return told


def healthy_rate(urls: Sequence[str], healthy: frozenset[str], allowed: Sequence[str]) -> float:
    """Healthy photos a second, from the start to the last of them."""
    fetcher = Watched(
        FetchSettings(
            user_agent="aplantida benchmarks",
            concurrency=CONCURRENCY,
            concurrency_per_host=CONCURRENCY,
            read_timeout_seconds=READ_TIMEOUT_SECONDS,
            allow_addresses=tuple(allowed),
        ),
        PhotoSettings(short_side_pixels=SHORT_SIDE, jpeg_quality=QUALITY, max_pixels=80_000_000),
        decode_threads=2,
    )
    fetcher.watch(healthy)
    table = pa.table({"image_id": list(urls), "url": list(urls)})
    started = time.perf_counter()
    collecting = threading.Thread(target=lambda: list(fetcher.outcomes(table, patiently=False)))
    collecting.start()
    fetcher.done.wait()
    seconds = fetcher.last - started
    collecting.join()
    fetcher.close()
    if fetcher.stored != len(healthy):
        raise RuntimeError(f"{fetcher.stored} of {len(healthy)} healthy photos were stored")
    return len(healthy) / seconds


def mixed(healthy: Sequence[str], others: Sequence[str]) -> list[str]:
    """All of them, in an order that is always the same."""
    urls = [*healthy, *others]
    random.Random(0).shuffle(urls)
    return urls


def main() -> None:
    """Measure and print."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, silent_ports(NUM_DEAD_HOSTS) as silent:
        folder = Path(name) / "photos"
        folder.mkdir()
        drawn = draw_jpegs(NUM_DRAWN, 480)
        for number in range(NUM_PHOTOS + NUM_PHOTOS // 19):
            (folder / f"{number:05d}.jpg").write_bytes(drawn[number % NUM_DRAWN])
        with serve_folder(folder) as base:
            server = Server(folder, base)
            server.delay(LATENCY_SECONDS, {f"/{each}": STALL_SECONDS for each in server.names[NUM_PHOTOS:]})
            healthy, stalling = server.urls(NUM_PHOTOS), server.urls(len(server.names))[NUM_PHOTOS:]
            hosts = {
                "that refuse": closed_ports(NUM_DEAD_HOSTS),
                "that never answer": silent,
                "that do not resolve": [f"dead-{number}.invalid" for number in range(NUM_DEAD_HOSTS)],
            }
            cases = {
                f"{percent} % of the URLs on {NUM_DEAD_HOSTS} hosts {how}": [
                    f"http://{places[number % NUM_DEAD_HOSTS]}/{number}.jpg"
                    for number in range(round(NUM_PHOTOS * percent / (100 - percent)))
                ]
                for percent in (5, 30)
                for how, places in hosts.items()
            }
            cases["5 % of the URLs stalling on the healthy host"] = stalling
            allowed = [base.removeprefix("http://"), *hosts["that refuse"], *silent]
            good = frozenset(healthy)
            for case, others in cases.items():
                sides = [
                    (healthy_rate(mixed(healthy, others), good, allowed), healthy_rate(healthy, good, allowed))
                    for _ in range(REPEATS)
                ]
                mine, alone = (statistics.median(side) for side in zip(*sides, strict=True))
                rows.append(
                    Row("healthy photos, against none of these", mine, alone, "photos/s", mine / alone, LEAST, case)
                )
    show(rows)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
