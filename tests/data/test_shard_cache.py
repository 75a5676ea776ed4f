"""Shards are read once, ahead, and without holding up who wants another one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aplantida.data.batches import BatchSource
from aplantida.data.shard_cache import ShardCache, _Images
from tests.fixtures.trainings import make_photos, make_plan


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("photos"))


def windows(num_shards: int, batches: int, width: int, seed: int) -> list[list[int]]:
    """Batches of an epoch: ``width`` shards together, ``batches`` batches long, each batch of some of them."""
    draw = np.random.default_rng(seed)
    found: list[list[int]] = []
    for first in range(0, num_shards, width):
        window = np.arange(first, min(first + width, num_shards))
        sizes = draw.integers(1, len(window) + 1, batches).tolist()
        found += [sorted(draw.choice(window, size, replace=False).tolist()) for size in sizes]
    return found


class _Counting(ShardCache):
    """Shards that are nothing but their numbers."""

    def __init__(self, num_shards: int) -> None:
        super().__init__(Path(), None, num_shards, cache_images=False)
        self.reads = list[int]()

    def use(self, shard: int) -> None:
        self._kept(self._images, shard, self._read_images)

    def _read_images(self, shard: int):  # pyright: ignore[reportMissingParameterType]
        self.reads.append(shard)
        return _Images({}, None)


@pytest.mark.parametrize("late", [0, 2])
@pytest.mark.parametrize("batches", [1, 3, 40])
@pytest.mark.parametrize("seed", range(5))
def test_each_shard_is_read_once_and_before_it_is_used(batches: int, seed: int, late: int) -> None:
    """However short the windows are, and when batches are made a few later than they were asked for."""
    wanted, cache = windows(30, batches, 4, seed), _Counting(8)
    for number in range(len(wanted) + late):
        if number < len(wanted):
            for shard in cache.want(wanted[max(0, number - late) : number + 16]):
                cache.read_ahead(shard)
        read = len(cache.reads)
        for shard in wanted[number - late] if number >= late else ():
            cache.use(shard)
        assert len(cache.reads) == read
    assert sorted(cache.reads) == sorted({shard for shards in wanted for shard in shards})


def test_no_more_lie_in_memory_than_have_room() -> None:
    cache = _Counting(3)
    assert cache.want([[0, 1], [1, 2], [3], [2]]) == [0, 1, 2]
    for shard in (0, 1, 2, 9, 8, 9):
        cache.use(shard)
    assert cache.want([[0, 1], [1, 2]]) == [0]  # all were wanted when 9 came: the oldest went
    assert len(cache._images) == 3


class _Slow(ShardCache):
    """Reads shard 0 only when it is told to."""

    def __init__(self, images: Path) -> None:
        super().__init__(images, None, 4, cache_images=False)
        self.go, self.reads = threading.Event(), list[int]()

    def _read_images(self, shard: int):  # pyright: ignore[reportMissingParameterType]
        self.reads.append(shard)
        if shard == 0:
            assert self.go.wait(30)
        return super()._read_images(shard)


def one_of(source: BatchSource, shard: int) -> tuple[Sequence[int], Sequence[str]]:
    at = int(np.flatnonzero(source.train_photos.shards == shard)[0])
    return [shard], [source.train_photos.image_ids[at].as_py()]


def test_a_shard_is_read_once_by_who_asks_first_and_others_are_read_meanwhile(photos: Path) -> None:
    plan = make_plan(photos)
    cache, source = _Slow(plan.images), BatchSource(plan)
    waiting = [threading.Thread(target=cache.find, args=one_of(source, 0)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    assert len(cache.find(*one_of(source, 1))) == 1
    assert all(thread.is_alive() for thread in waiting)
    cache.go.set()
    for thread in waiting:
        thread.join()
    assert sorted(cache.reads) == [0, 1]


def test_what_is_wrong_with_a_shard_is_said_when_it_is_used(photos: Path) -> None:
    cache = ShardCache(photos / "nowhere", None, 4, cache_images=False)
    cache.read_ahead(0)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            cache.find([0], ["a"])


def test_where_decoded_photos_are_kept_no_file_is_read_again(photos: Path) -> None:
    source = BatchSource(replace(make_plan(photos), cache_images=True, num_loader_workers=2))
    for epoch in range(2):
        assert sum(len(batch) for batch in source.train(epoch, global_batch_size=6)) == 36
        source._cache._images.clear()
    assert sum(len(batch) for batch in source.train(2, global_batch_size=6)) == 36
    assert not source._cache._images


@pytest.mark.parametrize("threads", [1, 3])
def test_reading_ahead_changes_no_batch(photos: Path, threads: int) -> None:
    plan = make_plan(photos)
    alone, ahead = (BatchSource(replace(plan, num_loader_workers=number)) for number in (0, threads))
    pairs = zip(alone.train(2, global_batch_size=5), ahead.train(2, global_batch_size=5), strict=True)
    assert all(bool((one.pixels == other.pixels).all()) for one, other in pairs)
