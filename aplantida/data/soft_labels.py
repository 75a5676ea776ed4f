"""Soft labels: what the teachers say of a photo's views, a shard at a time, and of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from aplantida.data.views import CENTRE, View
from aplantida.domain.class_index import class_index_digest
from aplantida.domain.scores import columns_of, tail_at
from aplantida.domain.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """What the teachers say of N photos: dense logits, or k logits with their classes and the tail's sum.

    Attributes:
        logits: (N, C) or (N, k) float32, raw.
        indices: None when dense, else (N, k) int64.
        tail: None when dense, else (N,) float32, log sum of exp(logit / T) over the other classes at the recipe's T.
    """

    logits: torch.Tensor
    indices: torch.Tensor | None = None
    tail: torch.Tensor | None = None

    def take(self, rows: torch.Tensor | slice) -> SoftTargets:
        """The targets of these rows."""
        return SoftTargets(
            self.logits[rows],
            None if self.indices is None else self.indices[rows],
            None if self.tail is None else self.tail[rows],
        )


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """Where soft labels lie, and of which classes they must speak.

    Attributes:
        folder: with ``scores/`` and ``views/``.
        class_index_digest: of the model's classes: a column of the logits is an output of the model.
    """

    folder: Path
    class_index_digest: str

    def read(self, shard: int) -> SoftShard:
        """One shard's soft labels.

        Raises:
            ValueError: when they speak of other classes than the model's, or of these in another order.
        """
        name = f"shard-{shard:05d}.parquet"
        table = pq.read_table(self.folder / "scores" / name)
        columns = columns_of(table)
        found = class_index_digest(columns["class_ids"])
        if found != self.class_index_digest:
            raise ValueError(
                f"{self.folder / 'scores' / name}: speaks of {len(columns['class_ids'])} classes of digest "
                f"{found[:12]}, the model's classes have digest {self.class_index_digest[:12]}"
            )
        names = table["image_id"].unique()
        keys = _sorted_keys(table, names)
        views = pq.read_table(self.folder / "views" / name)
        found_keys = _sorted_keys(views, names)
        if not (np.array_equal(keys.photos, found_keys.photos) and np.array_equal(keys.views, found_keys.views)):
            raise ValueError(
                f"{self.folder / 'views' / name}: {len(found_keys.photos)} views of {len(names)} photos, want those of "
                f"the {len(keys.photos)} rows of {self.folder / 'scores' / name}, each once"
            )
        boxes = np.stack([views[edge].to_numpy() for edge in _EDGES], axis=1)
        flips = views["flip"].to_numpy().astype(bool)
        return SoftShard(names.to_pylist(), keys, columns, boxes[found_keys.rows], flips[found_keys.rows])


_EDGES = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class _Keys:
    """The rows of a table by photo and view: (N,) arrays in that order, ``photos`` being positions in a list."""

    photos: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def _sorted_keys(table: pa.Table, names: pa.Array) -> _Keys:
    """Of the rows whose photo is one of ``names``."""
    found = pc.index_in(table["image_id"], value_set=names)  # pyright: ignore[reportAttributeAccessIssue]
    photos = found.fill_null(-1).to_numpy().astype(np.int64)
    views = table["view"].to_numpy().astype(np.int64)
    rows = np.lexsort((views, photos))
    rows = rows[np.searchsorted(photos[rows], 0) :]
    return _Keys(photos[rows], views[rows], rows)


class SoftShard:
    """One shard's soft labels and the views they belong to, as arrays: 65,000 rows are no objects of Python's.

    Args:
        names: the P photos.
        keys: the N rows by photo and view.
        columns: of the scores, see :func:`aplantida.domain.scores.columns_of`.
        boxes: (N, 4) float32 crops, in the order of ``keys``.
        flips: (N,) whether they are mirrored, likewise.
    """

    def __init__(
        self,
        names: Sequence[str],
        keys: _Keys,
        columns: Mapping[str, Any],
        boxes: npt.NDArray[np.float32],
        flips: npt.NDArray[np.bool_],
    ) -> None:
        self._position = {name: at for at, name in enumerate(names)}
        self._keys, self._boxes, self._flips = keys, boxes, flips
        self.logits: npt.NDArray[np.float16] = columns["logits"]
        self.indices: npt.NDArray[np.int32] | None = columns["indices"]
        self.tails: npt.NDArray[np.float32] | None = columns["tail_logsumexp"]
        ends = np.searchsorted(keys.photos, np.arange(len(names) + 1))
        has_centre = keys.views[ends[:-1]] == CENTRE
        self._counts = np.maximum(np.diff(ends) - has_centre, 1)  # the centre crop only where nothing was drawn
        self._starts = ends[1:] - self._counts

    def choose(self, image_id: str, epoch: int, seed: int) -> tuple[View | None, int]:
        """The view a photo shows in an epoch, None for the centre crop, and the row of its label.

        Epochs go round the drawn views, each photo starting elsewhere; the centre crop only where nothing was drawn.

        Raises:
            ValueError: when the photo has no soft label.
        """
        photo = self._position.get(image_id)
        if photo is None:
            raise ValueError(f"soft labels: no row for photo {image_id}; were they made of the same split?")
        turn = (derive_seed(seed, "first view", image_id) + epoch) % int(self._counts[photo])
        at = int(self._starts[photo]) + turn
        row = int(self._keys.rows[at])
        if self._keys.views[at] == CENTRE:
            return None, row
        return View(*self._boxes[at].tolist(), flip=bool(self._flips[at])), row


def soft_targets(rows: Sequence[tuple[SoftShard, int]], temperature: float) -> SoftTargets:
    """Gather the soft labels of a batch: (shard, row) each, in order."""
    logits = _gathered(rows, lambda shard: shard.logits).astype(np.float32)
    if rows[0][0].indices is None:
        return SoftTargets(torch.from_numpy(logits))
    indices = _gathered(rows, lambda shard: shard.indices)
    tail = tail_at(_gathered(rows, lambda shard: shard.tails), temperature).astype(np.float32)
    return SoftTargets(torch.from_numpy(logits), torch.from_numpy(indices.astype(np.int64)), torch.from_numpy(tail))


def _gathered(
    rows: Sequence[tuple[SoftShard, int]], column: Callable[[SoftShard], npt.NDArray[Any] | None]
) -> npt.NDArray[Any]:
    """(N, …): a row of a column each, taken a shard at a time."""
    places: dict[int, list[int]] = {}
    for place, (shard, _) in enumerate(rows):
        places.setdefault(id(shard), []).append(place)
    whole: npt.NDArray[Any] | None = None
    for group in places.values():
        values = column(rows[group[0]][0])
        assert values is not None
        if whole is None:
            whole = np.empty((len(rows), *values.shape[1:]), values.dtype)
        whole[group] = values[[rows[place][1] for place in group]]
    assert whole is not None
    return whole
