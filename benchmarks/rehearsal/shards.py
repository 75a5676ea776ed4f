"""Image shards without a download: every record's photo drawn small, in processes, sealed as fetch_images seals them.

python -m benchmarks.rehearsal.shards --records ARTIFACT --output ARTIFACT --num-shards 220 --short-side 64
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.data.images import store_photo
from aplantida.data.shards import PHOTO_COLUMNS, VALIDATOR_SCHEMA, failures_name, shard_name, validators_name
from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, REJECTION_SCHEMA, shard_of
from aplantida.phases.fetch_images import PHASE as FETCH
from aplantida.pipeline.artifact import FileEntry, unit_key
from aplantida.pipeline.config import find_file
from aplantida.pipeline.logs import configure_console
from aplantida.pipeline.phase import PhaseContext
from aplantida.pipeline.runner import execute
from aplantida.pipeline.writer import ArtifactWriter
from benchmarks.rehearsal.drawing import draw_original

_QUALITY, _MOST_PIXELS = 90, 10**6


def make_shards(records: str, output: str, num_shards: int, short_side: int, files: list[str]) -> None:
    """Seal an ``image_shards`` artifact of drawn photos; a killed run goes on where it was.

    Args:
        records: the ``records`` artifact.
        output: the artifact to make.
        num_shards: shards of it.
        short_side: of the drawn photos, pixels.
        files: configs of fetch_images.
    """

    def run(ctx: PhaseContext[Any]) -> dict[str, Any]:
        parts = _parted(ctx.input("records").file("records.parquet"), num_shards, ctx.output.scratch)
        total = sum(parts.values())
        pool = ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn"), _end_with_parent)
        with pool, ctx.progress(total, "photos", "drawing small photos") as progress:
            waiting = {}
            for number, count in parts.items():
                key = unit_key("rehearsal_shard/1", ctx.input("records").digest, number, short_side)
                if ctx.output.is_done(shard_name(number), key):
                    progress.update(count)
                    continue
                waiting[pool.submit(_make_shard, ctx.output, number, short_side)] = (number, key, count)
            for done in as_completed(waiting):
                number, key, count = waiting[done]
                info = {"stored": count, "failed": 0, "transient": 0, "recipe": {}}
                ctx.output.record_unit(shard_name(number), key, done.result(), info)
                progress.update(count)
        ctx.output.write_table("failures.parquet", REJECTION_SCHEMA.empty_table())
        summary = {"num_shards": num_shards, "short_side_pixels": short_side, "num_records": total}
        summary |= {"in_shards": total, "stored": total, "stored_exif_rotated": 0, "failures_by_reason": {}}
        summary |= {"stored_by_content_type": {"image/jpeg": total}}
        ctx.output.write_json("summary.json", summary)
        return summary

    values = {
        "inputs": {"records": records},
        "output": output,
        "num_shards": num_shards,
        "short_side_pixels": short_side,
    }
    execute(replace(FETCH, run=run), files=files, values=values)


def _parted(records: Path, num_shards: int, scratch: Path) -> dict[int, int]:
    """Write each shard's records to a file of its own in one pass; returns how many each holds."""
    folder = scratch / "records"
    marker = folder / "counts.json"
    if marker.is_file():
        return {int(number): count for number, count in json.loads(marker.read_text()).items()}
    folder.mkdir(parents=True, exist_ok=True)
    counts: Counter[int] = Counter()
    writers: dict[int, pa.RecordBatchStreamWriter] = {
        number: pa.ipc.new_stream(folder / f"{number}.arrows", RECORD_SCHEMA) for number in range(num_shards)
    }
    for batch in _batches(records):
        numbers = np.array([shard_of(image_id, num_shards) for image_id in batch["image_id"].to_pylist()])
        for number in np.unique(numbers).tolist():
            some = batch.filter(pa.array(numbers == number))
            writers[number].write_table(some)
            counts[number] += some.num_rows
    for writer in writers.values():
        writer.close()
    marker.write_text(json.dumps({number: counts[number] for number in range(num_shards)}))
    return {number: counts[number] for number in range(num_shards)}


def _batches(records: Path) -> Iterator[pa.Table]:
    for batch in pq.ParquetFile(records).iter_batches(65_536, columns=RECORD_SCHEMA.names):
        yield pa.Table.from_batches([batch]).cast(RECORD_SCHEMA)


def _end_with_parent() -> None:
    """A pool's process whose parent was killed would wait for work for ever."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _make_shard(output: ArtifactWriter, number: int, short_side: int) -> list[FileEntry]:
    """Draw and publish one shard; runs in a process of the pool."""
    with pa.ipc.open_stream(output.scratch / "records" / f"{number}.arrows") as stream:
        records = stream.read_all().sort_by("image_id").combine_chunks()
    photos = [
        asdict(
            store_photo(
                draw_original(url, short_side),
                short_side_pixels=short_side,
                jpeg_quality=_QUALITY,
                max_pixels=_MOST_PIXELS,
            )
        )
        for url in records["url"].to_pylist()
    ]
    stored = pa.Table.from_pylist(photos, pa.schema([IMAGE_SCHEMA.field(name) for name in PHOTO_COLUMNS]))
    columns = {name: records[name] for name in RECORD_SCHEMA.names} | {
        name: stored[name] for name in stored.column_names
    }
    table = pa.table(columns).select(IMAGE_SCHEMA.names).cast(IMAGE_SCHEMA).combine_chunks()
    return [
        output.write_table(shard_name(number), table, incompressible=["image"]),
        output.write_table(failures_name(number), REJECTION_SCHEMA.empty_table()),
        output.write_table(validators_name(number), VALIDATOR_SCHEMA.empty_table()),
    ]


def main() -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw the photos of records into image shards.")
    parser.add_argument("--records", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--num-shards", type=int, required=True)
    parser.add_argument("--short-side", type=int, required=True)
    given = parser.parse_args()
    configure_console("info")
    files = [str(find_file("configs/fetch_images.yaml"))]
    make_shards(given.records, given.output, given.num_shards, given.short_side, files)


if __name__ == "__main__":
    main()
