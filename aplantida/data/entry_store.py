"""All entries of a collection in a database, for the checks that need all of them and for what is written.

Memory stays bounded however many entries there are.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from aplantida.data.database import Database, id_ranges, quoted
from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason

REASONS_TOGETHER = frozenset(
    {Reason.SAME_URL_IN_ONE_SPECIES, Reason.SAME_URL_IN_TWO_SPECIES, Reason.SPECIES_WITH_TOO_FEW_IMAGES}
)
_ORDER = "document_id, position, url"


class EntryStore:
    """Entries with their first reason. Fill it with :meth:`add`, then :meth:`check_together`, then read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create("entries", ENTRY_SCHEMA)

    def add(self, entries: pa.Table) -> None:
        """Keep a table of ``ENTRY_SCHEMA``."""
        self._database.insert("entries", entries)

    def check_together(self, min_images_per_species: int) -> None:
        """The checks that need all entries: same URL twice, then species with too few images.

        A URL that two species claim is refused for both. Of a URL that one species names several times the first entry,
        by document id and position, stays.
        """
        least = int(min_images_per_species)
        self._database.run(
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
        return self._database.batches(f"SELECT * FROM checked ORDER BY {_ORDER}").read_all().cast(ENTRY_SCHEMA)

    def write_records(self, parquet: Path, json_lines: Path) -> None:
        """Write the accepted entries, by ``image_id``: as Parquet of ``RECORD_SCHEMA`` and as JSON lines."""
        columns, database = ", ".join(RECORD_SCHEMA.names), self._database
        total = database.fetch("SELECT count(*) FROM checked WHERE reason IS NULL")[0][0]
        parts = [
            f"SELECT {columns} FROM checked WHERE reason IS NULL AND image_id >= '{low}' AND image_id < '{high}' "
            "ORDER BY image_id"
            for low, high in id_ranges(total // database.rows_sorted_at_once + 1)
        ]
        database.write_parquet(parquet, RECORD_SCHEMA, parts)
        database.write_json_lines(json_lines, f"FROM read_parquet({quoted(parquet)})")

    def write_rejections(self, parquet: Path) -> None:
        """Write the refused entries and documents as Parquet of ``REJECTION_SCHEMA``, by document id and position."""
        columns = ", ".join(REJECTION_SCHEMA.names)
        query = f"SELECT {columns} FROM checked WHERE reason IS NOT NULL ORDER BY {_ORDER}"
        self._database.write_parquet(parquet, REJECTION_SCHEMA, [query])

    def count(self, column: str, *, accepted: bool = False) -> dict[str, int]:
        """How often each value of a column of ``ENTRY_SCHEMA`` occurs, by value; nulls are left out.

        Args:
            column: its name.
            accepted: over the accepted entries only.
        """
        where = "AND reason IS NULL" if accepted else ""
        query = f"SELECT {column}, count(*) FROM checked WHERE {column} IS NOT NULL {where} GROUP BY ALL ORDER BY ALL"
        return dict(self._database.fetch(query))

    def count_distinct(self, column: str) -> int:
        """How many different values a column has, nulls left out."""
        return int(self._database.fetch(f"SELECT count(DISTINCT {column}) FROM checked")[0][0])
