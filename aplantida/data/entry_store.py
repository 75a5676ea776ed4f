"""All entries of a collection in a database, for the checks that need all of them and for what is written.

Memory stays bounded however many entries there are: DuckDB groups, joins and sorts on disk beyond its limit.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason

ROWS_PER_GROUP = 32_768
ROWS_SORTED_PER_MB = 500
REASONS_TOGETHER = frozenset(
    {Reason.SAME_URL_IN_ONE_SPECIES, Reason.SAME_URL_IN_TWO_SPECIES, Reason.SPECIES_WITH_TOO_FEW_IMAGES}
)
_ORDER = "document_id, position, url"


class EntryStore:
    """Entries with their first reason. Fill it with :meth:`add`, then :meth:`check_together`, then read."""

    def __init__(self, database: duckdb.DuckDBPyConnection, memory_mb: int) -> None:
        self._database = database
        self._rows_sorted_at_once = memory_mb * ROWS_SORTED_PER_MB
        empty = ENTRY_SCHEMA.empty_table()
        self._with_table("CREATE TABLE entries AS SELECT * FROM given", empty)

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, memory_mb: int = 512, num_threads: int = 1) -> Iterator[EntryStore]:
        """An empty store.

        Args:
            folder: where it puts what goes beyond its memory; what an earlier one left there is removed.
            memory_mb: what the database may hold in memory, MB.
            num_threads: of the database.
        """
        shutil.rmtree(folder, ignore_errors=True)
        settings = {"memory_limit": f"{memory_mb}MB", "threads": num_threads, "temp_directory": str(folder)}
        with duckdb.connect(":memory:", config=settings) as database:
            yield cls(database, memory_mb)

    def add(self, entries: pa.Table) -> None:
        """Keep a table of ``ENTRY_SCHEMA``."""
        self._with_table("INSERT INTO entries SELECT * FROM given", entries)

    def check_together(self, min_images_per_species: int) -> None:
        """The checks that need all entries: same URL twice, then species with too few images.

        A URL that two species claim is refused for both. Of a URL that one species names several times the first entry,
        by document id and position, stays.
        """
        least = int(min_images_per_species)
        self._database.execute(
            f"""
            CREATE TABLE repeated AS
            SELECT url, min(row(document_id, position)) AS kept, count(DISTINCT scientific_name) AS num_species,
                   array_to_string(list_sort(list(DISTINCT scientific_name)), '; ') AS names
            FROM entries
            JOIN (SELECT url FROM entries WHERE reason IS NULL GROUP BY url HAVING count(*) > 1) USING (url)
            WHERE reason IS NULL GROUP BY url;

            CREATE VIEW with_urls_checked AS
            SELECT entries.* REPLACE (
                CASE WHEN reason IS NOT NULL THEN reason
                     WHEN num_species > 1 THEN '{Reason.SAME_URL_IN_TWO_SPECIES}'
                     WHEN row(document_id, position) <> kept THEN '{Reason.SAME_URL_IN_ONE_SPECIES}' END AS reason,
                CASE WHEN reason IS NULL AND num_species > 1 THEN names ELSE detail END AS detail)
            FROM entries LEFT JOIN repeated ON entries.reason IS NULL AND entries.url = repeated.url;

            CREATE TABLE species AS
            SELECT scientific_name, count(*) AS num_images FROM with_urls_checked WHERE reason IS NULL GROUP BY ALL;

            CREATE VIEW checked AS
            SELECT with_urls_checked.* REPLACE (
                CASE WHEN reason IS NULL AND num_images < {least} THEN '{Reason.SPECIES_WITH_TOO_FEW_IMAGES}'
                     ELSE reason END AS reason,
                CASE WHEN reason IS NULL AND num_images < {least}
                     THEN num_images || ' images, want {least}' ELSE detail END AS detail)
            FROM with_urls_checked LEFT JOIN species USING (scientific_name)
            """
        )

    def entries(self) -> pa.Table:
        """All checked entries by document id and position, in memory."""
        return self._batches(f"SELECT * FROM checked ORDER BY {_ORDER}").read_all().cast(ENTRY_SCHEMA)

    def write_records(self, parquet: Path, json_lines: Path) -> None:
        """Write the accepted entries, by ``image_id``: as Parquet of ``RECORD_SCHEMA`` and as JSON lines."""
        columns = ", ".join(RECORD_SCHEMA.names)
        accepted = f"SELECT {columns} FROM checked WHERE reason IS NULL"
        total = self._fetch("SELECT count(*) FROM checked WHERE reason IS NULL")[0][0]
        parts = [  # each small enough to be sorted in memory; the ids are hashes, so that parts are of one size
            f"{accepted} AND image_id >= '{low}' AND image_id < '{high}' ORDER BY image_id"
            for low, high in _id_ranges(total // self._rows_sorted_at_once + 1)
        ]
        self._write(parts, RECORD_SCHEMA, parquet)
        self._database.execute(f"COPY (FROM read_parquet({_quoted(parquet)})) TO {_quoted(json_lines)} (FORMAT json)")

    def write_rejections(self, parquet: Path) -> None:
        """Write the refused entries and documents as Parquet of ``REJECTION_SCHEMA``, by document id and position."""
        columns = ", ".join(REJECTION_SCHEMA.names)
        query = f"SELECT {columns} FROM checked WHERE reason IS NOT NULL ORDER BY {_ORDER}"
        self._write([query], REJECTION_SCHEMA, parquet)

    def count(self, column: str, *, accepted: bool | None = None) -> dict[str, int]:
        """How often each value of a column occurs, by value; nulls are left out.

        Args:
            column: of ``ENTRY_SCHEMA``.
            accepted: only of accepted entries (True), only of refused ones (False), of all (None).
        """
        where = {True: "AND reason IS NULL", False: "AND reason IS NOT NULL", None: ""}[accepted]
        query = f"SELECT {column}, count(*) FROM checked WHERE {column} IS NOT NULL {where} GROUP BY ALL ORDER BY ALL"
        return dict(self._fetch(query))

    def count_distinct(self, column: str, *, accepted: bool = False) -> int:
        """How many different values a column has, nulls left out; ``accepted``: over the accepted entries only."""
        where = "WHERE reason IS NULL" if accepted else ""
        return int(self._fetch(f"SELECT count(DISTINCT {column}) FROM checked {where}")[0][0])

    def _with_table(self, statement: str, given: pa.Table) -> None:
        self._database.register("given", given)
        self._database.execute(statement)
        self._database.unregister("given")

    def _fetch(self, query: str) -> list[Any]:
        return self._database.execute(query).fetchall()

    def _batches(self, query: str) -> pa.RecordBatchReader:
        return self._database.sql(query).to_arrow_reader(ROWS_PER_GROUP)

    def _write(self, queries: Sequence[str], schema: pa.Schema, path: Path) -> None:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            batches = (batch for query in queries for batch in self._batches(query))
            for table in _of_equal_size(pa.Table.from_batches([batch]).cast(schema) for batch in batches):
                writer.write_table(table)


def _of_equal_size(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ``ROWS_PER_GROUP``, the last one excepted: bytes that hang on the rows alone."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        while sum(some.num_rows for some in held) >= ROWS_PER_GROUP:
            joined = pa.concat_tables(held)
            yield joined.slice(0, ROWS_PER_GROUP).combine_chunks()
            held = [joined.slice(ROWS_PER_GROUP)]
    rest = pa.concat_tables(held).combine_chunks() if held else None
    if rest is not None and rest.num_rows:
        yield rest


def _id_ranges(number: int) -> list[tuple[str, str]]:
    """Cut the ids (hex digits) into ``number`` ranges of one size: the first id of each, and the first of the next."""
    cuts = [f"{16**8 * at // number:08x}" for at in range(number)]
    return list(zip(cuts, [*cuts[1:], "g"], strict=True))


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
