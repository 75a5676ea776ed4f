"""Peak memory of export_dataset and split_dataset over collections of 20 thousand, 200 thousand and 2 million photos.

The peak is the resident memory of the phase's process, everything it has imported included; the server of the
collection is a process of its own. The photos of the split are 32 pixels wide and their hashes are random. Then
export_dataset and audit_dataset over 900,000 wide entries, by number of readers: the phase's process and the largest
of Ray's workers, against the most that either may take.

    python -m benchmarks.memory              # all of it
    python -m benchmarks.memory --wide       # the wide entries only
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pymongo
from PIL import Image

from aplantida.data.shards import shard_name
from aplantida.demo.mongod import embedded_mongod
from aplantida.domain.record import IMAGE_SCHEMA, REJECTION_SCHEMA, shard_of
from aplantida.phases.audit_dataset import PHASE as AUDIT
from aplantida.phases.export_dataset import PHASE as EXPORT
from aplantida.phases.fetch_images import PHASE as FETCH
from aplantida.phases.split_dataset import PHASE as SPLIT
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.runner import execute
from benchmarks.export_dataset import DATABASE, IMAGES_PER_SPECIES, documents
from benchmarks.report import Row, peak_mb, read_flags, show

SIZES = (20_000, 200_000, 2_000_000)
WIDE, READERS, ROOF_MB = 900_000, (2, 8, 16), 1_500
PHASES = {"export": EXPORT, "audit": AUDIT, "split": SPLIT}
NUM_SHARDS, DOCUMENTS_AT_A_TIME = 64, 100


@dataclass(frozen=True)
class Peaks:
    """Of a phase that ran in a process of its own: most resident memory, MB, and the digest of what it made."""

    driver_mb: float
    worker_mb: float
    seconds: float
    digest: str


def fill(uri: str, num_entries: int, *, wide: bool = False) -> None:
    """Put a collection of so many entries there."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(DATABASE)
        waiting = documents(num_entries // IMAGES_PER_SPECIES, wide=wide)
        while some := list(islice(waiting, DOCUMENTS_AT_A_TIME)):
            client[DATABASE].plants.insert_many(some)


def shards(num_photos: int) -> Iterator[tuple[str, pa.Table]]:
    """Image shards of so many photos."""
    draw, buffer = random.Random(1), BytesIO()
    Image.new("RGB", (32, 32), "green").save(buffer, "JPEG")
    same = {
        "common_names": ["es:planta"],
        "distribution": ["ES", "FR"],
        "family": "Familia",
        "genus": "Planta",
        "license_id": "CC-BY-4.0",
        "license_text": "CC BY 4.0",
        "source": "example",
        "image": buffer.getvalue(),
        "exif_rotated": False,
        "content_type": "image/jpeg",
        "source_bytes": len(buffer.getvalue()),
        **dict.fromkeys(("width", "height", "original_width", "original_height"), 32),
    }
    ids = [hashlib.md5(str(number).encode()).hexdigest() for number in range(num_photos)]
    members: list[list[int]] = [[] for _ in range(NUM_SHARDS)]
    for number, image_id in enumerate(ids):
        members[shard_of(image_id, NUM_SHARDS)].append(number)
    for shard, numbers in enumerate(members):
        rows = [
            {
                **same,
                "image_id": ids[number],
                "document_id": str(number % (num_photos // IMAGES_PER_SPECIES)),
                "url": f"https://photos.example.org/{number}.jpg",
                "scientific_name": f"Planta numero{number % (num_photos // IMAGES_PER_SPECIES):06d}",
                "author": f"author {draw.randrange(5_000)}",
                "observation_id": str(draw.randrange(10**9)),
                "observed_on": f"20{draw.randrange(10, 26)}-0{draw.randrange(1, 10)}-1{draw.randrange(10)}",
                "country": draw.choice(("ES", "FR", "PT", "DE", None)),
                "source_sha256": "0" * 64,
                "pixel_sha256": "0" * 64,
                "perceptual_hash": f"{draw.getrandbits(64):016x}",
            }
            for number in numbers
        ]
        yield shard_name(shard), pa.Table.from_pylist(rows, IMAGE_SCHEMA)


def seal_shards(output: str, num_photos: int) -> None:
    """An image_shards artifact, as fetch_images seals it."""

    def run(ctx: Any) -> dict[str, Any]:
        for name, table in shards(num_photos):
            ctx.output.write_table(name, table)
        ctx.output.write_table("failures.parquet", REJECTION_SCHEMA.empty_table())
        summary = {"num_shards": NUM_SHARDS, "num_records": num_photos, "stored": num_photos, "short_side_pixels": 32}
        ctx.output.write_json("summary.json", summary)
        return {}

    execute(replace(FETCH, run=run, inputs={}, sources={}, judge=None), values={"output": output, "inputs": {}})


def run_here(phase: Phase[Any], values: dict[str, Any]) -> None:
    """Run a phase, and print the peak of this process' resident memory, MB, and the digest of what it made."""
    artifact = execute(phase, values=values).artifact
    print(json.dumps({"peak_mb": peak_mb(), "digest": artifact and artifact.digest}))


def peaks_of(name: str, values: dict[str, Any]) -> Peaks:
    """The same in a process of its own, and the peak of the largest of Ray's workers."""
    words = [sys.executable, "-m", "benchmarks.memory", "--run", name, json.dumps(values)]
    started, worker = time.monotonic(), 0.0
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            time.sleep(0.2)
            worker = max(worker, *(peak for peak in map(_worker_peak, _children(process.pid))), 0.0)
        answer = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    told = json.loads(answer.splitlines()[-1])
    return Peaks(told["peak_mb"], worker, time.monotonic() - started, told["digest"])


def _children(process_id: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process_id).children(recursive=True)
    return []


def _worker_peak(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess, OSError, StopIteration):
        if process.name().startswith("ray::"):
            return peak_mb(process.pid)
    return 0.0


def export_peak(uri: str, size: int) -> float:
    """Of export_dataset, reading in its own process."""
    fill(uri, size)
    return peaks_of("export", of_collection(uri, "records", 0)).driver_mb


def of_collection(uri: str, output: str, num_readers: int, **resources: int) -> dict[str, Any]:
    """The values of a phase that reads the collection."""
    values = {"db_name": DATABASE, "output": output, "inputs": {}, "mongo_uri": uri}
    return {**values, "resources": {"num_readers": num_readers, **resources}}


def wide_rows(uri: str) -> Iterator[Row]:
    """Of the phases that read the collection, over wide entries, by number of readers; no link is asked for."""
    fill(uri, WIDE, wide=True)
    for name, phase, more in (("export", EXPORT, {}), ("audit", AUDIT, {"url_sample_fraction": 0.0})):
        for readers in READERS:
            peaks = peaks_of(name, {**of_collection(uri, f"{name}-{readers}", readers), **more})
            for who, peak in (("phase", peaks.driver_mb), ("largest worker", peaks.worker_mb)):
                what = f"{phase.name}, {WIDE:,} wide entries, {readers} readers, peak memory of the {who}"
                note = f"peer: the most it may take; {peaks.seconds:.0f} s, digest {peaks.digest[:12]}"
                yield Row(what, peak, ROOF_MB, "MB", ROOF_MB / peak, 1.0, note)
            print(f"{name}, {readers} readers: {peaks}", file=sys.stderr, flush=True)


def split_peak(size: int) -> float:
    """Of split_dataset."""
    seal_shards(f"images-{size}", size)
    return peaks_of("split", {"inputs": {"images": f"images-{size}"}, "output": f"split-{size}"}).driver_mb


def main(*, wide_alone: bool) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, embedded_mongod(Path(name) / "mongo") as uri:
        os.environ["APLANTIDA_ROOT"] = name
        rows = list(wide_rows(uri))
    for what in () if wide_alone else ("export_dataset", "split_dataset"):
        peaks: list[float] = []
        for size in SIZES:
            with tempfile.TemporaryDirectory() as name:
                os.environ["APLANTIDA_ROOT"] = name
                if what == "export_dataset":
                    with embedded_mongod(Path(name) / "mongo") as uri:
                        peaks.append(export_peak(uri, size))
                else:
                    peaks.append(split_peak(size))
            print(f"{what}: {size} photos: {peaks[-1]:.0f} MB", file=sys.stderr, flush=True)
        for size, peak in zip(SIZES[1:], peaks[1:], strict=True):
            note = f"peer: the same over {SIZES[0]:,}"
            rows.append(
                Row(f"{what}, peak memory over {size:,} photos", peak, peaks[0], "MB", peaks[0] / peak, None, note)
            )
    show(rows)


if __name__ == "__main__":
    if "--run" in sys.argv[1:]:
        run_here(PHASES[sys.argv[2]], json.loads(sys.argv[3]))
    else:
        main(wide_alone=read_flags(__doc__, "--wide").wide)
