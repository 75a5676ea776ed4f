"""Credits of 900,000 photos of 9,000 species: bytes in the bundle and for one answer; three phases' time and memory.

Photos are drawn: by 60,000 authors (a tenth of them took half of the photos), who write their names as people do on
iNaturalist and in GBIF; by an author of their own each; and by one each who gives a name, a year, a place and a number.
The peer in bytes is a row a photo in JSON lines and in HTML. The image shards hold no images; a phase's peak is the
resident memory of its process, everything it has imported included, and is held against the roof of 1.5 GB.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from aplantida.data.shards import shard_name
from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.record import IMAGE_SCHEMA, REJECTION_SCHEMA, image_id_of, shard_of
from aplantida.domain.split import SPLIT_SCHEMA
from aplantida.export.credits import CREDITS_FOLDER, Row, credit_files
from aplantida.phases.build_dashboard import PHASE as DASHBOARD
from aplantida.phases.check_licenses import PHASE as LICENSES
from aplantida.phases.export_tfjs import BundleGates
from aplantida.phases.generate_manifest import PHASE as MANIFEST
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.pipeline.runner import execute
from benchmarks.report import Row as Result
from benchmarks.report import peak_mb, read_flags, show

NUM_PHOTOS, NUM_SPECIES, NUM_AUTHORS, NUM_SHARDS = 900_000, 9_000, 60_000, 220
ROOF_MB, NAMED_IN_AN_ANSWER = 1500, 5
LIMIT = BundleGates().max_credits_bytes
LICENSE_IDS = ("CC-BY-4.0",) * 6 + ("CC0-1.0",) * 2 + ("CC-BY-SA-4.0", "CC-BY-2.0")
SOURCES = ("iNaturalist",) * 6 + ("GBIF",) * 2 + ("Flickr", "Wikimedia Commons")
_ONSETS = (*"bcdfgjlmnprstvñ", "br", "ch", "gr", "ll", "st", "tr")
_SYLLABLES = [onset + vowel for onset in _ONSETS for vowel in "aeiou"]
PHASES: dict[str, Phase[Any]] = {phase.name: phase for phase in (LICENSES, MANIFEST, DASHBOARD)}


@lru_cache(maxsize=NUM_AUTHORS)
def author(number: int) -> str:
    """A name as people give it: in full, as a user name, or in a sentence."""
    draw = random.Random(number)
    given, family = ("".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4))).title() for _ in range(2))
    user = f"{given[:3]}{family}{draw.randrange(1000) if draw.random() < 0.4 else ''}".lower()
    sentence = f"(c) {given} {family}, some rights reserved (CC BY)"
    return draw.choices((f"{given} {family}", user, sentence), (5, 3, 2))[0]


def drawn_terms(draw: random.Random) -> tuple[str, str]:
    """A licence and a source."""
    return draw.choice(LICENSE_IDS), draw.choice(SOURCES)


@lru_cache(maxsize=NUM_AUTHORS)
def habit_of(who: str) -> tuple[str, str]:
    """The licence and the source that an author mostly uses."""
    return drawn_terms(random.Random(who))


def few_authors(photo: int, draw: random.Random) -> str:
    """One of ``NUM_AUTHORS``, some of whom took many photos."""
    return author(int(NUM_AUTHORS * draw.random() ** 3))


def own_author(photo: int, draw: random.Random) -> str:
    """Somebody else for every photo."""
    return author.__wrapped__(NUM_AUTHORS + photo)


def wordy_author(photo: int, draw: random.Random) -> str:
    """Somebody else for every photo, who says more than a name."""
    place = "".join(draw.choices(_SYLLABLES, k=4)).title()
    return f"{own_author(photo, draw)}, {draw.randint(1990, 2026)}, {place}, herbarium sheet {draw.randrange(10**9)}"


def drawn_rows(
    num_photos: int, num_species: int, author_of: Callable[[int, random.Random], str] = few_authors
) -> Iterator[Row]:
    """Credits by species; the number of a species' photos is log-normal."""
    draw = random.Random(1)
    weights = [draw.lognormvariate(0, 1) for _ in range(num_species)]
    photo, reached, wanted = 0, 0.0, sum(weights)
    for number, weight in enumerate(weights):
        reached += weight
        name = f"Genus{number // 8:05d} species{number:06d}"
        while photo < round(num_photos * reached / wanted):
            who = author_of(photo, draw)
            license_id, source = habit_of(who) if draw.random() < 0.9 else drawn_terms(draw)
            yield name, license_id, source, who, f"https://photos.example.org/photos/{photo:09d}/large.jpg"
            photo += 1


