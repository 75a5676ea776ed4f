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


class ScoreMatrix:
    """A file of (N, C) float16 logits, row after row, that is filled in any order.

    Args:
        path: made where there is no file of the right size; rows that were never written are 0.
        num_rows: N.
        class_ids: the C classes.

    Attributes:
        token: drawn when the file was made: what was written under another token is not in it.
    """

    def __init__(self, path: Path, num_rows: int, class_ids: tuple[str, ...]) -> None:
        self._path = path
        self._shape = (num_rows, len(class_ids))
        self._class_ids = class_ids
        size = num_rows * len(class_ids) * np.dtype(np.float16).itemsize
        named = path.with_suffix(".token")
        if not (named.is_file() and path.is_file() and path.stat().st_size == size):
            named.unlink(missing_ok=True)
            with path.open("wb") as stream:
                stream.truncate(size)
            named.write_text(uuid.uuid4().hex, encoding="ascii")
        self.token = named.read_text(encoding="ascii")

    def write(self, rows: npt.NDArray[np.int64], logits: npt.NDArray[np.float16]) -> None:
        """Put (n, C) ``logits`` at ``rows``, through to the disk."""
        if len(rows):
            whole = np.memmap(self._path, np.float16, "r+", shape=self._shape)
            whole[rows] = logits
            whole.flush()

    def tables(self, image_ids: npt.NDArray[np.str_], first: int, num_rows: int) -> Iterator[ScoreTable]:
        """The rows of ``image_ids`` (centre crops) from row ``first`` on, ``num_rows`` a table; at least one table."""
        width = self._shape[1]
        for start in range(0, max(len(image_ids), 1), num_rows):
            ids = image_ids[start : start + num_rows]
            offset = (first + start) * width * np.dtype(np.float16).itemsize
            logits = np.fromfile(self._path, np.float16, len(ids) * width, offset=offset).reshape(-1, width)
            yield ScoreTable(ids, np.zeros(len(ids), np.int16), self._class_ids, logits)
