from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.data.rejection_lists import COLUMNS, write_rejections_csv
from aplantida.domain.escaping import read_csv
from aplantida.domain.reason_words import in_words
from aplantida.domain.record import REJECTION_SCHEMA, Reason


def write(tmp_path: Path, rows: list[dict[str, str | None]]) -> str:
    pq.write_table(pa.Table.from_pylist(rows, REJECTION_SCHEMA), tmp_path / "r.parquet")
    write_rejections_csv(tmp_path / "r.parquet", tmp_path / "r.csv")
    return (tmp_path / "r.csv").read_text(encoding="utf-8")


def test_rows_are_those_of_the_table_with_words_and_without_secrets_and_formulas(tmp_path: Path) -> None:
    reasons = list(Reason)
    rows = [
        {
            "image_id": None if number % 3 else f"{number:032x}",
            "document_id": f"d{number}",
            "scientific_name": "=HYPERLINK(1)",
            "url": None if number % 3 else f"http://a.org/{number}.jpg?token=hidden&n=1",
            "reason": reasons[number % len(reasons)],
            "detail": 'a "quoted", line\nand another',
        }
        for number in range(25_000)
    ]
    text = write(tmp_path, rows)
    assert "hidden" not in text
    assert ",=HYPERLINK" not in text
    found = read_csv(text.splitlines())
    assert len(found) == len(rows)
    for row, cells in zip(rows, found, strict=True):
        assert cells["scientific_name"] == "=HYPERLINK(1)"
        assert cells["document_id"] == row["document_id"]
        assert (cells["reason_es"], cells["reason_en"]) == in_words(str(row["reason"]))
        assert cells["url"] == ("" if row["url"] is None else str(row["url"]).replace("token=hidden&", ""))


def test_nothing_refused_is_a_header(tmp_path: Path) -> None:
    assert write(tmp_path, []) == ",".join(COLUMNS) + "\n"
