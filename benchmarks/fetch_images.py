"""fetch_images against img2dataset 1.47, against its own parts, and a refresh against fetching everything.

Both download the same photos (480 pixels, JPEG) from the same local server, shrink them to a short side of 256, encode
them with quality 90 and write Parquet, in one process with as many downloads at a time; no rate is limited. Ours also
checks addresses, caps bytes and pixels, turns by EXIF, hashes bytes and pixels, and keeps the licence's columns.

What starting takes (interpreter, imports) is left out on both sides: a run over few photos is taken from one over many.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.data.fetching import Fetcher, FetchSettings
from aplantida.data.images import store_photo
from aplantida.demo.cdn import serve_folder
from aplantida.domain.record import RECORD_SCHEMA, image_id_of
from aplantida.phases.export_dataset import PHASE as EXPORT
from aplantida.phases.fetch_images import PHASE
from aplantida.pipeline.runner import execute
from benchmarks.peers import peer_python
from benchmarks.photos import draw_jpegs
from benchmarks.report import Row, read_flags, show

PEER = ("img2dataset==1.47.0", "setuptools<81")
NUM_DRAWN, NUM_FEW, NUM_PHOTOS = 48, 100, 1_600
NUM_BEFORE, NUM_NEW = 20_000, 2_000
SHORT_SIDE, QUALITY, CONCURRENCY, REPEATS = 256, 90, 32, 3
LATENCIES = (0.0, 0.05)


class Server:
    """A folder of photos and the URLs it is served at."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base = folder, base
        self.names = sorted(path.name for path in folder.iterdir())

    def delay(self, seconds: float, others: Mapping[str, float] | None = None) -> None:
        """Let every answer wait so long, some paths' another time."""
        waits = {f"/{name}": seconds for name in self.names} if seconds else {}
        faults = {path: {"delay_seconds": wait} for path, wait in {**waits, **(others or {})}.items()}
        request = urllib.request.Request(f"{self.base}/__faults", json.dumps(faults).encode(), method="PUT")
        urllib.request.urlopen(request, timeout=30).close()

    def urls(self, count: int) -> list[str]:
        """The first ``count`` URLs."""
        return [f"{self.base}/{name}" for name in self.names[:count]]


def draw_folder(folder: Path) -> Path:
    """As many files as are asked for, of so many drawn photos: drawing takes longer than downloading."""
    folder.mkdir()
    drawn = draw_jpegs(NUM_DRAWN, 480)
    for number in range(NUM_BEFORE + NUM_NEW):
        (folder / f"{number:05d}.jpg").write_bytes(drawn[number % NUM_DRAWN])
    return folder


def seal_records(root: Path, name: str, urls: list[str]) -> str:
    """A records artifact of these URLs, as export_dataset seals it."""
    from dataclasses import replace

    rows = [
        {
            "image_id": image_id_of("d", url),
            **{"document_id": "d", "url": url, "scientific_name": "Rosa alba", "license_id": "CC0-1.0"},
            **{"common_names": [], "distribution": []},
        }
        for url in urls
    ]
    table = pa.Table.from_pylist(rows, RECORD_SCHEMA).sort_by("image_id")

    def run(ctx: Any) -> dict[str, Any]:
        ctx.output.write_table("records.parquet", table)
        return {}

    phase = replace(EXPORT, run=run, sources={}, judge=None)
    execute(phase, values={"output": name, "inputs": {}})
    return name


