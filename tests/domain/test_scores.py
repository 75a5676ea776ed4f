from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from aplantida.domain.scores import TAIL_TEMPERATURES, ScoreTable, concat, log_sum_exp, tail_at


def table(rows: int = 5, classes: int = 60) -> ScoreTable:
    random = np.random.default_rng(3)
    ids = np.array([f"{row:032x}" for row in range(rows)])
    logits = random.normal(0, 4, (rows, classes)).astype(np.float16)
    return ScoreTable(ids, np.arange(rows, dtype=np.int16), tuple(f"c{i:03}" for i in range(classes)), logits)


def test_dense_and_top_k_round_trip_through_arrow() -> None:
    for scores in (table(), table().to_top_k(7)):
        back = ScoreTable.from_arrow(scores.to_arrow())
        assert back.class_ids == scores.class_ids
        assert back.is_dense == scores.is_dense
        np.testing.assert_array_equal(back.logits, scores.logits)
        np.testing.assert_array_equal(back.image_ids, scores.image_ids)
        assert len(concat([back, back.take([1, 0])])) == 7


def test_top_k_holds_the_largest_and_the_tail_holds_the_rest() -> None:
    dense = table()
    top = dense.to_top_k(7)
    assert top.indices is not None
    assert top.tail_logsumexp is not None
    assert top.tail_count == 53
    values = dense.logits.astype(np.float64)
    for row in range(len(dense)):
        assert set(top.indices[row]) == set(np.argsort(values[row])[-7:])
        assert list(top.logits[row]) == sorted(top.logits[row], reverse=True)
        rest = np.delete(values[row], top.indices[row])
        for column, temperature in enumerate(TAIL_TEMPERATURES):
            expected = np.log(np.exp(rest / temperature).sum())
            assert top.tail_logsumexp[row, column] == pytest.approx(expected, abs=1e-4)


def test_equal_logits_are_kept_in_class_order_and_bad_ones_are_refused() -> None:
    logits = np.array([[1, 3, 2, 2, 2, 0], [5, 5, 5, 5, 5, 5]], np.float16)
    scores = ScoreTable(np.array(["a", "b"]), np.zeros(2, np.int16), tuple("uvwxyz"), logits)
    indices = scores.to_top_k(3).indices
    assert indices is not None
    assert indices.tolist() == [[1, 2, 3], [0, 1, 2]]
    logits[1, 4] = np.inf
    with pytest.raises(ValueError, match="photo b, view 0: its scores hold a value that is not finite"):
        scores.to_top_k(3)


def test_the_tail_between_stored_temperatures() -> None:
    dense = table(20, 400)
    top = dense.to_top_k(20)
    assert top.tail_logsumexp is not None
    assert top.indices is not None
    for temperature in (1.2, 2.5, 5.0, 7.0):
        rest = np.stack([np.delete(row, at) for row, at in zip(dense.logits.astype(float), top.indices, strict=True)])
        np.testing.assert_allclose(tail_at(top.tail_logsumexp, temperature), log_sum_exp(rest / temperature), atol=0.12)
    np.testing.assert_allclose(tail_at(top.tail_logsumexp, 3.0), top.tail_logsumexp[:, 3], atol=1e-6)
    with pytest.raises(ValueError, match="temperature"):
        tail_at(top.tail_logsumexp, 9.0)


def test_parts_that_do_not_fit_are_refused() -> None:
    scores = table()
    with pytest.raises(ValueError, match="columns"):
        ScoreTable(scores.image_ids, scores.views, scores.class_ids[:-1], scores.logits)
    with pytest.raises(ValueError, match="to_top_k"):
        scores.to_top_k(60)
    with pytest.raises(ValueError, match="not a score table"):
        ScoreTable.from_arrow(pa.table({"image_id": ["a"]}))


def test_only_tables_of_the_same_classes_are_joined() -> None:
    scores = table()
    renamed = ScoreTable(scores.image_ids, scores.views, tuple(reversed(scores.class_ids)), scores.logits)
    with pytest.raises(ValueError, match="score table 1 speaks of other classes"):
        concat([scores, renamed])
    with pytest.raises(ValueError, match="no score tables"):
        concat([])
