"""Lists of what was refused, for people: CSV beside the Parquet, with each reason in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from aplantida.domain.address_secrets import public_address
from aplantida.domain.escaping import csv_text
from aplantida.domain.reason_words import in_words
from aplantida.domain.record import REJECTION_SCHEMA

COLUMNS = (*REJECTION_SCHEMA.names, "reason_es", "reason_en")
_ROWS_AT_ONCE = 10_000


def write_rejections_csv(parquet: Path, csv: Path) -> None:
    """Write a table of ``REJECTION_SCHEMA`` as CSV with ``COLUMNS``; memory stays bounded.

    Addresses are without their secrets, and no cell is a formula.
    """
    with csv.open("w", encoding="utf-8", newline="") as stream, pq.ParquetFile(parquet) as file:
        stream.write(csv_text(COLUMNS, ()))
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            stream.write(csv_text(COLUMNS, _rows(batch.to_pylist())).partition("\n")[2])


def _rows(refused: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in refused:
        words = in_words(row["reason"])
        url = None if row["url"] is None else public_address(row["url"])
        yield {**row, "url": url, "reason_es": words.es, "reason_en": words.en}
