from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from aplantida.data.batches import BatchPlan, BatchSource, select_photos
from aplantida.data.soft_labels import SoftLabels
from aplantida.data.views import View, random_view, views_to_arrow
from aplantida.domain.class_index import class_index_digest
from aplantida.domain.pixels import boxed_square, centre_square, decode_photo
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.scores import ScoreTable
from tests.fixtures.artifacts import NUM_SHARDS, make_images, make_split

SETTINGS = Preprocessing(image_size=32)
NUM_VIEWS = 3
CLASS_IDS = tuple("abcdef")
DIGEST = class_index_digest(CLASS_IDS)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> BatchPlan:
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(folder))
        make_images("images")
        make_split("split", "images")
    return BatchPlan(
        images=folder / "images/shards",
        split_file=folder / "split/split.parquet",
        class_indices=tuple(range(6)),
        preprocessing=SETTINGS,
        augmentation="standard",
        seed=7,
        shuffle_shards=1,
    )


def stored(plan: BatchPlan, image_id: str) -> np.ndarray:
    for file in sorted(plan.images.glob("*.parquet")):
        table = pq.read_table(file)
        ids = table["image_id"].to_pylist()
        if image_id in ids:
            return decode_photo(table["image"][ids.index(image_id)].as_py())
    raise AssertionError(image_id)


@pytest.fixture(scope="module")
def soft(plan: BatchPlan, tmp_path_factory: pytest.TempPathFactory) -> SoftLabels:
    """Soft labels whose first logit is the view's number and whose second is the photo's place in its shard."""
    folder = tmp_path_factory.mktemp("soft_labels")
    photos = BatchSource(plan).train_photos
    for shard in range(NUM_SHARDS):
        ids = photos.image_ids.filter(pa.array(photos.shards == shard)).to_pylist()
        rows = [(image_id, view) for image_id in ids for view in range(NUM_VIEWS + 1)]
        logits = np.zeros((len(rows), 6), np.float16)
        logits[:, 0] = [view for _, view in rows]
        logits[:, 1] = [ids.index(image_id) for image_id, _ in rows]
        table = ScoreTable(
            np.array([image_id for image_id, _ in rows]),
            np.array([view for _, view in rows], np.int16),
            CLASS_IDS,
            logits,
        )
        views = [
            (image_id, view, random_view(48, 48, seed=1, image_id=image_id, view=view) if view else View(0, 0, 1, 1))
            for image_id, view in rows
        ]
        for part, content in (("scores", table.to_arrow()), ("views", views_to_arrow(views))):
            (folder / part).mkdir(exist_ok=True)
            pq.write_table(content, folder / part / f"shard-{shard:05d}.parquet")
    return SoftLabels(folder, DIGEST)


def test_every_photo_of_an_epoch_comes_once_and_windows_come_whole(plan: BatchPlan) -> None:
    source = BatchSource(plan)
    order = source.epoch_order(0)
    assert sorted(order.tolist()) == list(range(36))
    shards = source.train_photos.shards[order]
    assert np.count_nonzero(np.diff(shards)) == NUM_SHARDS - 1
    assert not np.array_equal(order, source.epoch_order(1))
    wide = BatchSource(replace(plan, shuffle_shards=NUM_SHARDS))
    assert np.count_nonzero(np.diff(wide.train_photos.shards[wide.epoch_order(0)])) > NUM_SHARDS


@pytest.mark.parametrize(("sampling", "power"), [("natural", 1.0), ("square_root", 0.5), ("balanced", 0.0)])
def test_rare_classes_come_more_often(plan: BatchPlan, tmp_path: Path, sampling: Any, power: float) -> None:
    table = pq.read_table(plan.split_file)
    rare = [place >= 3 and row % 3 > 0 for row, place in enumerate(table["class_index"].to_pylist())]
    is_train = [split == "train" for split in table["split"].to_pylist()]
    kept = [not (few and train) for few, train in zip(rare, is_train, strict=True)]
    pq.write_table(table.filter(kept), tmp_path / "split.parquet")
    source = BatchSource(replace(plan, split_file=tmp_path / "split.parquet", sampling=sampling))
    labels = source.train_photos.labels
    counts = np.bincount(labels, minlength=6)
    assert counts[:3].min() > counts[3:].max() > 0
    seen = np.stack([np.bincount(labels[source.epoch_order(epoch)], minlength=6) for epoch in range(40)])
    assert (seen.sum(axis=1) == len(labels)).all()
    wanted = counts**power
    assert seen.sum(axis=0) / seen.sum() == pytest.approx(wanted / wanted.sum(), abs=0.02)


