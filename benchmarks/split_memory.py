"""Peak memory of fetch_images and split_dataset over 900,000 wide records of 9,000 species.

A wide record has a URL of 150 characters and common names in eight languages. ``fetch_images`` may ask none of the
addresses, so that all is done but downloading: it plans, streams, and writes 900,000 failures. The photos of the split
are 48 pixels wide; one in a hundred has nearly the hash of another one, and so is compared with it.

    python -m benchmarks.split_memory --photos 900000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from aplantida.data.shards import shard_name
from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, REJECTION_SCHEMA, shard_of
from aplantida.phases.export_dataset import PHASE as EXPORT
from aplantida.phases.fetch_images import PHASE as FETCH
from aplantida.phases.split_dataset import PHASE as SPLIT
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.runner import execute
from benchmarks.report import Row, peak_mb, show

PHOTOS, PHOTOS_PER_SPECIES, PHOTOS_PER_SHARD, MOST_MB = 900_000, 100, 4096, 1500
LANGUAGES = ("es", "en", "fr", "de", "it", "pt", "ca", "nl")
ROWS_AT_A_TIME, DRAWN, COPIES = 50_000, 64, 100


def records(num_photos: int) -> Iterator[pa.Table]:
    """Wide records, some at a time."""
    for first in range(0, num_photos, ROWS_AT_A_TIME):
        numbers = range(first, min(first + ROWS_AT_A_TIME, num_photos))
        species = [number // PHOTOS_PER_SPECIES for number in numbers]
        urls = [f"http://127.0.0.1:9/{number:09d}/{'photograph-' * 11}{number % 97:03d}.jpg" for number in numbers]
        count = len(numbers)
        columns: dict[str, list[Any]] = {
            "image_id": [hashlib.md5(url.encode()).hexdigest() for url in urls],
            "document_id": [f"{number:024x}" for number in species],
            "url": urls,
            "scientific_name": [f"Planta numero{number:06d}" for number in species],
            "family": [f"Familia{number % 300:03d}" for number in species],
            "genus": [f"Planta{number % 2000:04d}" for number in species],
            "common_names": [[f"{code}:the common name of {number}" for code in LANGUAGES] for number in species],
            "distribution": [["ES", "FR", "PT", "IT"]] * count,
            "license_id": ["CC-BY-4.0"] * count,
            "license_text": ["https://creativecommons.org/licenses/by/4.0/"] * count,
            "author": [f"The photographer {number % 5003}" for number in numbers],
            "source": ["example"] * count,
            "observation_id": [str(number // 2) for number in numbers],
            "observed_on": [f"20{number % 16 + 10}-0{number % 9 + 1}-1{number % 10}" for number in numbers],
            "country": [("ES", "FR", "PT", "DE", None)[number % 5] for number in numbers],
        }
        yield pa.table(columns, RECORD_SCHEMA)


def seal(phase: Phase[Any], output: str, fill: Callable[[Any], object]) -> None:
    """An artifact of a phase's kind."""

    def run(ctx: Any) -> dict[str, Any]:
        fill(ctx)
        return {}

    execute(
        replace(phase, run=run, inputs={}, sources={}, judge=None), values={"output": output, "inputs": {}, "seed": 1}
    )


def write_records(ctx: Any, num_photos: int) -> None:
    """As export_dataset does."""
    path = ctx.output.scratch / "records.parquet"
    with pq.ParquetWriter(path, RECORD_SCHEMA, compression="zstd") as writer:
        for table in records(num_photos):
            writer.write_table(table)
    ctx.output.publish(path, "records.parquet")


