"""Shards in memory: stored photos, and the soft labels and views that belong to them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow.parquet as pq
import torch

from aplantida.data.views import CENTRE, View, views_from_arrow
from aplantida.domain.pixels import Pixels, decode_photo
from aplantida.domain.scores import ScoreTable, tail_at
from aplantida.domain.seeds import derive_seed

_Shard = TypeVar("_Shard")


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

    def take(self, rows: torch.Tensor) -> SoftTargets:
        """The targets of these rows."""
        return SoftTargets(
            self.logits[rows],
            None if self.indices is None else self.indices[rows],
            None if self.tail is None else self.tail[rows],
        )


class SoftShard:
    """One shard's soft labels and the views they belong to."""

    def __init__(self, scores: ScoreTable, views: dict[tuple[str, int], View]) -> None:
        self.scores = scores
        self._views = views
        self._rows: dict[str, list[tuple[int, int]]] = {}
        for row, (image_id, view) in enumerate(zip(scores.image_ids.tolist(), scores.views.tolist(), strict=True)):
            self._rows.setdefault(image_id, []).append((view, row))

    @cached_property
    def _drawn(self) -> dict[str, list[tuple[int, int]]]:
        return {key: [item for item in sorted(rows) if item[0] != CENTRE] or rows for key, rows in self._rows.items()}

    def choose(self, image_id: str, epoch: int, seed: int) -> tuple[View | None, int]:
        """The view a photo shows in an epoch, None for the centre crop, and the row of its label.

        Epochs go round the drawn views, each photo starting elsewhere; the centre crop only where nothing was drawn.

        Raises:
            ValueError: when the photo has no soft label.
        """
        if image_id not in self._drawn:
            raise ValueError(f"soft labels: no row for photo {image_id}; were they made of the same split?")
        rows = self._drawn[image_id]
        number, row = rows[(derive_seed(seed, "first view", image_id) + epoch) % len(rows)]
        return (None if number == CENTRE else self._views[image_id, number]), row


class StoredPhoto(NamedTuple):
    """A photo that was found, not decoded yet: its sides in pixels and its file, None when its pixels are kept."""

    image_id: str
    width: int
    height: int
    data: memoryview | None


@dataclass(frozen=True, slots=True)
class _Images:
    """One shard's photos: the row, width and height of each, and their files."""

    rows: dict[str, tuple[int, int, int]]
    files: Any


class ShardCache:
    """The shards in use, least recently used out first. Safe to use from several threads.

    Args:
        images: folder of the image shards.
        soft_labels: folder with ``scores/`` and ``views/``, or None.
        num_shards: how many shards of each lie in memory.
        cache_images: also keep every decoded photo.
    """

    def __init__(self, images: Path, soft_labels: Path | None, num_shards: int, cache_images: bool) -> None:
        self._folder = images
        self._soft_labels = soft_labels
        self._num_shards = num_shards
        self._cache_images = cache_images
        self._lock = threading.Lock()
        self._images: OrderedDict[int, _Images] = OrderedDict()
        self._soft: OrderedDict[int, SoftShard] = OrderedDict()
        self._decoded: dict[str, Pixels] = {}
        self._scratch = threading.local()

    def find(self, shard: int, image_id: str) -> StoredPhoto:
        """A photo as it lies in its shard.

        Raises:
            ValueError: when the shard does not hold it.
        """
        known = self._decoded.get(image_id)
        if known is not None:
            return StoredPhoto(image_id, known.shape[1], known.shape[0], None)
        with self._lock:
            images = self._kept(self._images, shard, self._read_images)
        if image_id not in images.rows:
            raise ValueError(f"{self._folder}: shard {shard} does not hold photo {image_id} of the split")
        row, width, height = images.rows[image_id]
        return StoredPhoto(image_id, width, height, memoryview(images.files[row].as_buffer()).cast("B"))

    def pixels(self, photo: StoredPhoto) -> Pixels:
        """(H, W, 3) pixels of a photo; unless they are kept, they are good until this thread's next call."""
        if photo.data is None:
            return self._decoded[photo.image_id]
        if not self._cache_images:
            return decode_photo(photo.data, self._buffer(3 * photo.width * photo.height))
        decoded = self._decoded[photo.image_id] = decode_photo(photo.data)
        return decoded

    def _buffer(self, num_bytes: int) -> Pixels:
        """This thread's memory for one photo: the same pages each time, so that they stay in the processor's cache.

        It begins 16 bytes beside a multiple of 32: to an address that is one, libjpeg-turbo writes past the cache.
        """
        buffer = getattr(self._scratch, "buffer", None)
        if buffer is None or len(buffer) < num_bytes:
            whole = np.empty(num_bytes + 32, np.uint8)
            start = (16 - whole.ctypes.data) % 32
            buffer = self._scratch.buffer = whole[start : start + num_bytes]
        return buffer

    def soft(self, shard: int) -> SoftShard:
        """Soft labels of a shard."""
        with self._lock:
            return self._kept(self._soft, shard, self._read_soft)

    def _kept(self, kept: OrderedDict[int, _Shard], shard: int, read: Callable[[int], _Shard]) -> _Shard:
        if shard not in kept:
            kept[shard] = read(shard)
            if len(kept) > self._num_shards:
                kept.popitem(last=False)
        kept.move_to_end(shard)
        return kept[shard]

    def _read_images(self, shard: int) -> _Images:
        columns = ["image_id", "image", "width", "height"]
        table = pq.read_table(self._folder / f"shard-{shard:05d}.parquet", columns=columns)
        ids, widths, heights = (table[name].to_pylist() for name in columns if name != "image")
        rows = zip(range(len(ids)), widths, heights, strict=True)
        return _Images(dict(zip(ids, rows, strict=True)), table["image"].combine_chunks())

    def _read_soft(self, shard: int) -> SoftShard:
        folder = self._soft_labels
        if folder is None:
            raise ValueError("soft labels were asked for, but the plan names none")
        name = f"shard-{shard:05d}.parquet"
        scores = ScoreTable.from_arrow(pq.read_table(folder / "scores" / name))
        return SoftShard(scores, views_from_arrow(pq.read_table(folder / "views" / name)))


def soft_targets(rows: Sequence[tuple[SoftShard, int]], temperature: float) -> SoftTargets:
    """Gather the soft labels of a batch: (shard, row) each, in order."""
    logits = np.stack([shard.scores.logits[row] for shard, row in rows]).astype(np.float32)
    first = rows[0][0].scores
    if first.indices is None:
        return SoftTargets(torch.from_numpy(logits))
    indices = np.stack([shard.scores.indices[row] for shard, row in rows if shard.scores.indices is not None])
    tails = np.stack(
        [shard.scores.tail_logsumexp[row] for shard, row in rows if shard.scores.tail_logsumexp is not None]
    )
    tail = tail_at(tails, temperature).astype(np.float32)
    return SoftTargets(torch.from_numpy(logits), torch.from_numpy(indices.astype(np.int64)), torch.from_numpy(tail))
