"""Batches of photos for training: image shards joined with a split and, for distillation, stored views and soft labels.

The order of an epoch is a function of (seed, epoch): shards are permuted, taken a window at a time, and the photos of a
window are shuffled, so that only a window's shards lie in memory. Decoding runs in threads (libjpeg-turbo and Pillow
release the interpreter's lock): they share the shards in memory, start at once, and cannot change the result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from aplantida.data.augmentation import POLICIES, augment, color_matrix
from aplantida.data.sampling import Sampling, expected_copies, occurrences
from aplantida.data.shard_cache import ShardCache, SoftShard, SoftTargets, soft_targets
from aplantida.data.views import View
from aplantida.domain.memory import keep_freed_memory
from aplantida.domain.pixels import Pixels, boxed_square, centre_square
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class Batch:
    """N photos on their way to the model.

    Attributes:
        pixels: (N, S, S, 3) uint8.
        labels: (N,) int64, positions in the model's classes.
        colors: (N, 3, 4) float32 color matrices, or None.
        soft: soft labels, or None.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    colors: torch.Tensor | None = None
    soft: SoftTargets | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``; from pinned memory the copy to a GPU does not wait."""
        return _moved(self, device)

    def split(self, size: int) -> list[Batch]:
        """Micro batches of at most ``size`` photos."""
        rows = torch.arange(len(self), device=self.labels.device).split(size)
        return [
            Batch(
                self.pixels[part],
                self.labels[part],
                None if self.colors is None else self.colors[part],
                None if self.soft is None else self.soft.take(part),
            )
            for part in rows
        ]


@dataclass(frozen=True, slots=True)
class Photos:
    """N photos of one split: ids (an Arrow array), the shards that hold them, their classes in the model's order.

    52 bytes a photo, once per training process; the threads that decode share them.
    """

    image_ids: pa.Array
    shards: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)


def select_photos(split_file: Path, split: str, class_indices: Sequence[int], region: str | None = None) -> Photos:
    """The photos of ``split`` whose class is one of ``class_indices``, sorted by shard and id.

    Args:
        split_file: ``split.parquet``.
        split: train, val or test.
        class_indices: positions in the split's class index, in the order of the model's outputs.
        region: only photos of this region, by either rule of membership.
    """
    wanted = (pc.field("split") == split) & pc.field("class_index").isin(list(class_indices))
    columns = ["image_id", "shard", "class_index"]
    table = pq.read_table(split_file, columns=[*columns, *([] if region is None else ["regions"])], filters=wanted)
    if region is not None:
        table = table.filter(pa.array([region in (names or ()) for names in table["regions"].to_pylist()], pa.bool_()))
    table = table.select(columns).sort_by([("shard", "ascending"), ("image_id", "ascending")])
    position = np.full(max(class_indices) + 1, -1, np.int64)
    position[list(class_indices)] = np.arange(len(class_indices))
    ids = table["image_id"].cast(pa.large_string()).combine_chunks()
    return Photos(ids, table["shard"].to_numpy().astype(np.int32), position[table["class_index"].to_numpy()])


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """Where batches come from. Plain values: it travels to workers, which read the files themselves.

    Attributes:
        images: folder of the image shards (``shard-00000.parquet`` …).
        split_file: ``split.parquet``.
        class_indices: positions in the split's class index, in the order of the model's outputs.
        preprocessing: of the model.
        train_image_size: side of the squares trained on, pixels; None = the model's.
        augmentation: name of a policy; over soft labels only its color is used, the geometry being the stored view's.
        seed: the run's seed.
        train_split: name of the split to train on.
        region: photos of this region only.
        soft_labels: folder with ``scores/`` and ``views/``, or None.
        temperature: at which the tail of top-k soft labels is read.
        sampling: how often a class is seen; see :func:`aplantida.data.sampling.expected_copies`.
        shuffle_shards: shards per shuffling window; twice as many lie in memory.
        num_loader_workers: threads that decode ahead; 0 decodes in the training thread.
        cache_images: keep decoded photos in memory (small collections).
    """

    images: Path
    split_file: Path
    class_indices: tuple[int, ...]
    preprocessing: Preprocessing
    augmentation: str
    seed: int
    train_image_size: int | None = None
    train_split: str = "train"
    region: str | None = None
    soft_labels: Path | None = None
    temperature: float = 1.0
    sampling: Sampling = "natural"
    shuffle_shards: int = 4
    num_loader_workers: int = 0
    cache_images: bool = False


_Part = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]


class BatchSource:
    """Opens a :class:`BatchPlan`.

    Raises:
        ValueError: when the train or val split is empty.
    """

    def __init__(self, plan: BatchPlan) -> None:
        keep_freed_memory()
        self._plan = plan
        self._policy = POLICIES[plan.augmentation]
        size = plan.train_image_size or plan.preprocessing.image_size
        self._trained_on = replace(plan.preprocessing, image_size=size)
        self._cache = ShardCache(plan.images, plan.soft_labels, 2 * plan.shuffle_shards, plan.cache_images)
        self.train_photos = select_photos(plan.split_file, plan.train_split, plan.class_indices, plan.region)
        self.val_photos = select_photos(plan.split_file, "val", plan.class_indices, plan.region)
        for name, photos in ((plan.train_split, self.train_photos), ("val", self.val_photos)):
            if len(photos) == 0:
                raise ValueError(f"{plan.split_file}: no {name} photos of these {len(plan.class_indices)} classes")
        self._copies = expected_copies(self.train_photos.labels, plan.sampling)
        self._most_copies = int(np.ceil(self._copies.max()))

    def log_prior(self) -> torch.Tensor:
        """(C,) float32: the log share of each class among the train photos; one without photos counts as having one."""
        counts = np.bincount(self.train_photos.labels, minlength=len(self._plan.class_indices)).clip(min=1)
        return torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))

    def batches_per_epoch(self, global_batch_size: int) -> int:
        """Whole batches in an epoch; the rest of the photos sits this epoch out.

        Raises:
            ValueError: when there is not even one.
        """
        count = len(self.train_photos) // global_batch_size
        if count == 0:
            raise ValueError(f"batch size {global_batch_size} is larger than the {len(self.train_photos)} train photos")
        return count

    def epoch_order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Positions of train photos in the order of an epoch, as many as there are train photos.

        With natural sampling each comes once. Otherwise photos of rare classes come several times and some of frequent
        ones not at all (systematic resampling: a photo that is due 2.3 times comes 2 or 3 times).
        """
        draw = np.random.default_rng(derive_seed(self._plan.seed, "order", epoch))
        shards = draw.permutation(np.unique(self.train_photos.shards))
        window_of = np.empty(int(shards.max()) + 1, np.int64)
        window_of[shards] = np.arange(len(shards)) // self._plan.shuffle_shards
        chosen = np.arange(len(self.train_photos))
        if self._plan.sampling != "natural":
            chosen = np.searchsorted(np.cumsum(self._copies), chosen + draw.random()).clip(max=len(chosen) - 1)
        windows = window_of[self.train_photos.shards[chosen]]
        ends = np.cumsum(np.bincount(windows))
        parts = np.split(chosen[np.argsort(windows, kind="stable")], ends[:-1])
        return np.concatenate([draw.permutation(part) for part in parts])

    def train(
        self, epoch: int, *, global_batch_size: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """This rank's part of each global batch of an epoch, from batch number ``start`` on."""
        order = self.epoch_order(epoch)
        size = global_batch_size // world_size
        firsts = [
            number * global_batch_size + rank * size
            for number in range(start, self.batches_per_epoch(global_batch_size))
        ]
        turns = epoch * self._most_copies + occurrences(order)  # another crop each time, within an epoch too
        parts = [(order[first : first + size], turns[first : first + size]) for first in firsts]
        yield from self._stream(self.train_photos, parts)

    def val(self, batch_size: int, *, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Every ``world_size``-th val photo from ``rank`` on, centre crop, in the order of shards."""
        rows = np.arange(rank, len(self.val_photos), world_size)
        parts = np.split(rows, range(batch_size, len(rows), batch_size))
        yield from self._stream(self.val_photos, [(part, None) for part in parts])

    def _stream(self, photos: Photos, parts: Sequence[_Part]) -> Iterator[Batch]:
        if self._plan.num_loader_workers == 0:
            for part in parts:
                yield self._batch(photos, *part)
            return
        waiting: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(self._plan.num_loader_workers, thread_name_prefix="loader") as pool:
            try:
                for part in parts:
                    waiting.append(pool.submit(self._batch, photos, *part))
                    if len(waiting) > self._plan.num_loader_workers + 1:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _batch(self, photos: Photos, rows: npt.NDArray[np.int64], turns: npt.NDArray[np.int64] | None) -> Batch:
        """The photos at ``rows``; ``turns`` say how often each was seen before, None wants centre crops."""
        plan = self._plan
        size = (plan.preprocessing if turns is None else self._trained_on).image_size
        squares = np.empty((len(rows), size, size, 3), np.uint8)
        colors: list[npt.NDArray[np.float32]] = []
        soft: list[tuple[SoftShard, int]] = []
        for place, row in enumerate(rows):
            image_id, shard = photos.image_ids[int(row)].as_py(), int(photos.shards[row])
            photo = self._cache.photo(shard, image_id)
            if turns is None:
                squares[place] = centre_square(photo, plan.preprocessing)
                continue
            drawn: dict[str, Any] = {"seed": plan.seed, "image_id": image_id, "epoch": int(turns[place])}
            if plan.soft_labels is None:
                augment(photo, self._policy, self._trained_on, out=squares[place], **drawn)
            else:
                labels = self._cache.soft(shard)
                view, label_row = labels.choose(**drawn)
                _show(view, photo, self._trained_on, squares[place])
                soft.append((labels, label_row))
            if self._policy.changes_color:
                colors.append(color_matrix(self._policy, **drawn))
        return Batch(
            torch.from_numpy(squares),
            torch.from_numpy(photos.labels[rows]),
            torch.from_numpy(np.stack(colors)) if colors else None,
            soft_targets(soft, plan.temperature) if soft else None,
        )


def _show(view: View | None, photo: Pixels, preprocessing: Preprocessing, out: Pixels) -> None:
    if view is None:
        out[...] = centre_square(photo, preprocessing)
    else:
        boxed_square(photo, view.box, view.flip, preprocessing.image_size, preprocessing.interpolation, out)


def _moved(value: Any, device: torch.device) -> Any:
    """A dataclass of tensors with every tensor on ``device``."""
    moved: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if isinstance(item, torch.Tensor):
            item = item.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else item
        elif item is not None:
            item = _moved(item, device)
        moved[field.name] = item
    return type(value)(**moved)