def write_shards(ctx: Any, num_photos: int) -> None:
    """As fetch_images does."""
    num_shards = -(-num_photos // PHOTOS_PER_SHARD)
    draw, photos = np.random.default_rng(1), pa.array(drawn_photos(), pa.binary())
    hashes = draw.integers(0, 2**64, num_photos, np.uint64)
    near = draw.choice(num_photos, (num_photos // COPIES, 2))
    hashes[near[:, 0]] = hashes[near[:, 1]] ^ np.uint64(0b10101)
    parts: list[list[pa.Table]] = [[] for _ in range(num_shards)]
    for first, table in zip(range(0, num_photos, ROWS_AT_A_TIME), records(num_photos), strict=True):
        at = np.array([shard_of(image_id, num_shards) for image_id in table["image_id"].to_pylist()])
        texts = [f"{value:016x}" for value in hashes[first : first + len(at)].tolist()]
        table = table.append_column("perceptual_hash", pa.array(texts))
        for shard in range(num_shards):
            parts[shard].append(table.filter(pa.array(at == shard)))
    for shard, tables in enumerate(parts):
        table = pa.concat_tables(tables).sort_by("image_id")
        count = table.num_rows
        size, zeros = pa.array([48] * count, pa.int32()), pa.array(["0" * 64] * count)
        added = {
            "image": photos.take(pa.array(draw.integers(0, DRAWN, count))),
            "exif_rotated": pa.array([False] * count),
            "content_type": pa.array(["image/jpeg"] * count),
            "source_bytes": pa.array([600_000] * count, pa.int64()),
            **dict.fromkeys(("width", "height", "original_width", "original_height"), size),
            **dict.fromkeys(("source_sha256", "pixel_sha256"), zeros),
        }
        columns = [added.get(name) if name in added else table[name] for name in IMAGE_SCHEMA.names]
        ctx.output.write_table(shard_name(shard), pa.table(columns, IMAGE_SCHEMA), incompressible=["image"])
    ctx.output.write_table("failures.parquet", REJECTION_SCHEMA.empty_table())
    counts = {"num_shards": num_shards, "num_records": num_photos, "stored": num_photos, "short_side_pixels": 48}
    ctx.output.write_json("summary.json", counts)


def drawn_photos() -> list[bytes]:
    """Pictures of blots, none like another."""
    photos: list[bytes] = []
    for number in range(DRAWN):
        coarse = np.random.default_rng(number).integers(0, 256, (9, 9, 3), np.uint8)
        buffer = BytesIO()
        Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        photos.append(buffer.getvalue())
    return photos


def peak_of(what: str, num_photos: int, root: Path) -> float:
    """The peak of resident memory of a phase over so many photos, in a process of its own, MB."""
    words = [sys.executable, "-m", "benchmarks.split_memory", "--photos", str(num_photos)]
    environment = {**os.environ, "APLANTIDA_ROOT": str(root)}
    for step in ("prepare", "run"):
        done = subprocess.run(
            [*words, f"--{step}", what], stdout=subprocess.PIPE, env=environment, text=True, check=True
        )
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def prepare(what: str, num_photos: int) -> None:
    """What the phase reads."""
    if what == "fetch":
        seal(EXPORT, "records", lambda ctx: write_records(ctx, num_photos))
    else:
        seal(FETCH, "images", lambda ctx: write_shards(ctx, num_photos))


def run(what: str, num_photos: int) -> None:
    """Run the phase, and print the peak of this process' resident memory."""
    if what == "fetch":
        num_shards = -(-num_photos // PHOTOS_PER_SHARD)
        values = {"inputs": {"records": "records"}, "num_shards": num_shards, "resources": {"num_actors": 0}}
        execute(FETCH, values={**values, "output": "fetched", "gates": {"max_failed_fraction": 1.0}})
    else:
        execute(SPLIT, values={"inputs": {"images": "images"}, "output": "split"})
    print(json.dumps({"peak_mb": peak_mb()}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--json", action="store_true", help="rows as JSON lines")
    parser.add_argument("--prepare", choices=("fetch", "split"), help="only make what that phase reads")
    parser.add_argument("--run", choices=("fetch", "split"), help="only run that phase")
    given = parser.parse_args()
    if given.prepare:
        prepare(given.prepare, given.photos)
    elif given.run:
        run(given.run, given.photos)
    else:
        rows: list[Row] = []
        for what, phase in (("fetch", FETCH), ("split", SPLIT)):
            with tempfile.TemporaryDirectory() as root:
                peak = peak_of(what, given.photos, Path(root))
            name = f"{phase.name}, peak memory over {given.photos:,} wide records"
            rows.append(Row(name, peak, MOST_MB, "MB", MOST_MB / peak, 1, "peer: what it may take"))
        show(rows)


if __name__ == "__main__":
    main()
