from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aplantida.data.pending import PendingShard
from aplantida.data.shards import RESULT_SCHEMA, ShardPlan
from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, shard_of
from tests.fixtures.entries import records_of_urls

NUM_SHARDS = 5


@pytest.fixture
def plan(tmp_path: Path) -> ShardPlan:
    table = records_of_urls(f"http://example.org/{number}.jpg" for number in range(200))
    pq.write_table(table.take(pa.array(range(199, -1, -1))), tmp_path / "records.parquet", row_group_size=30)
    return ShardPlan.of(tmp_path / "records.parquet", tmp_path / "plan", NUM_SHARDS)


def test_every_record_is_in_its_shard(plan: ShardPlan) -> None:
    assert plan.num_records == 200
    seen: list[str] = []
    for shard in range(NUM_SHARDS):
        records = plan.records(shard)
        assert records.schema == RECORD_SCHEMA
        ids = records["image_id"].to_pylist()
        assert ids == sorted(ids)
        assert {shard_of(image_id, NUM_SHARDS) for image_id in ids} == {shard}
        seen += ids
    assert len(set(seen)) == len(seen) == 200


def test_a_shard_without_records_is_empty(tmp_path: Path) -> None:
    pq.write_table(records_of_urls(["http://example.org/1.jpg"]), tmp_path / "records.parquet")
    plan = ShardPlan.of(tmp_path / "records.parquet", tmp_path / "plan", NUM_SHARDS)
    assert sorted(plan.records(shard).num_rows for shard in range(NUM_SHARDS)) == [0, 0, 0, 0, 1]
    assert all(plan.records(shard).schema == RECORD_SCHEMA for shard in range(NUM_SHARDS))


def test_outcomes_wait_on_disk_and_not_in_memory(plan: ShardPlan, tmp_path: Path) -> None:
    ids = plan.records(0)["image_id"].to_pylist()
    shard = PendingShard(plan, 0, tmp_path / "outcomes")
    assert shard.missing["image_id"].to_pylist() == ids
    before = pa.total_allocated_bytes()
    for place in reversed(range(len(ids))):
        shard.take(pa.Table.from_pylist([photo(ids[place], bytes([place]) * 500_000)], RESULT_SCHEMA))
    assert pa.total_allocated_bytes() - before < 1_000_000
    finished = shard.finish()
    assert finished.photos.num_rows == len(ids)
    assert pa.total_allocated_bytes() - before < 1_000_000
    parts = list(finished.parts(16))
    assert [part.num_rows for part in parts[:-1]] == [16] * (len(ids) // 16)
    table = pa.concat_tables(parts)
    assert table.schema == IMAGE_SCHEMA
    assert table["image_id"].to_pylist() == ids
    assert [image[0] for image in table["image"].to_pylist()] == list(range(len(ids)))
    shard.close()
    assert not (tmp_path / "outcomes").exists()


def photo(image_id: str, image: bytes) -> dict[str, Any]:
    values: dict[str, Any] = {"image": image, "exif_rotated": False, "content_type": "image/jpeg"}
    sizes = dict.fromkeys(("width", "height", "original_width", "original_height", "source_bytes"), 1)
    hashes = dict.fromkeys(("source_sha256", "pixel_sha256", "perceptual_hash"), "0")
    return {"image_id": image_id, **values, **sizes, **hashes}
