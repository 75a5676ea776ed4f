"""export_dataset against a plain pymongo cursor that writes Parquet.

Both read the same collection from the same mongod. Ours also normalizes names, licences and countries, checks addresses
and opt-outs, gives ids, finds repeated URLs and small species, sorts, writes JSON lines and rejections, digests the
collection and seals the artifact; the peer writes down what it finds.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pymongo

from aplantida.demo.mongod import embedded_mongod
from aplantida.distributed.session import ray_session
from aplantida.phases.export_dataset import PHASE
from aplantida.pipeline.runner import execute
from benchmarks.report import Row, interleaved, read_flags, show

NUM_SPECIES, IMAGES_PER_SPECIES = 1_000, 100
LICENSES = ("CC BY 4.0", "cc-by-sa 3.0", "http://creativecommons.org/licenses/by/4.0/", "CC0", "CC BY-NC 4.0", None)
FIELDS = ("url", "license", "author", "source", "observationId", "observedOn", "country")
LANGUAGES = ("ar", "ca", "de", "en", "es", "fr", "it", "pt")
CODES = [one + other for one in "ABCDEFGHIL" for other in "ABCDEFGHIL"]
DATABASE = "benchmark"
_LETTERS = str.maketrans("0123456789", "abcdefghij")


def documents(num_species: int, *, wide: bool = False) -> Iterator[dict[str, Any]]:
    """A synthetic collection.

    Args:
        num_species: one a document.
        wide: with URLs of 150 characters, 24 common names in 8 languages, and 60 countries a species.
    """
    draw = random.Random(1)
    for number in range(num_species):
        names, countries = {"es": [f"planta {number}"]}, ["ES", "FR", "PT"]
        if wide:
            names = {tongue: [f"{tongue} wild plant of gardens {number} {n}" for n in range(3)] for tongue in LANGUAGES}
            countries = sorted(draw.sample(CODES, 60))
        yield {
            "_id": number,
            "scientificName": f"Numeraria {str(number).translate(_LETTERS)}ensis L.",
            "family": f"Familia {number % 40}",
            "commonNames": names,
            "distribution": countries,
            "images": [
                {
                    "url": _url(draw, number, image, 150 if wide else 0),
                    "license": draw.choice(LICENSES),
                    "author": f"author {draw.randrange(5_000)}",
                    "source": "example",
                    "observationId": str(draw.randrange(10**9)),
                    "observedOn": f"20{draw.randrange(10, 26)}-0{draw.randrange(1, 10)}-1{draw.randrange(10)}",
                    "country": draw.choice(("ES", "FR", "PT", "DE")),
                }
                for image in range(IMAGES_PER_SPECIES)
            ],
        }


def _url(draw: random.Random, number: int, image: int, length: int) -> str:
    start = f"https://photos{draw.randrange(8)}.example.org/{number}/{image}"
    filler = max(0, length - len(start) - len("/.jpg"))
    return f"{start}/{draw.getrandbits(4 * filler):0{filler}x}.jpg" if filler else f"{start}.jpg"


def plain(uri: str, path: Path) -> None:
    """What a script of ten lines would do."""
    rows: list[dict[str, Any]] = []
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        for document in client[DATABASE].plants.find():
            for image in document["images"]:
                rows.append(
                    {"species": document["scientificName"], "family": document["family"]}
                    | {name: image[name] for name in FIELDS}
                )
    pq.write_table(pa.Table.from_pylist(rows), path)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, embedded_mongod(Path(name) / "mongo") as uri:
        os.environ.update(APLANTIDA_ROOT=name, MONGO_URI=uri)
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            client[DATABASE].plants.insert_many(documents(NUM_SPECIES))
        runs = 0

        def export(num_readers: int) -> Callable[[], object]:
            def run() -> None:
                nonlocal runs
                runs += 1
                values = {"db_name": DATABASE, "output": f"records-{runs}", "resources": {"num_readers": num_readers}}
                execute(PHASE, values={**values, "inputs": {}})

            return run

        with ray_session():
            sides: list[Callable[[], object]] = [export(0), export(2), lambda: plain(uri, Path(name) / "plain.parquet")]
            for side in sides:
                side()
            in_process, two_readers, peer = interleaved(sides, repeats=5)
    entries = NUM_SPECIES * IMAGES_PER_SPECIES
    note = f"{entries:,} entries of {NUM_SPECIES:,} documents"
    show(
        [
            Row(
                f"export_dataset, {what}, against a pymongo cursor",
                *(entries / seconds, entries / peer, "entries/s", peer / seconds, goal, note),
            )
            for what, seconds, goal in (("in one process", in_process, 0.8), ("two readers", two_readers, 1.3))
        ]
    )


if __name__ == "__main__":
    read_flags(__doc__)
    main()
