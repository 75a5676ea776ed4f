from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplantida.distillation import dense_ensemble
from aplantida.distillation.ensemble import combine
from aplantida.distillation.opinions import TeacherScores, opinion_of
from aplantida.domain.scores import TAIL_TEMPERATURES, ScoreTable, log_sum_exp

CLASSES = tuple(f"class {number:02d}" for number in range(12))


def dense(
    logits: npt.ArrayLike, class_ids: tuple[str, ...] = CLASSES, image_ids: list[str] | None = None
) -> ScoreTable:
    values = np.asarray(logits, dtype=np.float16)
    ids = image_ids or [f"{row:032x}" for row in range(len(values))]
    return ScoreTable(np.asarray(ids), np.zeros(len(values), np.int16), class_ids, values)


def drawn(seed: int, rows: int = 5, class_ids: tuple[str, ...] = CLASSES, spread: float = 3.0) -> ScoreTable:
    return dense(np.random.default_rng(seed).normal(scale=spread, size=(rows, len(class_ids))), class_ids)


def softmax(table: ScoreTable) -> npt.NDArray[np.float64]:
    values = table.logits.astype(np.float64)
    return np.exp(values - log_sum_exp(values)[:, None])


def probabilities(table: ScoreTable) -> npt.NDArray[np.float64]:
    return np.exp(table.logits.astype(np.float64))


def test_three_teachers_one_of_them_regional_by_hand() -> None:
    classes = ("a", "b", "c", "d")
    first = dense(np.log([[0.4, 0.3, 0.2, 0.1]]), classes)
    second = dense(np.log([[0.1, 0.2, 0.3, 0.4]]), classes)
    regional = dense(np.log([[0.75, 0.25]]), ("d", "b"))
    result = combine([TeacherScores(first, 2.0), TeacherScores(second, 1.0), TeacherScores(regional, 3.0)], classes)
    # global mean: (2·first + second) / 3 = .3, .8/3, .7/3, .2; mass on {b, d} = 1.4/3 = .46667
    # regional over all: a .3, b .25·.46667 = .11667, c .23333, d .75·.46667 = .35
    # all: (2·first + second + 3·regional) / 6
    by_hand = [
        (0.8 + 0.1 + 0.9) / 6,
        (0.6 + 0.2 + 0.35) / 6,
        (0.4 + 0.3 + 0.7) / 6,
        (0.2 + 0.4 + 1.05) / 6,
    ]
    assert result.is_dense
    assert result.class_ids == classes
    assert probabilities(result)[0] == pytest.approx(by_hand, abs=1e-3)


def test_the_order_of_the_classes_of_a_teacher_does_not_matter() -> None:
    table = drawn(1)
    turned = dense(table.logits[:, ::-1], CLASSES[::-1])
    one = combine([TeacherScores(table), TeacherScores(drawn(2))], CLASSES)
    other = combine([TeacherScores(turned), TeacherScores(drawn(2))], CLASSES)
    assert np.array_equal(one.logits, other.logits)


def test_a_regional_teacher_counts_more_on_photos_of_its_region() -> None:
    classes = ("a", "b", "c")
    glob = dense(np.log([[0.2, 0.3, 0.5]] * 2), classes)
    regional = dense(np.log([[0.9, 0.1]] * 2), ("a", "b"))
    teachers = [
        TeacherScores(glob, 1.0),
        TeacherScores(regional, 1.0, weight_in_region=3.0, in_region=np.array([False, True])),
    ]
    got = probabilities(combine(teachers, classes))
    assert got[0] == pytest.approx([(0.2 + 0.45) / 2, (0.3 + 0.05) / 2, 0.5], abs=1e-3)
    assert got[1] == pytest.approx([(0.2 + 3 * 0.45) / 4, (0.3 + 3 * 0.05) / 4, 0.5], abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    weights=st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
    known=st.integers(2, 11),
)
def test_probabilities_sum_to_one_and_the_region_moves_mass_only_inside_itself(
    seed: int, weights: list[float], known: int
) -> None:
    subset = CLASSES[:known]
    tables = [drawn(seed), drawn(seed + 1), drawn(seed + 2, class_ids=subset)]
    teachers = [TeacherScores(table, weight) for table, weight in zip(tables, weights, strict=True)]
    got = probabilities(combine(teachers, CLASSES))
    assert got.sum(axis=1) == pytest.approx(np.ones(5), abs=5e-3)
    without = probabilities(combine(teachers[:2], CLASSES))
    assert got[:, known:] == pytest.approx(without[:, known:], rel=2e-2, abs=1e-6)
    assert got[:, :known].sum(axis=1) == pytest.approx(without[:, :known].sum(axis=1), abs=5e-3)


