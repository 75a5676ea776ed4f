from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aplantida.distillation.teacher import ViewSettings
from aplantida.distributed.scoring import LabelJob, LabelledShard, label_shards, shard_name
from aplantida.domain.scores import ScoreTable
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.writer import ArtifactWriter
from tests.fixtures import tiny_artifacts

SETTINGS = ViewSettings(num_views=2, scale=(0.4, 1.0), ratio=(0.75, 4 / 3), flip_probability=0.5, seed=3)


def label(root: Path, images: Artifact, output: str, num_actors: int) -> tuple[Artifact, list[LabelledShard]]:
    done: list[LabelledShard] = []

    def write(writer: ArtifactWriter) -> None:
        job = LabelJob(images, root / "split/split.parquet", root / "teacher", writer, SETTINGS, 3, 4, "cpu", 1)
        for shard in label_shards(job, range(tiny_artifacts.NUM_SHARDS), num_actors):
            writer.record_unit(f"{shard.shard}", "key", shard.files)
            done.append(shard)

    return tiny_artifacts.seal("teacher_logits", output, write), done


def test_actors_write_the_bytes_that_this_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    rows = tiny_artifacts.photos(5)
    images = tiny_artifacts.image_shards("images", rows)
    tiny_artifacts.split("split", rows)
    tiny_artifacts.checkpoint("teacher")
    here, facts = label(tmp_path, images, "here", 0)
    there, _ = label(tmp_path, images, "there", 2)
    assert there.files == here.files
    assert len(here.files) == 3 * tiny_artifacts.NUM_SHARDS
    assert [shard.shard for shard in facts] == [0, 1, 2]
    assert sum(shard.num_train_rows for shard in facts) == 3 * 18
    assert sum(shard.num_heldout_rows for shard in facts) == 12
    table = ScoreTable.from_arrow(pq.read_table(here.file(shard_name("scores", 1))))
    assert table.indices is not None
    assert table.tail_count == 3