def test_a_photo_that_comes_again_in_an_epoch_shows_another_crop(plan: BatchPlan, tmp_path: Path) -> None:
    table = pq.read_table(plan.split_file)
    rows = table.select(["class_index", "split"]).to_pylist()
    first = [at for at, row in enumerate(rows) if row["class_index"] == 0 and row["split"] == "train"]
    pq.write_table(table.take([at for at in range(len(rows)) if at not in first[1:]]), tmp_path / "split.parquet")
    source = BatchSource(replace(plan, split_file=tmp_path / "split.parquet", sampling="balanced"))
    batch = next(iter(source.train(0, global_batch_size=len(source.train_photos))))
    only = batch.pixels[batch.labels == 0]
    assert len(only) >= 4
    assert len({item.numpy().tobytes() for item in only}) == len(only)


def test_the_prior_is_the_share_of_train_photos(plan: BatchPlan) -> None:
    source = BatchSource(plan)
    counts = np.bincount(source.train_photos.labels, minlength=6)
    assert source.log_prior().exp().numpy() == pytest.approx(counts / counts.sum(), rel=1e-5)


def test_starting_later_gives_the_rest_of_the_same_epoch(plan: BatchPlan) -> None:
    source = BatchSource(plan)
    whole = list(source.train(2, global_batch_size=8))
    rest = list(source.train(2, global_batch_size=8, start=2))
    assert [len(batch) for batch in whole] == [8, 8, 8, 8]
    assert len(rest) == 2
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(whole[2:], rest, strict=True))


@pytest.mark.parametrize("changes", [{"num_loader_workers": 3}, {"cache_images": True}])
def test_threads_and_caches_change_nothing(plan: BatchPlan, changes: dict[str, int]) -> None:
    plain, other = BatchSource(plan), BatchSource(replace(plan, **changes))
    for epoch in range(2):
        pairs = zip(plain.train(epoch, global_batch_size=5), other.train(epoch, global_batch_size=5), strict=True)
        for a, b in pairs:
            assert torch.equal(a.pixels, b.pixels)
            assert torch.equal(a.labels, b.labels)
            assert a.colors is not None
            assert b.colors is not None
            assert torch.equal(a.colors, b.colors)


def test_ranks_share_a_global_batch(plan: BatchPlan) -> None:
    source = BatchSource(plan)
    whole = next(iter(source.train(0, global_batch_size=12)))
    parts = [next(iter(source.train(0, global_batch_size=12, rank=rank, world_size=3))) for rank in range(3)]
    assert torch.equal(torch.cat([part.pixels for part in parts]), whole.pixels)
    seen = torch.cat([batch.labels for rank in range(2) for batch in source.val(4, rank=rank, world_size=2)])
    assert sorted(seen.tolist()) == sorted(source.val_photos.labels.tolist())


def test_val_photos_are_centre_crops_in_the_order_of_the_split(plan: BatchPlan) -> None:
    source = BatchSource(plan)
    pixels = torch.cat([batch.pixels for batch in source.val(5)])
    expected = [centre_square(stored(plan, image_id), SETTINGS) for image_id in source.val_photos.image_ids.tolist()]
    assert np.array_equal(pixels.numpy(), np.stack(expected))


def test_a_subset_of_classes_is_renumbered(plan: BatchPlan) -> None:
    photos = select_photos(plan.split_file, "train", (5, 2))
    every = select_photos(plan.split_file, "train", tuple(range(6)))
    was = dict(zip(every.image_ids.tolist(), every.labels.tolist(), strict=True))
    assert len(photos) == 12
    now = dict(zip(photos.image_ids.tolist(), photos.labels.tolist(), strict=True))
    assert {(was[image_id], label) for image_id, label in now.items()} == {(5, 0), (2, 1)}


def test_a_region_keeps_its_own_photos(plan: BatchPlan) -> None:
    rows = pq.read_table(plan.split_file).to_pylist()
    spanish = [row["image_id"] for row in rows if row["split"] == "train" and "spain" in row["regions"]]
    photos = select_photos(plan.split_file, "train", tuple(range(6)), region="spain")
    assert 0 < len(spanish) < 36
    assert sorted(photos.image_ids.tolist()) == sorted(spanish)
    with pytest.raises(ValueError, match="no train photos"):
        BatchSource(replace(plan, region="atlantis"))


def test_a_photo_shows_the_view_its_soft_label_belongs_to(plan: BatchPlan, soft: SoftLabels) -> None:
    source = BatchSource(replace(plan, soft_labels=soft, augmentation="none"))
    photos = source.train_photos
    seen: dict[str, list[int]] = {}
    for epoch in range(NUM_VIEWS):
        order = source.epoch_order(epoch)
        for number, batch in enumerate(source.train(epoch, global_batch_size=6)):
            assert batch.soft is not None
            assert batch.colors is None
            for place, row in enumerate(order[number * 6 : number * 6 + 6]):
                image_id = str(photos.image_ids[row])
                view = int(batch.soft.logits[place, 0])
                drawn = random_view(48, 48, seed=1, image_id=image_id, view=view)
                expected = boxed_square(stored(plan, image_id), drawn.box, drawn.flip, 32)
                assert np.array_equal(batch.pixels[place].numpy(), expected)
                seen.setdefault(image_id, []).append(view)
    assert all(sorted(views) == [1, 2, 3] for views in seen.values())
    assert len({views[0] for views in seen.values()}) == 3