def bytes_a_row_a_photo(rows: Iterable[Row]) -> int:
    """Every photo in JSON lines and, with a link, in HTML."""
    total = 0
    for name, license_id, source, who, url in rows:
        credit = {"image_id": "0" * 32, "scientific_name": name, "author": who, "license_id": license_id, "url": url}
        total += len(json.dumps({**credit, "source": source}, ensure_ascii=False).encode()) + 1
        total += len(f'<li>{who}, {license_id}, {source}: <a href="{url}" rel="noopener">[1]</a></li>\n'.encode())
    return total


def measure_bytes() -> Iterator[Result]:
    """What goes into the bundle, and what a page reads of it."""
    names = [f"Genus{number // 8:05d} species{number:06d}" for number in range(NUM_SPECIES)]
    for what, author_of in (
        ("60,000 authors", few_authors),
        ("an author for every photo", own_author),
        ("a wordy author for every photo", wordy_author),
    ):
        rows = list(drawn_rows(NUM_PHOTOS, NUM_SPECIES, author_of))
        sizes = [len(content) for _, content in credit_files(rows, names)]
        total, usual = sum(sizes), author_of is few_authors
        note = "peer: max_credits_bytes" if total <= LIMIT else "peer: max_credits_bytes; export_tfjs exits 4"
        name = f"{CREDITS_FOLDER}/, {NUM_PHOTOS:,} photos, {what}: bytes against the limit"
        yield Result(name, total, LIMIT, "bytes", LIMIT / total, 1.0 if usual else None, note)
        if usual:
            before = bytes_a_row_a_photo(rows)
            name, note = "the same against a row a photo", f"{len(sizes)} files; peer: JSON lines and HTML, as before"
            yield Result(name, total, before, "bytes", before / total, None, note)
            read = NAMED_IN_AN_ANSWER * total / len(sizes)
            note = f"five species in five files, the largest {max(sizes):,} bytes; peer: all credits in one file"
            yield Result("credits read for one answer", read, total, "bytes", total / read, None, note)


def seal(output: str, kind: str, fill: Callable[[PhaseContext[Any]], None], inputs: dict[str, str]) -> None:
    """An artifact of some kind."""

    def run(ctx: PhaseContext[Any]) -> dict[str, Any]:
        fill(ctx)
        return {}

    like = replace(LICENSES, name=f"make_{kind}", run=run, output=kind, inputs={name: "*" for name in inputs})
    execute(like, values={"output": output, "inputs": inputs})


def without_images(credits: pa.Table) -> pa.Table:
    """Rows of an image shard with these credits; what else a photo has is left empty."""
    empty: dict[pa.DataType, Any] = {pa.binary(): b"", pa.string(): "", pa.bool_(): False}
    columns = [
        credits[field.name]
        if field.name in credits.column_names
        else pa.nulls(credits.num_rows, field.type)
        if field.nullable
        else pa.array([empty.get(field.type, 0)] * credits.num_rows, field.type)
        for field in IMAGE_SCHEMA
    ]
    return pa.table(columns, IMAGE_SCHEMA)


