from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from aplantida.data.views import views_from_arrow
from aplantida.distillation.teacher import ViewSettings, label_shard
from aplantida.domain.scores import ScoreTable
from aplantida.models.inference import Scorer
from tests.fixtures import tiny_artifacts

SETTINGS = ViewSettings(num_views=2, scale=(0.4, 1.0), ratio=(0.75, 4 / 3), flip_probability=0.5, seed=3)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(root))
        rows = tiny_artifacts.photos(5)
        tiny_artifacts.image_shards("images", rows)
        tiny_artifacts.split("split", rows)
        tiny_artifacts.checkpoint("teacher")
    return root


def members(world: Path, shard: int) -> dict[str, str]:
    table = pq.read_table(world / "split/split.parquet", filters=[("shard", "=", shard)])
    return dict(zip(table["image_id"].to_pylist(), table["split"].to_pylist(), strict=True))


def test_every_row_is_what_the_scorer_says_of_that_view(world: Path) -> None:
    scorer = Scorer(world / "teacher", "cpu", 1)
    path = world / "images/shards/shard-00000.parquet"
    split_of = members(world, 0)
    labels = label_shard(scorer, path, split_of, SETTINGS, None)
    photos = {row["image_id"]: row["image"] for row in pq.read_table(path).to_pylist()}
    train = sorted(image_id for image_id, name in split_of.items() if name == "train")
    assert list(zip(labels.train.image_ids, labels.train.views, strict=True)) == [
        (image_id, view) for image_id in train for view in (0, 1, 2)
    ]
    assert sorted(labels.heldout.image_ids) == sorted(set(split_of) - set(train))
    assert set(labels.heldout.views) == {0}
    views = views_from_arrow(labels.views)
    assert len(views) == len(labels.train) + len(labels.heldout)
    for row in range(len(labels.train)):
        image_id, number = str(labels.train.image_ids[row]), int(labels.train.views[row])
        alone = scorer.score([image_id], [photos[image_id]], [views[image_id, number]], [number])
        assert labels.train.logits[row] == pytest.approx(alone.logits[0], abs=2e-2)
    assert len(np.unique(labels.train.logits, axis=0)) == len(labels.train)


def test_top_k_keeps_the_largest_of_training_rows_and_all_of_the_others(world: Path) -> None:
    scorer = Scorer(world / "teacher", "cpu", 1)
    path = world / "images/shards/shard-00001.parquet"
    whole = label_shard(scorer, path, members(world, 1), SETTINGS, None)
    top = label_shard(scorer, path, members(world, 1), SETTINGS, 2)
    assert top.train.to_arrow().equals(whole.train.to_top_k(2).to_arrow())
    assert top.heldout.to_arrow().equals(whole.heldout.to_arrow())
    assert label_shard(scorer, path, members(world, 1), SETTINGS, 6).train.is_dense


def test_many_photos_come_out_the_same_however_they_are_decoded(world: Path) -> None:
    path = world / "images/shards/shard-00000.parquet"
    tables = [
        label_shard(
            Scorer(world / "teacher", "cpu", 1, batch_size=6, num_loader_workers=workers),
            path,
            members(world, 0),
            SETTINGS,
            None,
        ).train.to_arrow()
        for workers in (0, 2)
    ]
    assert tables[0].equals(tables[1])


def test_a_shard_without_photos_of_the_split_gives_empty_tables(world: Path) -> None:
    scorer = Scorer(world / "teacher", "cpu", 1)
    labels = label_shard(scorer, world / "images/shards/shard-00000.parquet", {}, SETTINGS, 2)
    assert (len(labels.train), len(labels.heldout), labels.views.num_rows) == (0, 0, 0)
    assert len(ScoreTable.from_arrow(labels.train.to_arrow())) == 0


def test_a_missing_photo_is_named(world: Path) -> None:
    scorer = Scorer(world / "teacher", "cpu", 1)
    with pytest.raises(ValueError, match="lacks 1 photos of the split, nowhere"):
        label_shard(scorer, world / "images/shards/shard-00000.parquet", {"nowhere": "train"}, SETTINGS, 2)
