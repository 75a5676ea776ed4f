"""Batches of photos for training: image shards joined with a split and, for distillation, stored views and soft labels.

The order of an epoch is a function of (seed, epoch): shards are permuted, taken a window at a time, and the photos of a
window are shuffled, so that only a window's shards lie in memory. Decoding runs in threads (libjpeg-turbo and Pillow
release the interpreter's lock): they share the shards in memory, start at once, and cannot change the result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from aplantida.data.augmentation import POLICIES, Draw, color_matrices, drawn_view, show_view, turn_and_erase
from aplantida.data.batch import Batch
from aplantida.data.sampling import Sampling, expected_copies, occurrences
from aplantida.data.shard_cache import ShardCache, StoredPhoto
from aplantida.data.soft_labels import SoftLabels, SoftShard, soft_targets
from aplantida.data.views import View
from aplantida.domain.cores import take_short_turns
from aplantida.domain.memory import keep_freed_memory
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.seeds import derive_seed
from aplantida.domain.split import read_split

_BATCHES_AHEAD = 16  # whose shards are read


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


def select_photos(
    split_file: Path, split: str, class_indices: Sequence[int], region: str | None = None, fraction: float = 1.0
) -> Photos:
    """The photos of ``split`` whose class is one of ``class_indices``, sorted by shard and id.

    Args:
        split_file: ``split.parquet``.
        split: train, val or test.
        class_indices: positions in the split's class index, in the order of the model's outputs.
        region: only photos of this region, by either rule of membership.
        fraction: a hash-chosen share of them, above 0 and up to 1.
    """
    wanted = (pc.field("split") == split) & pc.field("class_index").isin(list(class_indices))
    columns = ["image_id", "shard", "class_index"]
    more = [] if region is None else ["regions"]
    table = read_split(split_file, [*columns, *more], fraction=fraction, where=wanted)
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
        photo_fraction: a hash-chosen share of the photos of each split, above 0 and up to 1.
        soft_labels: of the photos, over the model's classes; or None.
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
    photo_fraction: float = 1.0
    soft_labels: SoftLabels | None = None
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
        if plan.num_loader_workers > 0:
            take_short_turns()
        self._plan = plan
        self._policy = POLICIES[plan.augmentation]
        size = plan.train_image_size or plan.preprocessing.image_size
        self._trained_on = replace(plan.preprocessing, image_size=size)
        self._cache = ShardCache(plan.images, plan.soft_labels, 2 * plan.shuffle_shards, plan.cache_images)
        wanted = (plan.class_indices, plan.region, plan.photo_fraction)
        self.train_photos = select_photos(plan.split_file, plan.train_split, *wanted)
        self.val_photos = select_photos(plan.split_file, "val", *wanted)
        for name, photos in ((plan.train_split, self.train_photos), ("val", self.val_photos)):
            if len(photos) == 0:
                share = "" if plan.photo_fraction == 1 else f" in the share {plan.photo_fraction} of them"
                raise ValueError(
                    f"{plan.split_file}: no {name} photos of these {len(plan.class_indices)} classes{share}"
                )
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
        self,
        epoch: int,
        *,
        global_batch_size: int,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        pin: bool = False,
    ) -> Iterator[Batch]:
        """This rank's part of each global batch of an epoch, from batch number ``start`` on.

        With ``pin`` they lie in memory that a GPU can copy from by itself.
        """
        order = self.epoch_order(epoch)
        size = global_batch_size // world_size
        firsts = [
            number * global_batch_size + rank * size
            for number in range(start, self.batches_per_epoch(global_batch_size))
        ]
        turns = epoch * self._most_copies + occurrences(order)  # another crop each time, within an epoch too
        parts = [(order[first : first + size], turns[first : first + size]) for first in firsts]
        yield from self._stream(self.train_photos, parts, pin)

    def val(self, batch_size: int, *, rank: int = 0, world_size: int = 1, pin: bool = False) -> Iterator[Batch]:
        """Every ``world_size``-th val photo from ``rank`` on, centre crop, in the order of shards."""
        rows = np.arange(rank, len(self.val_photos), world_size)
        parts = np.split(rows, range(batch_size, len(rows), batch_size))
        yield from self._stream(self.val_photos, [(part, None) for part in parts], pin)

    def _stream(self, photos: Photos, parts: Sequence[_Part], pin: bool) -> Iterator[Batch]:
        def make(part: _Part) -> Batch:
            batch = self._batch(photos, *part)
            return batch.pinned() if pin else batch

        if self._plan.num_loader_workers == 0:
            yield from map(make, parts)
            return
        waiting: deque[Future[Batch]] = deque()
        num_workers = self._plan.num_loader_workers
        used = [np.unique(photos.shards[rows]).tolist() for rows, _ in parts]
        with ThreadPoolExecutor(num_workers, thread_name_prefix="loader") as pool:
            try:
                for number, part in enumerate(parts):
                    for shard in self._cache.want(used[max(0, number - num_workers - 1) : number + _BATCHES_AHEAD]):
                        pool.submit(self._cache.read_ahead, shard)
                    waiting.append(pool.submit(make, part))
                    if len(waiting) > num_workers + 1:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _batch(self, photos: Photos, rows: npt.NDArray[np.int64], turns: npt.NDArray[np.int64] | None) -> Batch:
        """The photos at ``rows``; ``turns`` say how often each was seen before, None wants centre crops.

        Everything is found and drawn before the first photo is decoded: decoding drives Python's code out of the
        processor's cache, so the less of it runs between two photos, the better.
        """
        plan = self._plan
        ids: list[str] = photos.image_ids.take(pa.array(rows)).to_pylist()
        shards: list[int] = photos.shards[rows].tolist()
        found = self._cache.find(shards, ids)
        labels = torch.from_numpy(photos.labels[rows])
        if turns is None:
            return Batch(self._squares(found, [None] * len(found), plan.preprocessing), labels)
        drawn = [Draw(plan.seed, image_id, turn) for image_id, turn in zip(ids, turns.tolist(), strict=True)]
        colors = torch.from_numpy(color_matrices(self._policy, drawn)) if self._policy.changes_color else None
        soft: list[tuple[SoftShard, int]] = []
        if plan.soft_labels is None:
            sides = [(photo.width, photo.height) for photo in found]
            views = [drawn_view(self._policy, *side, **draw._asdict()) for side, draw in zip(sides, drawn, strict=True)]
        else:
            labels_of = {shard: self._cache.soft(shard) for shard in set(shards)}
            stored = [labels_of[shard] for shard in shards]
            chosen = [part.choose(**draw._asdict()) for part, draw in zip(stored, drawn, strict=True)]
            views = [view for view, _ in chosen]
            soft = [(part, row) for part, (_, row) in zip(stored, chosen, strict=True)]
        pixels = self._squares(found, views, self._trained_on)
        if plan.soft_labels is None and self._policy.turns_or_erases:
            for square, draw in zip(pixels.numpy(), drawn, strict=True):
                turn_and_erase(square, self._policy, **draw._asdict())
        return Batch(
            pixels,
            labels,
            colors,
            soft_targets(soft, plan.temperature) if soft else None,
        )

    def _squares(
        self, photos: Sequence[StoredPhoto], views: Sequence[View | None], preprocessing: Preprocessing
    ) -> torch.Tensor:
        """(N, S, S, 3) uint8."""
        squares = np.empty((len(photos), preprocessing.image_size, preprocessing.image_size, 3), np.uint8)
        for photo, view, square in zip(photos, views, squares, strict=True):
            show_view(view, self._cache.pixels(photo), preprocessing, square)
        return torch.from_numpy(squares)
