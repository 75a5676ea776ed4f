"""What fetching a large collection takes: time by bandwidth, politeness and cores, disk, shards.

    python -m benchmarks.plan --photos 900000 --original-kb 600 --original-side 1600 --hosts 3

What a photo costs is measured here and now, on drawn photos of ``--original-side`` pixels or on the files of a folder
(``--sample``); the rest is arithmetic. How large the originals are, and on how many hosts they lie, only the collection
can say: ``audit_dataset`` shows the hosts.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from statistics import fmean, median

from aplantida.data.images import store_photo
from aplantida.phases.fetch_images import FetchImagesConfig
from aplantida.pipeline.environment import describe
from benchmarks.photos import draw_jpegs

NUM_MEASURED, REPEATS = 24, 3
BANDWIDTHS_MBIT = (10, 50, 100, 500, 1000)
REQUESTS_PER_SECOND = (1, 5, 20)
CORES = (2, 4, 8, 16)
PHOTOS_PER_SHARD = 4096


def main() -> None:
    """Measure, count, print Markdown."""
    parser = argparse.ArgumentParser(description="What fetching a large collection takes.")
    parser.add_argument("--photos", type=int, default=900_000)
    parser.add_argument("--original-kb", type=float, default=600.0, help="mean size of an original, kB")
    parser.add_argument("--original-side", type=int, default=1600, help="its short side, pixels")
    parser.add_argument("--hosts", type=int, default=3, help="servers they are spread over evenly")
    parser.add_argument("--sample", type=Path, help="a folder of JPEGs of the collection to measure with")
    given = parser.parse_args()
    originals = draw_jpegs(NUM_MEASURED, given.original_side) if given.sample is None else read(given.sample)
    seconds, stored_bytes, short_side = measure(originals)
    kind = f"drawn ones of short side {given.original_side}" if given.sample is None else "of the sample"
    print(f"{given.photos:,} photos of {given.original_kb:g} kB, {given.hosts} hosts.")
    print(f"Measured on {describe()['processor']}, in one thread: {1 / seconds:.0f} photos/s to decode, shrink, encode")
    print(f"and hash; {stored_bytes / 1000:.1f} kB a stored photo of short side {short_side} ({kind}).\n")
    rows = [
        *(
            (f"download at {rate} Mbit/s", given.photos * given.original_kb * 8e3 / (rate * 1e6))
            for rate in BANDWIDTHS_MBIT
        ),
        *((f"{rate} requests/s a host", given.photos / given.hosts / rate) for rate in REQUESTS_PER_SECOND),
        *((f"processing on {cores} cores", given.photos * seconds / cores) for cores in CORES),
    ]
    print("| limit | hours |\n|---|---:|")
    for name, needed in rows:
        print(f"| {name} | {needed / 3600:.1f} |")
    shards = math.ceil(given.photos / PHOTOS_PER_SHARD)
    print("\nThe largest of the three that apply decides: they overlap.\n")
    print("| disk | |\n|---|---:|")
    print(f"| image shards | {given.photos * stored_bytes / 1e9:.0f} GB |")
    print(f"| `num_shards` for {PHOTOS_PER_SHARD:,} photos each | {shards} |")
    print(f"| a shard | {given.photos * stored_bytes / shards / 1e6:.0f} MB |")


def read(folder: Path) -> list[bytes]:
    """JPEG files from all over a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        raise SystemExit(f"--sample {folder}: holds no .jpg or .jpeg files")
    return [path.read_bytes() for path in paths[:: math.ceil(len(paths) / NUM_MEASURED)]]


def measure(originals: list[bytes]) -> tuple[float, float, int]:
    """Seconds and stored bytes a photo, and its short side, with the phase's defaults."""
    defaults = FetchImagesConfig.model_fields
    short_side, quality, most = (defaults[name].default for name in ("short_side_pixels", "jpeg_quality", "max_pixels"))

    def store(original: bytes) -> tuple[float, int]:
        started = time.perf_counter()
        stored = store_photo(original, short_side_pixels=short_side, jpeg_quality=quality, max_pixels=most)
        return time.perf_counter() - started, len(stored.image)

    runs = [[store(original) for _ in range(REPEATS)] for original in originals]
    return fmean(median(taken for taken, _ in run) for run in runs), fmean(run[0][1] for run in runs), short_side


if __name__ == "__main__":
    main()