def seal_all() -> None:
    """The artifacts ``images``, ``split`` and ``model``."""
    rows = list(drawn_rows(NUM_PHOTOS, NUM_SPECIES))
    names = sorted({name for name, *_ in rows})
    places = {name: place for place, name in enumerate(names)}
    ids = [image_id_of("", url) for *_, url in rows]
    shard_numbers = np.array([shard_of(image_id, NUM_SHARDS) for image_id in ids], np.int32)
    classes = ClassIndex.of(PlantClass(class_id=name, genus=name.split()[0]) for name in names)
    columns = ("scientific_name", "license_id", "source", "author", "url")
    credits = pa.table({"image_id": ids, **dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))})

    def fill_images(ctx: PhaseContext[Any]) -> None:
        for shard in range(NUM_SHARDS):
            inside = credits.take(np.flatnonzero(shard_numbers == shard))
            ctx.output.write_table(shard_name(shard), without_images(inside))
        ctx.output.write_table("failures.parquet", REJECTION_SCHEMA.empty_table())

    def fill_split(ctx: PhaseContext[Any]) -> None:
        table = {
            "image_id": ids,
            "shard": shard_numbers,
            "class_index": [places[name] for name, *_ in rows],
            "split": [(*("train",) * 8, "val", "test")[at % 10] for at in range(len(rows))],
            "group": ids,
            "regions": [[]] * len(rows),
            "regions_by_country": [[]] * len(rows),
        }
        ctx.output.write_table("split.parquet", pa.table(table, SPLIT_SCHEMA))
        ctx.output.write_table("excluded.parquet", REJECTION_SCHEMA.empty_table())
        ctx.output.write_json("class_index.json", classes.to_json())

    def fill_model(ctx: PhaseContext[Any]) -> None:
        import torch  # here, since the phases that are measured shall load what they need themselves

        from aplantida.models.checkpoint import ModelCard, build, save_checkpoint

        card = ModelCard(
            architecture="mobilenetv2",
            width=0.35,
            num_classes=len(classes),
            head_rank=8,
            preprocessing=Preprocessing(image_size=32),
            class_ids=classes.class_ids,
        )
        torch.manual_seed(0)
        save_checkpoint(ctx.output.scratch, build(card).state_dict(), card)
        for name in ("model.safetensors", "model.json"):
            ctx.output.publish(ctx.output.scratch / name, name)

    seal("images", "image_shards", fill_images, {})
    seal("split", "split", fill_split, {"images": "images"})
    seal("model", "checkpoint", fill_model, {"images": "images", "split": "split"})


def measure_phases() -> Iterator[Result]:
    """Each in a process of its own, over artifacts of the full size."""
    with tempfile.TemporaryDirectory() as root:
        os.environ["APLANTIDA_ROOT"] = root
        for name in ("artifacts", *PHASES):
            command = [sys.executable, "-m", "benchmarks.credits", "--run", name]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            if name == "artifacts":
                continue
            found = json.loads(printed.splitlines()[-1])
            note = f"{found['seconds']:.0f} s; peer: the roof"
            what = f"{name}, {NUM_PHOTOS:,} photos of {NUM_SPECIES:,} species: peak memory"
            yield Result(what, found["peak_mb"], ROOF_MB, "MB", ROOF_MB / found["peak_mb"], 1.0, note)


def run_here(name: str) -> None:
    """Make the artifacts, or run a phase on them and print seconds and peak memory."""
    if name == "artifacts":
        seal_all()
        return
    artifacts = ["images", "split", "model"] + (["licenses"] if name != LICENSES.name else [])
    lineage = {"images": "images", "split": "split", "checkpoints": ["model"]}
    licensing = {"inputs": lineage, "output": "licenses"}
    started = time.perf_counter()
    values = licensing if name == LICENSES.name else {"inputs": {"artifacts": artifacts}, "output": name}
    execute(PHASES[name], files=[f"configs/{name}.yaml"], values=values)
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    if "--run" in sys.argv[1:]:
        run_here(sys.argv[2])
    else:
        read_flags(__doc__)
        show([*measure_bytes(), *measure_phases()])