class Sides:
    """Both sides' runs; each into a folder of its own."""

    def __init__(self, root: Path, server: Server, peer: Path) -> None:
        self._root, self._server, self._peer, self._runs = root, server, peer, 0
        self._records = {
            count: seal_records(root, f"records-{count}", server.urls(count))
            for count in (NUM_FEW, NUM_PHOTOS, NUM_BEFORE, NUM_BEFORE + NUM_NEW)
        }

    def ours(self, count: int, *reuse: str) -> str:
        """Run the phase; returns its output."""
        self._runs += 1
        output = f"images-{self._runs}"
        execute(
            PHASE,
            values={
                "inputs": {"records": self._records[count]},
                "output": output,
                "reuse": list(reuse),
                "num_shards": 4,
                "short_side_pixels": SHORT_SIDE,
                "jpeg_quality": QUALITY,
                "allow_addresses": [self._server.base.removeprefix("http://")],
                "resources": {"num_actors": 0, "concurrency": CONCURRENCY, "concurrency_per_host": CONCURRENCY},
            },
        )
        return output

    def theirs(self, count: int) -> None:
        """Run img2dataset."""
        self._runs += 1
        folder = self._root / f"peer-{self._runs}"
        folder.mkdir()
        pq.write_table(pa.table({"url": self._server.urls(count)}), folder / "urls.parquet")
        options = {
            "url_list": folder / "urls.parquet",
            "input_format": "parquet",
            "url_col": "url",
            "output_format": "parquet",
            "output_folder": folder / "out",
            "processes_count": 1,
            "thread_count": CONCURRENCY,
            "image_size": SHORT_SIDE,
            "resize_mode": "keep_ratio",
            "resize_only_if_bigger": True,
            "encode_quality": QUALITY,
            "number_sample_per_shard": 1000,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        done = subprocess.run(
            [str(self._peer), "-m", "img2dataset.main", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        stored = sum(
            sum(status == "success" for status in pq.read_table(file, columns=["status"])["status"].to_pylist())
            for file in (folder / "out").glob("*.parquet")
        )
        if stored != count:
            raise RuntimeError(f"img2dataset stored {stored} of {count} photos:\n{done.stdout}\n{done.stderr}")


def rate(run: Callable[[int], object]) -> float:
    """Photos a second between few and many."""
    seconds = []
    for count in (NUM_FEW, NUM_PHOTOS):
        started = time.perf_counter()
        run(count)
        seconds.append(time.perf_counter() - started)
    return (NUM_PHOTOS - NUM_FEW) / (seconds[1] - seconds[0])


def parts(server: Server) -> tuple[float, float]:
    """Seconds a photo takes of HTTP alone and of decoding, shrinking and encoding alone, in one thread."""

    async def download() -> None:
        settings = FetchSettings(
            user_agent="aplantida benchmarks",
            concurrency=CONCURRENCY,
            concurrency_per_host=CONCURRENCY,
            allow_addresses=(server.base.removeprefix("http://"),),
        )
        async with Fetcher(settings) as fetcher:
            await asyncio.gather(*(fetcher.fetch(url) for url in server.urls(NUM_PHOTOS)))

    started = time.perf_counter()
    asyncio.run(download())
    http = (time.perf_counter() - started) / NUM_PHOTOS
    files = [(server.folder / name).read_bytes() for name in server.names[:200]]
    started = time.perf_counter()
    for data in files:
        store_photo(data, short_side_pixels=SHORT_SIDE, jpeg_quality=QUALITY, max_pixels=80_000_000)
    return http, (time.perf_counter() - started) / len(files)


def main() -> None:
    """Measure and print."""
    peer = peer_python("img2dataset", *PEER)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ["APLANTIDA_ROOT"] = name
        with serve_folder(draw_folder(root / "photos")) as base:
            server = Server(root / "photos", base)
            sides = Sides(root, server, peer)
            for latency in LATENCIES:
                server.delay(latency)
                rates = [(rate(sides.ours), rate(sides.theirs)) for _ in range(REPEATS)]
                mine, theirs = (statistics.median(side) for side in zip(*rates, strict=True))
                note = f"{CONCURRENCY} downloads at a time, one process, {1000 * latency:.0f} ms added"
                rows.append(
                    Row("fetch_images, against img2dataset", mine, theirs, "photos/s", mine / theirs, 1.5, note)
                )
                if latency == 0.0:
                    http, work = (
                        statistics.median(part) for part in zip(*(parts(server) for _ in range(3)), strict=True)
                    )
                    limit = 1 / (http + work)
                    note = f"HTTP alone {1 / http:.0f}/s, decode, shrink, encode alone {1 / work:.0f}/s"
                    rows.append(
                        Row(
                            "fetch_images, against the sum of its parts",
                            mine,
                            limit,
                            "photos/s",
                            mine / limit,
                            0.7,
                            note,
                        )
                    )
            server.delay(0.0)
            before = sides.ours(NUM_BEFORE)
            times: list[list[float]] = [[], []]
            for side, reuse in enumerate(((before,), ())):
                for _ in range(REPEATS if reuse else 1):
                    started = time.perf_counter()
                    sides.ours(NUM_BEFORE + NUM_NEW, *reuse)
                    times[side].append(time.perf_counter() - started)
            refresh, whole = (statistics.median(series) for series in times)
    note = f"{NUM_NEW:,} photos added to {NUM_BEFORE:,}"
    rows.append(Row("refresh, against fetching everything", refresh, whole, "s", whole / refresh, 8.0, note))
    show(rows)


if __name__ == "__main__":
    read_flags(__doc__)
    main()
