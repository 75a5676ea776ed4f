"""What fetching a large collection takes: time by bandwidth, politeness and cores, disk, shards.

    python -m benchmarks.plan --photos 900000 --original-kb 600 --original-side 1600 --hosts 3

What a photo costs is measured here and now, on drawn photos of ``--original-side`` pixels; the rest is arithmetic. How
large the originals are, and on how many hosts they lie, only the collection can say: ``audit_dataset`` shows the hosts.
"""

from __future__ import annotations

import argparse
import math
import time
from io import BytesIO
from statistics import fmean, median

from aplantida.data.images import store_photo
from aplantida.demo.plants import draw_photo
from aplantida.demo.species import SPECIES
from aplantida.phases.fetch_images import FetchImagesConfig
from aplantida.pipeline.environment import describe

NUM_DRAWN = 12
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
    given = parser.parse_args()
    seconds, stored_bytes, short_side = measure(given.original_side)
    print(
        f"{given.photos:,} photos of {given.original_kb:g} kB, short side {given.original_side}, {given.hosts} hosts."
    )
    print(f"Measured on {describe()['processor']}, in one thread: {1 / seconds:.0f} photos/s to decode, shrink, encode")
    print(f"and hash; {stored_bytes / 1000:.1f} kB a stored photo of short side {short_side} (drawn ones).\n")
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


def measure(original_side: int) -> tuple[float, float, int]:
    """Seconds and stored bytes a photo, and its short side, with the phase's defaults."""
    defaults = FetchImagesConfig.model_fields
    short_side, quality, most = (defaults[name].default for name in ("short_side_pixels", "jpeg_quality", "max_pixels"))
    seconds: list[float] = []
    sizes: list[int] = []
    for number in range(NUM_DRAWN):
        buffer = BytesIO()
        species = SPECIES[number % len(SPECIES)]
        draw_photo(species, seed=1, plant=number, photo=0, short_side=original_side).save(buffer, "JPEG", quality=90)
        for _ in range(3):
            started = time.perf_counter()
            stored = store_photo(buffer.getvalue(), short_side_pixels=short_side, jpeg_quality=quality, max_pixels=most)
            seconds.append(time.perf_counter() - started)
            sizes.append(len(stored.image))
    return median(seconds), fmean(sizes), short_side


if __name__ == "__main__":
    main()
