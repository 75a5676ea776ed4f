"""ScoreTable: the one schema for teacher logits, soft labels and predictions.

One row per (image_id, view). Logits are float16 and raw: the temperature is swept later. A table is *dense* (every
class) or *top-k*: the k largest logits with their class indices, how many classes lie in the tail, and the tail's
log-sum-exp of ``logit / T`` at each T of ``TAIL_TEMPERATURES`` (one number at T=1 does not determine the tail at T=3).
"""

# pyarrow ships no types: what comes from it is unknown to a strict reader
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TAIL_TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_METADATA = b"aplantida.scores"
_CHUNK_CELLS = 500_000  # rows x classes worked on at once

FloatArray = npt.NDArray[np.floating[Any]]


class DenseScores(Protocol):
    """Dense scores that are looked at piece by piece: a table in memory or in a file."""

    @property
    def class_ids(self) -> tuple[str, ...]:
        """The C classes, in column order."""
        ...

    @property
    def is_dense(self) -> bool:
        """Whether every class has its logit."""
        ...

    def __len__(self) -> int: ...

    def blocks(self, num_rows: int) -> Iterator[tuple[slice, ScoreTable]]:
        """All rows in order, ``num_rows`` at a time: which rows, and their table."""
        ...


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of N (image, view) rows over C classes.

    Attributes:
        image_ids: (N,) strings.
        views: (N,) int16; view 0 is the centre crop.
        class_ids: the C classes these logits speak of, in column order (a regional teacher's are a subset).
        logits: dense (N, C) float16, or top-k (N, k) float16 in descending order.
        indices: None when dense, else (N, k) int32 positions in ``class_ids``.
        tail_logsumexp: None when dense, else (N, 7) float32, log sum over the tail of exp(logit / T) per T.
    """

    image_ids: npt.NDArray[np.str_]
    views: npt.NDArray[np.int16]
    class_ids: tuple[str, ...]
    logits: npt.NDArray[np.float16]
    indices: npt.NDArray[np.int32] | None = None
    tail_logsumexp: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Refuse tables whose parts do not fit."""
        rows = len(self.image_ids)
        if self.views.shape != (rows,) or self.logits.ndim != 2 or len(self.logits) != rows:
            raise ValueError(f"score table: {rows} ids, views {self.views.shape}, logits {self.logits.shape}")
        if self.indices is None:
            if self.logits.shape[1] != len(self.class_ids):
                raise ValueError(f"dense table: {self.logits.shape[1]} columns for {len(self.class_ids)} classes")
        elif self.indices.shape != self.logits.shape or self.tail_logsumexp is None:
            raise ValueError("top-k table: indices must match logits, and the tail must be given")
        elif self.tail_logsumexp.shape != (rows, len(TAIL_TEMPERATURES)):
            raise ValueError(f"top-k table: tail is {self.tail_logsumexp.shape}")

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def is_dense(self) -> bool:
        """Whether every class has its logit."""
        return self.indices is None

    @property
    def tail_count(self) -> int:
        """How many classes lie in each row's tail."""
        return 0 if self.is_dense else len(self.class_ids) - self.logits.shape[1]

    def blocks(self, num_rows: int) -> Iterator[tuple[slice, ScoreTable]]:
        """The table in pieces of ``num_rows``: which rows, and the piece."""
        for start in range(0, len(self), num_rows):
            at = slice(start, min(start + num_rows, len(self)))
            yield at, self._rows(at)

    def to_top_k(self, k: int) -> ScoreTable:
        """The k largest logits of each row and what the rest sums to.

        Raises:
            ValueError: when the table is not dense, holds a logit that is not finite, or k is not in 1..C-1.
        """
        if not self.is_dense or not 1 <= k < len(self.class_ids):
            raise ValueError(f"to_top_k({k}) wants a dense table of more than {k} classes, not {len(self.class_ids)}")
        top = np.empty((len(self), k), np.int32)
        tails = np.empty((len(self), len(TAIL_TEMPERATURES)), np.float32)
        step = max(1, _CHUNK_CELLS // len(self.class_ids))
        for start in range(0, len(self), step):
            values = self.logits[start : start + step].astype(np.float32)
            bad = start + np.flatnonzero(~np.isfinite(values).all(axis=1))
            if len(bad):
                at = f"photo {self.image_ids[bad[0]]}, view {self.views[bad[0]]}"
                raise ValueError(f"{at}: its scores hold a value that is not finite")
            at = top[start : start + step] = largest_positions(values, k)
            np.put_along_axis(values, at, -np.inf, axis=1)
            for column, temperature in enumerate(TAIL_TEMPERATURES):
                tails[start : start + step, column] = log_sum_exp(values / np.float32(temperature))
        kept = np.take_along_axis(self.logits, top, axis=1)
        return ScoreTable(self.image_ids, self.views, self.class_ids, kept, top, tails)

    def to_arrow(self) -> pa.Table:
        """An Arrow table; ``class_ids`` travel in the schema's metadata."""
        columns: dict[str, pa.Array] = {
            "image_id": pa.array(self.image_ids.tolist(), pa.string()),
            "view": pa.array(self.views, pa.int16()),
            "logits": _fixed(self.logits, pa.float16()),
        }
        if self.indices is not None and self.tail_logsumexp is not None:
            columns["indices"] = _fixed(self.indices, pa.int32())
            columns["tail_count"] = pa.array(np.full(len(self), self.tail_count, np.int32))
            columns["tail_logsumexp"] = _fixed(self.tail_logsumexp, pa.float32())
        metadata = {
            _METADATA: json.dumps({"class_ids": self.class_ids, "tail_temperatures": TAIL_TEMPERATURES}).encode()
        }
        return pa.table(columns).replace_schema_metadata(metadata)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> ScoreTable:
        """Inverse of :meth:`to_arrow`.

        Raises:
            ValueError: when the table does not carry the score table's metadata or other tail temperatures.
        """
        return cls(np.asarray(table["image_id"].to_pylist(), dtype=str), **columns_of(table))

    def take(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> ScoreTable:
        """The table of only these rows, in this order."""
        return self._rows(np.asarray(rows, dtype=np.int64))

    def _rows(self, at: npt.NDArray[np.int64] | slice) -> ScoreTable:
        return ScoreTable(
            self.image_ids[at],
            self.views[at],
            self.class_ids,
            self.logits[at],
            None if self.indices is None else self.indices[at],
            None if self.tail_logsumexp is None else self.tail_logsumexp[at],
        )


def columns_of(table: pa.Table) -> dict[str, Any]:
    """All of a stored table but its image ids, by the names of :class:`ScoreTable`'s attributes.

    Raises:
        ValueError: as :meth:`ScoreTable.from_arrow`.
    """
    header = _header(table.schema)
    if tuple(header["tail_temperatures"]) != TAIL_TEMPERATURES:
        raise ValueError(f"score table: tail temperatures {header['tail_temperatures']}, want {TAIL_TEMPERATURES}")
    dense = "indices" not in table.column_names
    return {
        "views": _unfixed(table["view"], np.int16),
        "class_ids": tuple(header["class_ids"]),
        "logits": _unfixed(table["logits"], np.float16),
        "indices": None if dense else _unfixed(table["indices"], np.int32),
        "tail_logsumexp": None if dense else _unfixed(table["tail_logsumexp"], np.float32),
    }


def concat(tables: Sequence[ScoreTable]) -> ScoreTable:
    """One table of all rows; all must speak of the same classes in the same form.

    Raises:
        ValueError: when they do not, or there is none.
    """
    if not tables:
        raise ValueError("no score tables to join")
    for number, table in enumerate(tables[1:], start=1):
        if table.class_ids != tables[0].class_ids:
            first, other = len(tables[0].class_ids), len(table.class_ids)
            raise ValueError(f"score table {number} speaks of other classes ({other}) than table 0 ({first})")
    return ScoreTable.from_arrow(pa.concat_tables([table.to_arrow() for table in tables]))


def largest_positions(values: FloatArray, k: int) -> npt.NDArray[np.int64]:
    """(N, k) positions of the k largest of each row of (N, C) values, largest first, equal ones by position."""
    count = values.shape[1]
    least = np.partition(values, count - k, axis=1)[:, count - k, None]
    is_kept = values >= least
    tied = np.flatnonzero(np.count_nonzero(is_kept, axis=1) > k)
    is_edge = values[tied] == least[tied]
    surplus = is_kept[tied].sum(axis=1, keepdims=True) - k
    is_kept[tied] &= ~is_edge | (np.cumsum(is_edge, axis=1) <= is_edge.sum(axis=1, keepdims=True) - surplus)
    positions = np.nonzero(is_kept)[1].reshape(len(values), k)
    order = np.argsort(-np.take_along_axis(values, positions, axis=1), axis=1, kind="stable")
    return np.take_along_axis(positions, order, axis=1)


def class_ids_of(schema: pa.Schema) -> tuple[str, ...]:
    """The classes a stored table speaks of, in column order; its rows need not be read.

    Raises:
        ValueError: when it is no score table.
    """
    return tuple(_header(schema)["class_ids"])


def _header(schema: pa.Schema) -> dict[str, Any]:
    metadata = schema.metadata or {}
    if _METADATA not in metadata:
        raise ValueError("not a score table: its schema has no aplantida.scores metadata")
    return json.loads(metadata[_METADATA])


def log_sum_exp(values: FloatArray) -> FloatArray:
    """Stable log sum exp over the last axis; an empty axis gives -inf."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], -np.inf, dtype=np.float32)
    top = values.max(axis=-1, keepdims=True)
    return np.log(np.exp(values - top).sum(axis=-1)) + top[..., 0]


def tail_at(tail_logsumexp: FloatArray, temperature: float) -> FloatArray:
    """The tail's log-sum-exp at any T in 1..8, interpolated linearly in 1/T (exact at the stored temperatures).

    Args:
        tail_logsumexp: (N, 7), as stored.
        temperature: T, 1 to 8.

    Raises:
        ValueError: outside that range.
    """
    if not TAIL_TEMPERATURES[0] <= temperature <= TAIL_TEMPERATURES[-1]:
        raise ValueError(f"temperature must lie in {TAIL_TEMPERATURES[0]}..{TAIL_TEMPERATURES[-1]}, not {temperature}")
    inverse = 1.0 / np.asarray(TAIL_TEMPERATURES[::-1])
    x = 1.0 / temperature
    right = int(np.clip(np.searchsorted(inverse, x), 1, len(inverse) - 1))
    left = right - 1
    weight = (x - inverse[left]) / (inverse[right] - inverse[left])
    columns = tail_logsumexp[:, ::-1]
    return columns[:, left] * (1.0 - weight) + columns[:, right] * weight


def _fixed(values: npt.NDArray[np.generic], kind: pa.DataType) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), type=kind)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _unfixed(column: pa.ChunkedArray, dtype: type[np.generic]) -> npt.NDArray[Any]:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if isinstance(array, pa.FixedSizeListArray):
        return (
            array.flatten().to_numpy(zero_copy_only=False).astype(dtype, copy=False).reshape(-1, array.type.list_size)
        )
    return array.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
