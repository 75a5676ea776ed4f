"""The stored photos' records in a database, for dealing them out species by species, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from aplantida.data.database import Database, id_ranges, quoted
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason
from aplantida.domain.split import PLACES, SPLIT_SCHEMA, SPLITS

PHOTO_SCHEMA = pa.schema(
    [
        *(field.with_nullable(True) for field in RECORD_SCHEMA),
        pa.field("perceptual_hash", pa.string()),
        pa.field("original_width", pa.int32()),
        pa.field("original_height", pa.int32()),
        pa.field("shard", pa.int32()),
    ]
)
_PLACE = [SPLIT_SCHEMA.field(name) for name in PLACES]
_DEALT = pa.schema([*RECORD_SCHEMA, pa.field("shard", pa.int32()), *_PLACE])
_LINE = [*RECORD_SCHEMA.names, "shard", "class_index", '"group"', "regions", "regions_by_country"]


class PhotoStore:
    """Photos: :meth:`add` them, :meth:`leave_out` some, deal out the rest :meth:`by_species`, then write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create("photos", PHOTO_SCHEMA)
        database.create("left_out", REJECTION_SCHEMA)
        database.create("dealt", _DEALT)

    def add(self, photos: pa.Table) -> None:
        """Keep a table of ``PHOTO_SCHEMA``."""
        self._database.insert("photos", photos.select(PHOTO_SCHEMA.names))

    def leave_out(self, reason: Reason, details: Iterable[tuple[str, str | None]]) -> None:
        """Move photos from the store to those left out.

        Args:
            reason: of all of them.
            details: ``image_id`` and what there is to say.
        """
        rows = [{"id": image_id, "said": detail} for image_id, detail in details]
        self._database.create("going", schema := pa.schema([("id", pa.string()), ("said", pa.string())]))
        self._database.insert("going", pa.Table.from_pylist(rows, schema))
        self._move(reason, "said", "JOIN going ON id = image_id", "image_id IN (SELECT id FROM going)")
        self._database.run("DROP TABLE going")

    def leave_out_small_species(self, min_images: int) -> None:
        """Move the photos of species with fewer than so many."""
        self._database.run("CREATE TABLE sizes AS SELECT scientific_name, count(*) AS n FROM photos GROUP BY ALL")
        detail = f"n || ' stored images, want {min_images}'"
        few = f"(SELECT scientific_name FROM sizes WHERE n < {min_images})"
        join = f"JOIN (FROM sizes WHERE n < {min_images}) USING (scientific_name)"
        self._move(Reason.SPECIES_WITH_TOO_FEW_IMAGES, detail, join, f"scientific_name IN {few}")
        self._database.run("DROP TABLE sizes")

    def __len__(self) -> int:
        """Photos that are not left out."""
        return int(self._database.fetch("SELECT count(*) FROM photos")[0][0])

    def sizes(self) -> dict[str, int]:
        """Photos of each species."""
        return dict(self._database.fetch("SELECT scientific_name, count(*) FROM photos GROUP BY ALL ORDER BY ALL"))

    def of_species(self, names: Iterable[str]) -> pa.Table:
        """Photos of some species by ``image_id``: that, scientific_name and shard."""
        which = ", ".join(map(quoted, names)) or "NULL"
        query = f"SELECT image_id, scientific_name, shard FROM photos WHERE scientific_name IN ({which})"
        return self._database.batches(query).read_all().sort_by("image_id")

    def looks(self) -> pa.Table:
        """All photos by ``image_id``: that, scientific_name, perceptual_hash and shard."""
        query = "SELECT image_id, scientific_name, perceptual_hash, shard FROM photos"
        return self._database.batches(query).read_all().sort_by("image_id").combine_chunks()

    def photos(self, image_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Some photos by ``image_id``: that, scientific_name, url and perceptual_hash."""
        columns = ("image_id", "scientific_name", "url", "perceptual_hash")
        which = ", ".join(map(quoted, image_ids)) or "NULL"
        found = self._database.fetch(f"SELECT {', '.join(columns)} FROM photos WHERE image_id IN ({which})")
        return {row[0]: dict(zip(columns, row, strict=True)) for row in found}

    def by_species(self) -> Iterator[tuple[str, pa.Table]]:
        """The photos of each species by ``image_id``, species in order; tables of ``PHOTO_SCHEMA``."""
        sizes = self._database.fetch("SELECT scientific_name, count(*) FROM photos GROUP BY ALL ORDER BY ALL")
        for names in _parts(sizes, self._database.rows_sorted_at_once):
            query = (
                f"SELECT * FROM photos WHERE scientific_name BETWEEN {quoted(names[0])} AND {quoted(names[-1])} "
                "ORDER BY scientific_name, image_id"
            )
            table = self._database.batches(query).read_all()
            starts = np.flatnonzero(_changes(table["scientific_name"].to_pylist()))
            for first, end in pairwise([*starts.tolist(), table.num_rows]):
                yield table["scientific_name"][first].as_py(), table.slice(first, end - first)

    def deal(self, photos: pa.Table, **places: Sequence[Any]) -> None:
        """Note where photos of :meth:`by_species` go: the columns of ``SPLIT_SCHEMA`` beside image_id and shard."""
        columns = {name: photos[name] for name in (*RECORD_SCHEMA.names, "shard")}
        columns |= {field.name: pa.array(places[field.name], field.type) for field in _PLACE}
        self._database.insert("dealt", pa.table(columns))

    def write_split(self, parquet: Path, json_lines: dict[str, Path], on_the_way: Path) -> None:
        """Write what was dealt out, by ``image_id``.

        Args:
            parquet: of ``SPLIT_SCHEMA``.
            json_lines: by split: records, places and classes.
            on_the_way: a file that holds all of it in order meanwhile.
        """
        total = int(self._database.fetch("SELECT count(*) FROM dealt")[0][0])
        parts = [
            f"SELECT * FROM dealt WHERE image_id >= '{low}' AND image_id < '{high}' ORDER BY image_id"
            for low, high in id_ranges(total // self._database.rows_sorted_at_once + 1)
        ]
        self._database.write_parquet(on_the_way, _DEALT, parts)
        ordered = f"FROM read_parquet({quoted(on_the_way)})"
        columns = ", ".join(f'"{name}"' for name in SPLIT_SCHEMA.names)
        self._database.write_parquet(parquet, SPLIT_SCHEMA, [f"SELECT {columns} {ordered}"])
        for split in SPLITS:
            query = f"SELECT {', '.join(_LINE)} {ordered} WHERE split = {quoted(split)}"
            self._database.write_json_lines(json_lines[split], query)
        on_the_way.unlink()

    def write_left_out(self, parquet: Path, before: pa.Table) -> None:
        """Write the photos left out, ``before`` among them, as Parquet of ``REJECTION_SCHEMA``, by ``image_id``."""
        self._database.insert("left_out", before)
        query = f"SELECT {', '.join(REJECTION_SCHEMA.names)} FROM left_out ORDER BY image_id"
        self._database.write_parquet(parquet, REJECTION_SCHEMA, [query])

    def dealt_ids(self) -> pa.Array:
        """Ids of the photos that were dealt out, in no order."""
        return self._database.batches("SELECT image_id FROM dealt").read_all()["image_id"].combine_chunks()

    def dealt_by_license(self) -> dict[str, int]:
        """How many of them there are by licence id (empty where it could not be read), most frequent first."""
        query = "SELECT coalesce(license_id, '') AS l, count(*) AS n FROM dealt GROUP BY ALL ORDER BY n DESC, l"
        return dict(self._database.fetch(query))

    def left_out_by_reason(self) -> dict[str, int]:
        """How many were left out, by reason."""
        return dict(self._database.fetch("SELECT reason, count(*) FROM left_out GROUP BY ALL ORDER BY ALL"))

    def _move(self, reason: Reason, detail: str, join: str, which: str) -> None:
        self._database.run(
            f"INSERT INTO left_out SELECT image_id, document_id, scientific_name, url, '{reason}', {detail} "
            f"FROM photos {join}; DELETE FROM photos WHERE {which}"
        )


def _parts(sizes: Sequence[tuple[str, int]], most: int) -> Iterator[list[str]]:
    """Names in order, in lists of no more than ``most`` photos unless one name has more."""
    part: list[str] = []
    photos = 0
    for name, size in sizes:
        if part and photos + size > most:
            yield part
            part, photos = [], 0
        part.append(name)
        photos += size
    if part:
        yield part


def _changes(values: Sequence[str]) -> list[bool]:
    return [at == 0 or values[at] != values[at - 1] for at in range(len(values))]
