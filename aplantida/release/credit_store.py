"""The credits of all photos of a split in a scratch database: memory stays bounded however many there are.

The split's strangers are looked at as its photos are, and have no credits: a model is calibrated on them, and learns
nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate, groupby
from pathlib import Path

import pyarrow as pa

from aplantida.data.database import Database, quoted
from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.escaping import sql_csv_cell
from aplantida.domain.record import RECORD_SCHEMA

CREDIT_SCHEMA = pa.schema(
    [RECORD_SCHEMA.field(name) for name in ("image_id", "scientific_name", "author", "license_id", "source", "url")]
)
_WITHDRAWN = pa.schema([(name, pa.string()) for name in ("image_id", "scientific_name", "url", "refusal")])
_REFUSALS = pa.schema([("license_id", pa.string()), ("nameless", pa.bool_()), ("refusal", pa.string())])


class CreditStore:
    """Credits, a row a photo of the split. Fill it with :meth:`add`, ask what is :meth:`absent`, then read.

    Args:
        database: an empty one.
        split: ``split.parquet``.
        strangers: ``strangers.parquet``, where the split has one.
        secrets: of addresses: no credit and no sentence has one.
    """

    def __init__(
        self, database: Database, split: Path, strangers: Path | None = None, secrets: AddressSecrets = USUAL
    ) -> None:
        self._database, self._secrets = database, secrets
        self._has_strangers = strangers is not None
        for name in ("credits", "strangers"):
            database.create(name, CREDIT_SCHEMA)
        database.run("CREATE VIEW looked_at AS SELECT * FROM credits UNION ALL SELECT * FROM strangers")
        database.run(f"CREATE TABLE wanted AS SELECT image_id FROM read_parquet({quoted(split)})")
        database.run("CREATE TABLE strange AS SELECT image_id FROM wanted LIMIT 0")
        if strangers is not None:
            others = f"read_parquet({quoted(strangers)}) ANTI JOIN wanted USING (image_id)"
            database.run(f"INSERT INTO strange SELECT image_id FROM {others}")
        database.run("CREATE VIEW seen AS SELECT image_id FROM wanted UNION ALL SELECT image_id FROM strange")
        database.create("withdrawn", _WITHDRAWN)

    def add(self, photos: pa.Table) -> None:
        """Keep the credits of the split's photos and strangers among these; an empty author is null.

        Args:
            photos: rows that have the columns of ``CREDIT_SCHEMA``.
        """
        rows = _changed(photos, "author", lambda author: self._secrets.public_text(author).strip() or None)
        rows = _changed(_changed(rows, "source", self._secrets.public_text), "url", self._secrets.public)
        rows = rows.select(CREDIT_SCHEMA.names).cast(CREDIT_SCHEMA)
        self._database.create("photos", CREDIT_SCHEMA)
        self._database.insert("photos", rows)
        self._database.run("INSERT INTO credits SELECT * FROM photos SEMI JOIN wanted USING (image_id)")
        if self._has_strangers:
            self._database.run("INSERT INTO strangers SELECT * FROM photos SEMI JOIN strange USING (image_id)")
        self._database.run("DROP TABLE photos")

    def absent(self) -> tuple[int, str | None]:
        """How many photos of the split, its strangers among them, were not there to be looked at; the first by id."""
        return self._database.fetch("SELECT count(*), min(image_id) FROM seen ANTI JOIN looked_at USING (image_id)")[0]

    def by_license(self, *, strangers: bool = False) -> dict[str, int]:
        """Photos by licence, most frequent first; with those of strangers on demand."""
        rows = "looked_at" if strangers else "credits"
        query = f"SELECT license_id, count(*) FROM {rows} GROUP BY ALL ORDER BY count(*) DESC, license_id"
        return dict(self._database.fetch(query))

    def count(self) -> dict[str, int]:
        """How many photos, species and authors there are, and photos without author."""
        query = """SELECT count(*), count(DISTINCT scientific_name), count(DISTINCT author),
                          count(*) FILTER (author IS NULL) FROM credits"""
        names = ("num_photos", "num_species", "num_authors", "num_nameless")
        return dict(zip(names, self._database.fetch(query)[0], strict=True))

    def authors(self, limit: int) -> list[tuple[str, int]]:
        """Those who took most photos, and how many."""
        return self._database.fetch(
            "SELECT author, count(*) FROM credits WHERE author IS NOT NULL GROUP BY ALL "
            f"ORDER BY count(*) DESC, author LIMIT {int(limit)}"
        )

    def withdraw(self, photos: pa.Table) -> None:
        """Refuse the photos of the split among these, and its strangers, whatever their licence.

        Args:
            photos: rows of ``image_id``, ``scientific_name``, ``url`` and ``refusal``.
        """
        photos = _changed(_changed(photos, "url", self._secrets.public), "refusal", self._secrets.public_text)
        self._database.create("opted_out", _WITHDRAWN)
        self._database.insert("opted_out", photos.select(_WITHDRAWN.names).cast(_WITHDRAWN))
        self._database.run("INSERT INTO withdrawn SELECT * FROM opted_out SEMI JOIN seen USING (image_id)")
        self._database.run("DROP TABLE opted_out")

    def refuse(self, refusals: Mapping[tuple[str, bool], str]) -> None:
        """Say which photos are refused, before :meth:`violations` is read; a withdrawn one is so whatever its licence.

        Args:
            refusals: why, by licence and by whether the photo's author is not given.
        """
        rows = [(license_id, nameless, why) for (license_id, nameless), why in refusals.items()]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
        self._database.create("refusals", _REFUSALS)
        self._database.insert("refusals", pa.table(columns, _REFUSALS))
        self._database.run(
            """
            CREATE VIEW violations AS
            SELECT image_id,
                   'photo ' || image_id || ' (' || scientific_name || ', ' || url || '): ' || refusal AS sentence
            FROM looked_at JOIN refusals
            ON looked_at.license_id = refusals.license_id AND (looked_at.author IS NULL) = refusals.nameless
            WHERE image_id NOT IN (SELECT image_id FROM withdrawn)
            UNION ALL
            SELECT image_id, 'photo ' || image_id || ' (' || scientific_name || ', ' || url || '): ' || refusal
            FROM withdrawn
            """
        )

    def violations(self, limit: int) -> tuple[int, list[str]]:
        """How many photos are refused, and the first ``limit`` of them by id, a sentence each."""
        first = f"SELECT sentence FROM violations ORDER BY image_id LIMIT {int(limit)}"
        return self._num("violations"), [sentence for (sentence,) in self._database.fetch(first)]

    def refused_among(self, photos: pa.Table) -> list[tuple[str, str | None, str]]:
        """Of these photos the refused ones by id: (image_id, license_text, a sentence).

        Args:
            photos: rows with ``image_id`` and ``license_text``.
        """
        self._database.create("asked", photos.schema)
        self._database.insert("asked", photos)
        query = "SELECT image_id, license_text, sentence FROM asked JOIN violations USING (image_id) ORDER BY image_id"
        rows = self._database.fetch(query)
        self._database.run("DROP TABLE asked")
        return [(image_id, text and self._secrets.public_text(text), sentence) for image_id, text, sentence in rows]

    def missing_author(self, license_ids: list[str], limit: int) -> tuple[int, list[str]]:
        """How many photos under these licences give no author, and the first ``limit`` ids of them."""
        some = f"credits WHERE author IS NULL AND license_id IN ({', '.join(map(quoted, license_ids)) or 'NULL'})"
        ids = self._database.fetch(f"SELECT image_id FROM {some} ORDER BY image_id LIMIT {int(limit)}")
        return self._num(some), [image_id for (image_id,) in ids]

    def write_list(self, parquet: Path, csv: Path) -> None:
        """Write every credit by species, author and ``image_id``: as Parquet of ``CREDIT_SCHEMA`` and as CSV."""
        columns = ", ".join(CREDIT_SCHEMA.names)
        order = "scientific_name, author NULLS LAST, image_id"
        parts = [
            f"SELECT {columns} FROM credits "
            f"WHERE scientific_name BETWEEN {quoted(first)} AND {quoted(last)} ORDER BY {order}"
            for first, last in self._species_ranges()
        ]
        self._database.write_parquet(parquet, CREDIT_SCHEMA, parts)
        cells = ", ".join(f"{sql_csv_cell(name)} AS {name}" for name in CREDIT_SCHEMA.names)
        rows = f"SELECT {cells} FROM read_parquet({quoted(parquet)})"
        self._database.run(f"COPY ({rows}) TO {quoted(csv)} (FORMAT csv, HEADER, FORCE_QUOTE *)")

    def _species_ranges(self) -> list[tuple[str, str]]:
        """Species in ranges (first and last name) of no more photos than may be sorted at once, where that can be."""
        query = "SELECT scientific_name, count(*) FROM credits GROUP BY ALL ORDER BY scientific_name"
        counted = self._database.fetch(query)
        most = self._database.rows_sorted_at_once
        parts = (total // most for total in accumulate(count for _, count in counted))
        numbered = zip(parts, (name for name, _ in counted), strict=True)
        ranges = ([name for _, name in some] for _, some in groupby(numbered, key=lambda item: item[0]))
        return [(names[0], names[-1]) for names in ranges]

    def _num(self, rows: str) -> int:
        return int(self._database.fetch(f"SELECT count(*) FROM {rows}")[0][0])


def _changed(rows: pa.Table, name: str, change: Callable[[str], str | None]) -> pa.Table:
    """Rows with another text in a column, made of what was there."""
    texts = [None if text is None else change(text) for text in rows[name].to_pylist()]
    return rows.set_column(rows.schema.get_field_index(name), name, pa.array(texts, pa.string()))
