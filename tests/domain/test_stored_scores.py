from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aplantida.domain.scores import ScoreTable
from aplantida.domain.stored_scores import ScoreMatrix, StoredScores
from aplantida.evaluation.calibration import at_temperatures, loss_curves
from aplantida.evaluation.metrics import outcomes_of
from aplantida.pipeline.session import writing_session
from aplantida.pipeline.writer import ArtifactWriter

ROWS, CLASSES = 3000, tuple(f"c{number:03d}" for number in range(200))


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    logits = np.random.default_rng(2).normal(0, 2, (ROWS, len(CLASSES))).astype(np.float16)
    ids = np.array([f"{row:032x}" for row in range(ROWS)])
    return ScoreTable(ids, np.zeros(ROWS, np.int16), CLASSES, logits)


@pytest.fixture
def stored(table: ScoreTable, tmp_path: Path) -> StoredScores:
    pq.write_table(table.to_arrow(), tmp_path / "scores.parquet", row_group_size=512)
    return StoredScores(tmp_path / "scores.parquet")


def test_a_stored_table_is_judged_like_one_in_memory_to_the_last_bit(table: ScoreTable, stored: StoredScores) -> None:
    labels = np.random.default_rng(3).integers(0, len(CLASSES), ROWS)
    assert len(stored) == ROWS
    assert stored.class_ids == CLASSES
    assert stored.image_ids.tolist() == table.image_ids.tolist()
    one, other = outcomes_of(table, labels), outcomes_of(stored, labels)
    for name in ("ranks", "predictions", "losses"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert loss_curves(table, labels).fit() == loss_curves(stored, labels).fit()
    for one, other in zip(*(at_temperatures(part, labels, [2.0]) for part in (table, stored)), strict=True):
        assert np.array_equal(one, other)


def test_blocks_are_whole_row_groups_in_order(table: ScoreTable, stored: StoredScores) -> None:
    for num_rows, lengths in ((1024, [1024, 1024, 952]), (100, [512] * 5 + [440]), (10_000, [3000])):
        blocks = list(stored.blocks(num_rows))
        assert [len(block) for _, block in blocks] == lengths
        for at, block in blocks:
            assert np.array_equal(block.logits, table.logits[at])


def test_a_matrix_is_filled_in_any_order_and_read_in_its_own(table: ScoreTable, tmp_path: Path) -> None:
    matrix = ScoreMatrix(tmp_path / "matrix", ROWS, CLASSES)
    order = np.random.default_rng(4).permutation(ROWS)
    for rows in np.array_split(order, 7):
        matrix.write(rows, table.logits[rows])
    again = ScoreMatrix(tmp_path / "matrix", ROWS, CLASSES)
    assert again.token == matrix.token
    parts = list(again.tables(table.image_ids[100:2200], 100, 1024))
    assert [len(part) for part in parts] == [1024, 1024, 52]
    assert np.array_equal(np.concatenate([part.logits for part in parts]), table.logits[100:2200])
    assert [len(part) for part in again.tables(table.image_ids[:0], ROWS, 1024)] == [0]
    assert ScoreMatrix(tmp_path / "matrix", ROWS - 1, CLASSES).token != matrix.token


def test_a_table_written_in_parts_has_the_bytes_of_the_whole(table: ScoreTable, tmp_path: Path) -> None:
    matrix = ScoreMatrix(tmp_path / "matrix", ROWS, CLASSES)
    matrix.write(np.arange(ROWS), table.logits)
    with writing_session(tmp_path / "a", {}) as session:
        writer = ArtifactWriter(tmp_path / "a", session)
        whole = writer.write_table("whole.parquet", table.to_arrow())
        tracemalloc.start()
        parts = writer.write_tables("p", (part.to_arrow() for part in matrix.tables(table.image_ids, 0, 512)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (parts.bytes, parts.sha256) == (whole.bytes, whole.sha256)
    assert peak < table.logits.nbytes
