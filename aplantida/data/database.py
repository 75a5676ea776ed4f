"""A scratch database for more rows than memory holds: DuckDB, which groups and joins on disk beyond its limit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 32_768
ROWS_SORTED_PER_MB = 500
MB_PER_THREAD = 256


class DatabaseFull(Exception):
    """Neither the memory given nor the disk beyond it has room for what was asked."""


class Database:
    """Tables of one session.

    Attributes:
        rows_sorted_at_once: how many rows a query may sort: DuckDB sorts wide rows in memory or fails.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, memory_mb: int) -> None:
        self._connection = connection
        self.rows_sorted_at_once = memory_mb * ROWS_SORTED_PER_MB

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, memory_mb: int = 512) -> Iterator[Database]:
        """An empty database, with as many threads as its memory serves: each wants buffers of its own.

        Args:
            folder: where it puts what goes beyond its memory; what an earlier one left there is removed.
            memory_mb: what it may hold in memory, MB.

        Raises:
            DatabaseFull: from inside the ``with`` block, when it can hold no more.
        """
        shutil.rmtree(folder, ignore_errors=True)
        settings = {
            "memory_limit": f"{memory_mb}MB",
            "threads": max(1, min(os.cpu_count() or 1, memory_mb // MB_PER_THREAD)),
            "temp_directory": str(folder),
        }
        try:
            with duckdb.connect(":memory:", config=settings) as connection:
                connection.execute("SET enable_progress_bar = false")
                yield cls(connection, memory_mb)
        except duckdb.OutOfMemoryException as error:
            raise DatabaseFull(str(error).splitlines()[0]) from error

    def create(self, name: str, schema: pa.Schema) -> None:
        """An empty table."""
        self._with_table(f"CREATE TABLE {name} AS SELECT * FROM given", schema.empty_table())

    def insert(self, name: str, rows: pa.Table, values: str = "*") -> None:
        """Add rows, whose columns are found by name.

        Args:
            name: of the table.
            rows: to be added.
            values: what to make of their columns first, as SQL selects it.
        """
        self._with_table(f"INSERT INTO {name} BY NAME SELECT {values} FROM given", rows)

    def run(self, statements: str) -> None:
        """Run SQL."""
        self._connection.execute(statements)

    def fetch(self, query: str) -> list[Any]:
        """All rows of a result, as tuples."""
        return self._connection.execute(query).fetchall()

    def batches(self, query: str) -> pa.RecordBatchReader:
        """The rows of a result, a batch at a time; one reader at a time."""
        return self._connection.sql(query).to_arrow_reader(ROWS_PER_GROUP)

    def write_parquet(self, path: Path, schema: pa.Schema, queries: Iterable[str]) -> None:
        """:func:`write_parquet` of the rows of some queries, one after the other."""
        batches = (batch for query in queries for batch in self.batches(query))
        write_parquet(path, schema, (pa.Table.from_batches([batch]) for batch in batches))

    def write_json_lines(self, path: Path, query: str) -> None:
        """Write the rows of a query as JSON lines; nulls are written too."""
        self.run(f"COPY ({query}) TO {quoted(path)} (FORMAT json)")

    def _with_table(self, statement: str, given: pa.Table) -> None:
        self._connection.register("given", given)
        self._connection.execute(statement)
        self._connection.unregister("given")


def write_parquet(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write rows as Parquet: bytes that hang on the rows and their order alone, however they come."""
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in _of_equal_size(table.cast(schema) for table in tables):
            writer.write_table(table)


def id_ranges(number: int) -> list[tuple[str, str]]:
    """Cut the ids (hex digits) into ``number`` ranges of one size: the first id of each, and the first of the next."""
    cuts = [f"{16**8 * at // number:08x}" for at in range(number)]
    return list(zip(cuts, [*cuts[1:], "g"], strict=True))


def quoted(value: object) -> str:
    """A text or path as SQL writes it."""
    return "'" + str(value).replace("'", "''") + "'"


def _of_equal_size(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ``ROWS_PER_GROUP``, the last one excepted."""
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