def test_top_k_soft_labels_come_with_their_tail(plan: BatchPlan, soft: SoftLabels, tmp_path: Path) -> None:
    for file in (soft.folder / "scores").iterdir():
        (tmp_path / "scores").mkdir(exist_ok=True)
        table = ScoreTable.from_arrow(pq.read_table(file)).to_top_k(2)
        pq.write_table(table.to_arrow(), tmp_path / "scores" / file.name)
    (tmp_path / "views").symlink_to(soft.folder / "views")
    top = replace(plan, soft_labels=SoftLabels(tmp_path, DIGEST), temperature=3.0)
    batch = next(iter(BatchSource(top).train(0, global_batch_size=6)))
    assert batch.soft is not None
    assert batch.soft.indices is not None
    assert batch.soft.tail is not None
    assert batch.soft.logits.shape == batch.soft.indices.shape == (6, 2)
    assert torch.allclose(batch.soft.tail, torch.tensor(4.0).log(), atol=1e-5)


def test_soft_labels_over_other_classes_or_in_another_order_are_refused(plan: BatchPlan, soft: SoftLabels) -> None:
    swapped = class_index_digest(CLASS_IDS[::-1])
    source = BatchSource(replace(plan, soft_labels=replace(soft, class_index_digest=swapped)))
    with pytest.raises(ValueError, match=rf"6 classes of digest {DIGEST[:12]}, the model's .* {swapped[:12]}"):
        next(iter(source.train(0, global_batch_size=6)))


def test_a_photo_without_a_label_is_named(plan: BatchPlan, soft: SoftLabels, tmp_path: Path) -> None:
    for file in (soft.folder / "scores").iterdir():
        (tmp_path / "scores").mkdir(exist_ok=True)
        table = ScoreTable.from_arrow(pq.read_table(file)).take(range(4))
        pq.write_table(table.to_arrow(), tmp_path / "scores" / file.name)
    (tmp_path / "views").symlink_to(soft.folder / "views")
    with pytest.raises(ValueError, match=r"no row for photo [0-9a-f]{32}"):
        list(BatchSource(replace(plan, soft_labels=SoftLabels(tmp_path, DIGEST))).train(0, global_batch_size=36))


def test_a_photo_the_shards_do_not_hold_is_named(plan: BatchPlan, tmp_path: Path) -> None:
    for file in plan.images.iterdir():
        pq.write_table(pq.read_table(file).slice(1), tmp_path / file.name)
    source = BatchSource(replace(plan, images=tmp_path, augmentation="none"))
    with pytest.raises(ValueError, match=r"shard \d does not hold photo [0-9a-f]{32}"):
        [list(stream) for stream in (source.val(12), source.train(0, global_batch_size=36))]


def test_micro_batches_hold_the_whole_batch(plan: BatchPlan, soft: SoftLabels) -> None:
    batch = next(iter(BatchSource(replace(plan, soft_labels=soft)).train(0, global_batch_size=7)))
    parts = batch.split(3)
    assert [len(part) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([part.pixels for part in parts]), batch.pixels)
    assert batch.soft is not None
    assert torch.equal(torch.cat([part.soft.logits for part in parts if part.soft]), batch.soft.logits)


@pytest.mark.parametrize("with_soft_labels", [False, True])
def test_squares_trained_on_may_be_smaller_than_the_models(
    plan: BatchPlan, soft: SoftLabels, with_soft_labels: bool
) -> None:
    smaller = replace(plan, train_image_size=24, soft_labels=soft if with_soft_labels else None)
    source = BatchSource(smaller)
    assert next(iter(source.train(0, global_batch_size=8))).pixels.shape[1:] == (24, 24, 3)
    assert next(iter(source.val(8))).pixels.shape[1:] == (32, 32, 3)


def test_photos_are_decoded_where_libjpeg_turbo_keeps_them_in_the_cache(plan: BatchPlan) -> None:
    """It writes past the cache to addresses that are a multiple of 32."""
    source = BatchSource(replace(plan, cache_images=False))
    photos, cache = source.train_photos, source._cache
    pixels = cache.pixels(cache.find([int(photos.shards[0])], [photos.image_ids[0].as_py()])[0])
    assert pixels.ctypes.data % 32 == 16