def test_one_teacher_alone_comes_out_as_it_went_in() -> None:
    table = drawn(7)
    assert probabilities(combine([TeacherScores(table, 5.0)], CLASSES)) == pytest.approx(softmax(table), abs=1e-3)


def test_weights_are_relative() -> None:
    tables = [drawn(1), drawn(2)]
    one = combine([TeacherScores(tables[0], 1.0), TeacherScores(tables[1], 3.0)], CLASSES)
    other = combine([TeacherScores(tables[0], 0.25), TeacherScores(tables[1], 0.75)], CLASSES)
    assert np.array_equal(one.logits, other.logits)


def tails_of(probability: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    rest = -np.sort(-probability, axis=1)[:, k:]
    return np.stack([np.log((rest ** (1 / t)).sum(axis=1)) for t in TAIL_TEMPERATURES], axis=1)


def test_top_k_is_taken_after_combining_dense_teachers() -> None:
    teachers = [TeacherScores(drawn(3)), TeacherScores(drawn(4, class_ids=CLASSES[3:9]))]
    whole, top = combine(teachers, CLASSES), combine(teachers, CLASSES, top_k=2)
    assert top.indices is not None
    assert top.tail_logsumexp is not None
    assert top.tail_count == 10
    assert np.array_equal(top.logits, np.take_along_axis(whole.logits, top.indices, axis=1))
    assert np.array_equal(top.logits.max(axis=1), whole.logits.max(axis=1))
    assert top.tail_logsumexp == pytest.approx(tails_of(probabilities(whole), 2), abs=5e-3)


def test_one_top_k_teacher_keeps_its_tail_at_every_temperature() -> None:
    table = drawn(5, class_ids=tuple(f"c{n:04d}" for n in range(600)), spread=2.0)
    got = combine([TeacherScores(table.to_top_k(80))], table.class_ids, top_k=20)
    assert got.tail_logsumexp is not None
    assert got.tail_logsumexp == pytest.approx(tails_of(softmax(table), 20), abs=5e-3)


def test_top_k_teachers_come_close_to_dense_ones() -> None:
    classes = tuple(f"c{n:04d}" for n in range(400))
    agreed = np.random.default_rng(0).normal(scale=2.5, size=(6, 400))  # teachers of one task agree by and large
    tables = [dense(agreed + np.random.default_rng(n).normal(scale=0.5, size=agreed.shape), classes) for n in (1, 2)]
    regional = dense(agreed[:, 100:300] + np.random.default_rng(3).normal(scale=0.5, size=(6, 200)), classes[100:300])
    exact = combine([TeacherScores(table, 1.0) for table in (*tables, regional)], classes, top_k=12)
    shallow = combine([TeacherScores(table.to_top_k(48), 1.0) for table in (*tables, regional)], classes, top_k=12)
    assert exact.indices is not None
    assert shallow.indices is not None
    assert shallow.tail_logsumexp is not None
    assert np.array_equal(exact.indices[:, :5], shallow.indices[:, :5])
    assert np.exp(shallow.logits.astype(float)) == pytest.approx(np.exp(exact.logits.astype(float)), abs=2e-2)
    assert shallow.tail_logsumexp == pytest.approx(exact.tail_logsumexp, abs=0.05)
    total = np.exp(shallow.logits.astype(float)).sum(axis=1) + np.exp(shallow.tail_logsumexp[:, 0])
    assert total == pytest.approx(np.ones(6), abs=5e-3)


def test_many_rows_are_combined_piece_by_piece_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    teachers = [TeacherScores(drawn(8, rows=50)), TeacherScores(drawn(9, rows=50, class_ids=CLASSES[2:7]))]
    whole = combine(teachers, CLASSES, top_k=3)
    monkeypatch.setattr("aplantida.distillation.ensemble._CHUNK_CELLS", 7 * len(CLASSES))
    pieces = combine(teachers, CLASSES, top_k=3)
    assert whole.to_arrow().equals(pieces.to_arrow())


def whole_form(
    teachers: list[TeacherScores], class_ids: tuple[str, ...], k: int
) -> tuple[dense_ensemble.Largest, npt.NDArray[np.float64]]:
    """What the dense form says of all rows, whatever the teachers hold, and the probabilities of all classes."""
    rows = np.arange(len(teachers[0].scores))
    columns = [np.asarray([class_ids.index(name) for name in teacher.scores.class_ids]) for teacher in teachers]
    opinions = [opinion_of(teacher, at, rows) for teacher, at in zip(teachers, columns, strict=True)]
    every = dense_ensemble.probabilities(opinions, len(class_ids))
    return dense_ensemble.largest(opinions, len(class_ids), k), every


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    num_classes=st.integers(50, 300),
    num_global=st.integers(1, 3),
    regions=st.lists(st.tuples(st.integers(0, 15), st.integers(18, 49), st.booleans()), max_size=2),
    spread=st.sampled_from([0.0, 0.02, 0.5, 2.0, 6.0]),
    step=st.sampled_from([0.0, 0.25]),
)
def test_the_sparse_form_says_what_the_dense_one_says(
    seed: int, num_classes: int, num_global: int, regions: list[tuple[int, int, bool]], spread: float, step: float
) -> None:
    """Flat teachers, whose tails reach the top k, and logits in steps, which are often equal, among them."""
    random = np.random.default_rng(seed)
    names = tuple(f"c{number:03d}" for number in range(num_classes))
    agreed = random.normal(scale=spread, size=(4, num_classes))

    def table(columns: slice) -> ScoreTable:
        logits = agreed[:, columns] + random.normal(scale=spread / 4, size=agreed[:, columns].shape)
        return dense(np.round(logits / step) * step if step else logits, names[columns])

    teachers = [TeacherScores(table(slice(None)).to_top_k(24), random.uniform(0.2, 3)) for _ in range(num_global)]
    for first, last, is_dense in regions:
        own = table(slice(first, last))
        kept = own if is_dense else own.to_top_k(min(24, last - first - 1))
        teachers.append(TeacherScores(kept, random.uniform(0.2, 3), 2.5, random.random(4) < 0.5))
    got, (want, every) = combine(teachers, names, top_k=6), whole_form(teachers, names, 6)
    assert got.tail_logsumexp is not None
    assert got.indices is not None
    np.testing.assert_allclose(got.logits, np.log(want.probability).astype(np.float16), rtol=1e-3)
    np.testing.assert_allclose(got.tail_logsumexp, np.log(want.rest), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(every, got.indices, axis=1), want.probability, rtol=1e-9)


