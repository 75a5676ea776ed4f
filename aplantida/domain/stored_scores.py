"""Dense score tables that are larger than memory: files that are filled anywhere and read from end to end."""

# pyarrow ships no types: what comes from it is unknown to a strict reader
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.domain.scores import ScoreTable, class_ids_of


class StoredScores:
    """The Parquet file of a :class:`ScoreTable`, of which a few row groups at a time lie in memory.

    Attributes:
        class_ids: the C classes, in column order.
        is_dense: whether every class has its logit.
    """

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        self.class_ids = class_ids_of(self._file.schema_arrow)
        self.is_dense = "indices" not in self._file.schema_arrow.names

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    @cached_property
    def image_ids(self) -> npt.NDArray[np.str_]:
        """(N,) photos."""
        return np.asarray(self._file.read(columns=["image_id"])["image_id"].to_pylist(), dtype=str)

    def blocks(self, num_rows: int) -> Iterator[tuple[slice, ScoreTable]]:
        """All rows in order, in whole row groups of together ``num_rows`` rows, or one that is larger."""
        start, groups, waiting = 0, list[int](), 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if groups and waiting + rows > num_rows:
                yield slice(start, start + waiting), self._read(groups)
                start, groups, waiting = start + waiting, [], 0
            groups.append(group)
            waiting += rows
        if waiting:
            yield slice(start, start + waiting), self._read(groups)

    def _read(self, groups: list[int]) -> ScoreTable:
        return ScoreTable.from_arrow(self._file.read_row_groups(groups))


class RowMatrix:
    """A file of (N, F) float16 numbers, row after row, that is filled in any order.

    Args:
        path: made where there is no file of the right size; rows that were never written are 0.
        num_rows: N.
        width: F.

    Attributes:
        token: drawn when the file was made: what was written under another token is not in it.
    """

    def __init__(self, path: Path, num_rows: int, width: int) -> None:
        self._path = path
        self._shape = (num_rows, width)
        size = num_rows * width * np.dtype(np.float16).itemsize
        named = path.with_suffix(".token")
        if not (named.is_file() and path.is_file() and path.stat().st_size == size):
            named.unlink(missing_ok=True)
            with path.open("wb") as stream:
                stream.truncate(size)
            named.write_text(uuid.uuid4().hex, encoding="ascii")
        self.token = named.read_text(encoding="ascii")

    def write(self, rows: npt.NDArray[np.int64], values: npt.NDArray[np.float16]) -> None:
        """Put (n, F) ``values`` at ``rows``, through to the disk."""
        if len(rows):
            whole = np.memmap(self._path, np.float16, "r+", shape=self._shape)
            whole[rows] = values
            whole.flush()

    def blocks(self, first: int, count: int, num_rows: int) -> Iterator[tuple[slice, npt.NDArray[np.float16]]]:
        """``count`` rows from row ``first`` on, ``num_rows`` at a time: which of them; at least one block."""
        width = self._shape[1]
        for start in range(0, max(count, 1), num_rows):
            at = slice(start, min(start + num_rows, count))
            offset = (first + start) * width * np.dtype(np.float16).itemsize
            wanted = (at.stop - at.start) * width
            yield at, np.fromfile(self._path, np.float16, wanted, offset=offset).reshape(-1, width)


class ScoreMatrix(RowMatrix):
    """The same of the logits of N photos over C classes.

    Args:
        path: as of :class:`RowMatrix`.
        num_rows: N.
        class_ids: the C classes.
    """

    def __init__(self, path: Path, num_rows: int, class_ids: tuple[str, ...]) -> None:
        super().__init__(path, num_rows, len(class_ids))
        self._class_ids = class_ids

    def tables(self, image_ids: npt.NDArray[np.str_], first: int, num_rows: int) -> Iterator[ScoreTable]:
        """The rows of ``image_ids`` (centre crops) from row ``first`` on, ``num_rows`` a table; at least one table."""
        for at, logits in self.blocks(first, len(image_ids), num_rows):
            ids = image_ids[at]
            yield ScoreTable(ids, np.zeros(len(ids), np.int16), self._class_ids, logits)


def features_to_arrow(image_ids: npt.NDArray[np.str_], features: npt.NDArray[np.float16]) -> pa.Table:
    """A table of (N,) photos and their (N, F) pooled features: image_id, features."""
    flat = pa.array(np.ascontiguousarray(features).reshape(-1), pa.float16())
    column = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
    return pa.table({"image_id": pa.array(image_ids.tolist(), pa.string()), "features": column})


class StoredFeatures:
    """A Parquet file of :func:`features_to_arrow`, of which a row group at a time lies in memory."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    @property
    def num_features(self) -> int:
        """F."""
        return self._file.schema_arrow.field("features").type.list_size

    @cached_property
    def image_ids(self) -> npt.NDArray[np.str_]:
        """(N,) photos."""
        return np.asarray(self._file.read(columns=["image_id"])["image_id"].to_pylist(), dtype=str)

    def blocks(self) -> Iterator[tuple[slice, npt.NDArray[np.float16]]]:
        """All rows in order, a row group at a time: which, and their (n, F) features."""
        start = 0
        for group in range(self._file.num_row_groups):
            column = self._file.read_row_group(group, columns=["features"])["features"].combine_chunks()
            values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.num_features)
            yield slice(start, start + len(values)), values
            start += len(values)

    def rows(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float16]:
        """(n, F) features at n rising positions."""
        found = [values[positions[_inside(at, positions)] - at.start] for at, values in self.blocks()]
        return np.concatenate(found) if found else np.zeros((0, self.num_features), np.float16)


def _inside(at: slice, positions: npt.NDArray[np.int64]) -> slice:
    low, high = np.searchsorted(positions, (at.start, at.stop))
    return slice(int(low), int(high))
