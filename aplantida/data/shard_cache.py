"""Shards in memory: stored photos, and the soft labels that belong to them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
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
    """One shard's photos: where the file of each begins and ends, its width and height; and all files."""

    places: dict[str, tuple[int, int, int, int]]
    files: memoryview


class ShardCache:
    """The shards in use; of those that nobody is about to want, the least recently used goes first. Safe to use from
    several threads.

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
        self._wanted = set[int]()
        self._images: OrderedDict[int, Future[_Images]] = OrderedDict()
        self._soft: OrderedDict[int, Future[SoftShard]] = OrderedDict()
        self._decoded: dict[str, Pixels] = {}
        self._scratch = threading.local()

    def want(self, batches: Iterable[Iterable[int]]) -> list[int]:
        """Hold on to the shards of the batches to come, in order, as many as have room; which of them are to be read.

        What is not wanted goes first.
        """
        wanted = set[int]()
        for shards in batches:
            if len(wanted.union(shards)) > self._num_shards:
                break
            wanted.update(shards)
        with self._lock:
            self._wanted = wanted
            return [shard for shard in sorted(wanted) if not self._holds(shard)]

    def find(self, shards: Sequence[int], image_ids: Sequence[str]) -> list[StoredPhoto]:
        """Photos as they lie in their shards.

        Raises:
            ValueError: when a shard does not hold one.
        """
        used: dict[int, _Images] = {}
        found: list[StoredPhoto] = []
        for shard, image_id in zip(shards, image_ids, strict=True):
            known = self._decoded.get(image_id)
            if known is not None:
                found.append(StoredPhoto(image_id, known.shape[1], known.shape[0], None))
                continue
            images = used.get(shard) or used.setdefault(shard, self._kept(self._images, shard, self._read_images))
            if image_id not in images.places:
                raise ValueError(f"{self._folder}: shard {shard} does not hold photo {image_id} of the split")
            start, end, width, height = images.places[image_id]
            found.append(StoredPhoto(image_id, width, height, images.files[start:end]))
        return found

    def read_ahead(self, shard: int) -> None:
        """Have a shard and its soft labels in memory; what is wrong with them is said when they are used."""
        with suppress(Exception):
            if not self._cache_images:
                self._kept(self._images, shard, self._read_images)
            if self._soft_labels is not None:
                self.soft(shard)

    def _holds(self, shard: int) -> bool:
        """Whether nothing of a shard is to be read ahead; where decoded photos are kept, files are read when missed."""
        images = self._cache_images or shard in self._images
        return images and (self._soft_labels is None or shard in self._soft)

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
        return self._kept(self._soft, shard, self._soft_labels.read)

    def _kept(self, kept: OrderedDict[int, Future[_Shard]], shard: int, read: Callable[[int], _Shard]) -> _Shard:
        """A shard, read by the thread that asks first while the others go on with theirs."""
        with self._lock:
            waiting = kept.get(shard)
            if waiting is None:
                mine = kept[shard] = Future[_Shard]()
                if len(kept) > self._num_shards:
                    del kept[next((old for old in kept if old not in {*self._wanted, shard}), next(iter(kept)))]
            else:
                mine = None
                kept.move_to_end(shard)
        if mine is None:
            assert waiting is not None
            return waiting.result()
        try:
            mine.set_result(read(shard))
        except BaseException as error:
            with self._lock:
                kept.pop(shard, None)
            mine.set_exception(error)
        return mine.result()

    def _read_images(self, shard: int) -> _Images:
        columns = ["image_id", "image", "width", "height"]
        table = pq.read_table(self._folder / f"shard-{shard:05d}.parquet", columns=columns)
        ids, widths, heights = (table[name].to_pylist() for name in columns if name != "image")
        column = table["image"].cast(pa.large_binary())
        files = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies even a single one
        _, offsets, data = files.buffers()
        ends = np.frombuffer(offsets, np.int64)[files.offset : files.offset + len(files) + 1].tolist()
        places = zip(ends[:-1], ends[1:], widths, heights, strict=True)
        return _Images(dict(zip(ids, places, strict=True)), memoryview(data or b"").cast("B"))