def test_no_rows_give_no_rows() -> None:
    assert len(combine([TeacherScores(drawn(1, rows=0))], CLASSES, top_k=3)) == 0
    assert len(combine([TeacherScores(drawn(1, rows=0))], CLASSES)) == 0


def test_bad_input_is_named() -> None:
    table = drawn(1)
    with pytest.raises(ValueError, match="at least one teacher"):
        combine([], CLASSES)
    with pytest.raises(ValueError, match="no teacher is global"):
        combine([TeacherScores(drawn(1, class_ids=CLASSES[:5]))], CLASSES)
    with pytest.raises(ValueError, match="'unheard of'"):
        combine([TeacherScores(table), TeacherScores(drawn(1, class_ids=("class 00", "unheard of")))], CLASSES)
    with pytest.raises(ValueError, match=r"teacher 1 has other rows than teacher 0 \(4 and 5\)"):
        combine([TeacherScores(table), TeacherScores(drawn(1, rows=4))], CLASSES)
    with pytest.raises(ValueError, match=r"top_k must lie in 1..11 .* not 12"):
        combine([TeacherScores(table)], CLASSES, top_k=12)
    with pytest.raises(ValueError, match="top-5: a combined top-2 wants at least top-8"):
        combine([TeacherScores(table.to_top_k(5))], CLASSES, top_k=2)
    with pytest.raises(ValueError, match="dense result wants dense teachers"):
        combine([TeacherScores(table.to_top_k(5))], CLASSES)
    with pytest.raises(ValueError, match="weight must be positive, not 0"):
        TeacherScores(table, 0.0)


def test_tables_of_many_classes_are_combined_without_a_cell_for_every_class() -> None:
    names = tuple(f"c{number:04d}" for number in range(9000))
    tables = [drawn(seed, 300, names, 2.0).to_top_k(160) for seed in (1, 2)]
    tracemalloc.start()
    combine([TeacherScores(table) for table in tables], names, top_k=40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 300 * len(names)  # one float64 a cell
