"""All entries of a collection, for the checks that need all of them and for what is written.

Memory stays bounded however many entries there are, however wide: a database holds what the checks and counts need of
each (its *facts*: names, ids, the URL's hash), the rest stays in the runs that the collection's readers wrote.
"""

# pyarrow makes its compute functions when it is imported: a type checker does not see them
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aplantida.data.addresses import public_addresses, with_public_addresses
from aplantida.data.database import Database, quoted, write_parquet
from aplantida.data.entry_runs import NUM_BUCKETS, RunReader
from aplantida.domain.address_secrets import USUAL, AddressSecrets
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason

ENTRIES_MAY_LACK = ("license_text", "author", "source", "observation_id", "observed_on", "country")
DOCUMENTS_MAY_LACK = ("family", "common_names", "distribution")
_MAY_LACK = (*ENTRIES_MAY_LACK, *DOCUMENTS_MAY_LACK)
_NAMES = ("scientific_name", "synonym", "name_authors", "refused_name")
UNREAD = ("unread_date", "unread_country", "unread_distribution")
_AS_THEY_ARE = (
    "document_id",
    "position",
    *_NAMES,
    "license_id",
    "license_text",
    "reason",
    *UNREAD,
    "is_date_ambiguous",
)
_CREATE_FACTS = f"""
CREATE TABLE entries (
    entry BIGINT, bucket UTINYINT, document_id VARCHAR, position INTEGER, license_id VARCHAR, license_text VARCHAR,
    reason VARCHAR, url UHUGEINT, plant UHUGEINT, is_date_ambiguous BOOLEAN,
    {", ".join(f"{name} VARCHAR" for name in (*_NAMES, *UNREAD))},
    {", ".join(f"lacks_{name} BOOLEAN" for name in _MAY_LACK)}
)
"""
_ROWS_PER_RUN = 1 << 32  # at most: an entry's number is its run's times this, and its place in there
_ROWS_AT_A_TIME = 16_384
MOST_REFUSED_NAMES = 1000  # in reports: all of them are among the rejections
SPECIES_SCHEMA = pa.schema(
    [
        pa.field("scientific_name", pa.string(), nullable=False),
        pa.field("num_records", pa.int32(), nullable=False),
        pa.field("authors", pa.string()),  # as most records give them; null where none does
    ]
)
_REFUSED_SCHEMA = pa.schema([*REJECTION_SCHEMA, pa.field("position", pa.int32())])


