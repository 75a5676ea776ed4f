"""Shards in memory: stored photos, and the soft labels that belong to them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow.parquet as pq

from aplantida.data.soft_labels import SoftLabels, SoftShard
from aplantida.domain.pixels import Pixels, decode_photo

_Shard = TypeVar("_Shard")


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
        soft_labels: the photos' soft labels, or None.
        num_shards: how many shards of each lie in memory.
        cache_images: also keep every decoded photo.
    """

    def __init__(self, images: Path, soft_labels: SoftLabels | None, num_shards: int, cache_images: bool) -> None:
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
        """Soft labels of a shard.

        Raises:
            ValueError: when the cache was given none, or they speak of other classes than the model's.
        """
        if self._soft_labels is None:
            raise ValueError("soft labels were asked for, but the plan names none")
        with self._lock:
            return self._kept(self._soft, shard, self._soft_labels.read)

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