class EntryStore:
    """Entries with their first reason. Fill it with :meth:`add`, then :meth:`check_together`, then read.

    Attributes:
        database: holds the table ``entries`` of facts, and once they are checked the view ``checked``: the same with
            the reasons that come of looking at all entries.
        secrets: of addresses: not compared, nor shown.
    """

    def __init__(self, database: Database, secrets: AddressSecrets = USUAL) -> None:
        self.database, self.secrets = database, secrets
        self._runs: list[Path] = []
        self._starts: list[list[int]] = []  # of each run: the row where each bucket begins, and the number of rows
        database.run(_CREATE_FACTS)

    def add(self, run: Path) -> None:
        """Take a run in, which stays where it is."""
        columns = dict.fromkeys((*_AS_THEY_ARE, "url", *_MAY_LACK))
        table = RunReader(run, list(columns)).read()
        sizes = [len(chunk) for chunk in table["url"].chunks]
        first = len(self._runs) * _ROWS_PER_RUN
        self._runs.append(run)
        self._starts.append([0, *np.cumsum(sizes).tolist()])
        facts = {
            "entry": pa.array(np.arange(first, first + table.num_rows)),
            "bucket": pa.array(np.repeat(np.arange(len(sizes), dtype=np.uint8), sizes)),
            **{name: table[name] for name in _AS_THEY_ARE},
            "url": public_addresses(table["url"], secrets=self.secrets),  # a link that is signed twice is one
            "plant": _plants(table),
            **{f"lacks_{name}": _is_lacking(table[name]) for name in _MAY_LACK},
        }
        self.database.insert(
            "entries", pa.table(facts), "* REPLACE (md5_number(url) AS url, md5_number(plant) AS plant)"
        )

    def check_together(self, min_images_per_species: int) -> None:
        """The checks that need all entries: same URL twice, then species with too few images.

        A URL that two species claim is refused for both. Of a URL that one species names several times the first entry,
        by document id and position, stays (in a view many documents may have one id).
        """
        least = int(min_images_per_species)
        self.database.run(
            f"""
            CREATE TABLE repeated AS
            SELECT url, min(row(document_id, position, entry)) AS kept, count(DISTINCT scientific_name) AS num_species
            FROM entries SEMI JOIN (SELECT url FROM entries WHERE reason IS NULL GROUP BY url HAVING count(*) > 1)
            USING (url) WHERE reason IS NULL GROUP BY url;

            CREATE TABLE claimed AS
            SELECT url, array_to_string(list_sort(list(DISTINCT scientific_name)), '; ') AS names
            FROM entries SEMI JOIN (FROM repeated WHERE num_species > 1) USING (url)
            WHERE reason IS NULL GROUP BY url;

            CREATE TABLE verdicts AS
            SELECT entry, bucket, names AS detail,
                   CASE WHEN num_species > 1 THEN '{Reason.SAME_URL_IN_TWO_SPECIES}'
                        ELSE '{Reason.SAME_URL_IN_ONE_SPECIES}' END AS reason
            FROM entries JOIN repeated USING (url) LEFT JOIN claimed USING (url)
            WHERE entries.reason IS NULL AND (num_species > 1 OR row(document_id, position, entry) <> kept);

            CREATE TABLE species AS
            SELECT scientific_name, count(*) AS num_images FROM entries ANTI JOIN verdicts USING (entry)
            WHERE reason IS NULL GROUP BY ALL;

            INSERT INTO verdicts
            SELECT entry, bucket, num_images || ' images, want {least}', '{Reason.SPECIES_WITH_TOO_FEW_IMAGES}'
            FROM entries JOIN (FROM species WHERE num_images < {least}) USING (scientific_name)
            ANTI JOIN verdicts USING (entry) WHERE reason IS NULL;

            CREATE VIEW checked AS
            SELECT entries.* REPLACE (coalesce(entries.reason, verdicts.reason) AS reason)
            FROM entries LEFT JOIN verdicts USING (entry)
            """
        )

    def write_records(self, parquet: Path, json_lines: Path) -> None:
        """Write the accepted entries, by ``image_id``: as Parquet of ``RECORD_SCHEMA`` and as JSON lines."""
        write_parquet(parquet, RECORD_SCHEMA, self._accepted())
        pa.default_memory_pool().release_unused()  # or it stays beside what the database takes now
        self.database.write_json_lines(json_lines, f"FROM read_parquet({quoted(parquet)})")

    def write_species(self, parquet: Path) -> None:
        """Write a row of ``SPECIES_SCHEMA`` per species of the accepted entries, by name."""
        query = """
            WITH spelled AS (
                SELECT scientific_name, name_authors, count(*) AS number FROM checked WHERE reason IS NULL GROUP BY ALL
            )
            SELECT scientific_name, sum(number)::INTEGER AS num_records,
                   arg_min(name_authors, row(-number, name_authors)) FILTER (WHERE name_authors IS NOT NULL) AS authors
            FROM spelled GROUP BY scientific_name ORDER BY scientific_name
        """
        self.database.write_parquet(parquet, SPECIES_SCHEMA, [query])

    def refused_names(self) -> dict[str, int]:
        """How many documents were refused for each name, with what was read: the most frequent of them."""
        query = f"""
            SELECT refused_name, count(*) AS documents FROM entries WHERE refused_name IS NOT NULL
            GROUP BY ALL ORDER BY documents DESC, refused_name LIMIT {MOST_REFUSED_NAMES}
        """
        return dict(self.database.fetch(query))

    def write_rejections(self, parquet: Path) -> None:
        """Write the refused entries and documents as Parquet of ``REJECTION_SCHEMA``, by document id and position."""
        self.database.create("refused", _REFUSED_SCHEMA)
        for table in self._checked(_REFUSED_SCHEMA.names):
            refused = table.filter(table["reason"].is_valid())
            self.database.insert("refused", with_public_addresses(refused, self.secrets))
        columns = ", ".join(REJECTION_SCHEMA.names)
        query = f"SELECT {columns} FROM refused ORDER BY document_id, position, url"
        self.database.write_parquet(parquet, REJECTION_SCHEMA, [query])
        self.database.run("DROP TABLE refused")

    def count(self, column: str, *, accepted: bool = False) -> dict[str, int]:
        """How often each value of a column of ``entries`` occurs, by value; nulls are left out.

        Args:
            column: its name.
            accepted: over the accepted entries only.
        """
        where = "AND reason IS NULL" if accepted else ""
        query = f"SELECT {column}, count(*) FROM checked WHERE {column} IS NOT NULL {where} GROUP BY ALL ORDER BY ALL"
        return dict(self.database.fetch(query))

    def count_distinct(self, column: str) -> int:
        """How many different values a column of ``entries`` has, nulls left out."""
        return int(self.database.fetch(f"SELECT count(DISTINCT {column}) FROM entries")[0][0])

    def urls(self) -> Iterator[pa.Array]:
        """The URLs of the entries that nothing speaks against but, maybe, other entries; those of a run at a time."""
        for run in self._runs:
            table = RunReader(run, ["url", "reason"]).read()
            yield table.filter(table["reason"].is_null())["url"].combine_chunks()

    def _accepted(self) -> Iterator[pa.Table]:
        for table in self._checked([*RECORD_SCHEMA.names, "position", "reason", "detail"]):
            order = [(name, "ascending") for name in ("image_id", "document_id", "position")]
            yield table.filter(table["reason"].is_null()).sort_by(order).select(RECORD_SCHEMA.names)

    def _checked(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows, some buckets at a time, with the reasons and details that came of looking at all entries."""
        readers = [RunReader(run, columns) for run in self._runs]
        for buckets in self._some_buckets():
            query = f"""
                SELECT entry, reason, detail FROM verdicts WHERE bucket BETWEEN {buckets[0]} AND {buckets[-1]}
                ORDER BY entry
            """
            verdicts = self.database.batches(query).read_all()
            firsts = [number * _ROWS_PER_RUN + starts[buckets[0]] for number, starts in enumerate(self._starts)]
            tables = [reader.read(buckets) for reader in readers]
            yield pa.concat_tables(
                _with_verdicts(table, first, verdicts) for table, first in zip(tables, firsts, strict=True)
            )

    def _some_buckets(self) -> Iterator[range]:
        """Ranges of buckets of some thousand rows each, unless one has more."""
        begin, sizes = 0, np.diff(np.array(self._starts)).sum(axis=0)
        for bucket in range(NUM_BUCKETS + 1):
            if bucket == NUM_BUCKETS or sizes[begin : bucket + 2].sum() > _ROWS_AT_A_TIME:
                yield range(begin, bucket + 1)
                begin = bucket + 1


def _with_verdicts(table: pa.Table, first: int, verdicts: pa.Table) -> pa.Table:
    """Rows of a run, of which the first is the entry of that number, with the reasons and details of ``verdicts``."""
    entries = verdicts["entry"].to_numpy()
    begin, end = np.searchsorted(entries, [first, first + table.num_rows]).tolist()
    mask = np.zeros(table.num_rows, bool)
    mask[entries[begin:end] - first] = True
    for name in ("reason", "detail"):
        given = verdicts[name].slice(begin, end - begin).combine_chunks()
        column = pc.replace_with_mask(table[name].combine_chunks(), pa.array(mask), given)
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _plants(table: pa.Table) -> pa.ChunkedArray:
    """Of each entry the plant it shows, as far as anybody says: its observation, or its author and day."""
    session = pc.binary_join_element_wise("s", table["author"], table["observed_on"], "\n")
    return pc.coalesce(pc.binary_join_element_wise("o", table["observation_id"], "\n"), session)


def _is_lacking(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        return pc.equal(pc.coalesce(pc.list_value_length(column), 0), 0)
    return column.is_null()
