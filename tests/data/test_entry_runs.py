from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.data.entry_runs import NUM_BUCKETS, RunReader, write_run
from tests.fixtures.entries import entry


def test_a_run_is_read_back_bucket_by_bucket_in_order_of_ids(tmp_path: Path) -> None:
    rows = [entry("d", n, "Rosa canina", f"{n}", common_names=["es:rosa"] * (n % 3)) for n in range(500)]
    rows += [{"document_id": "refused", "reason": "document_no_images"}]
    rows += [entry("d", n, "Rosa canina", f"{n}", image_id=f"{n:02x}".ljust(32, "0")) for n in (0, 4, 255)]  # the edges
    table = pa.Table.from_pylist(rows, ENTRY_SCHEMA)
    run = tmp_path / write_run(tmp_path, table)
    columns = ["common_names", "image_id", "document_id"]
    buckets = [RunReader(run, columns).read([bucket]) for bucket in range(NUM_BUCKETS + 1)]
    assert [bucket.column_names for bucket in buckets] == [columns] * (NUM_BUCKETS + 1)
    for number, bucket in enumerate(buckets[:NUM_BUCKETS]):
        ids = bucket["image_id"].to_pylist()
        assert ids == sorted(ids)
        assert {int(image_id[:2], 16) * NUM_BUCKETS // 256 for image_id in ids} <= {number}
    assert buckets[NUM_BUCKETS]["document_id"].to_pylist() == ["refused"]
    whole = RunReader(run, ENTRY_SCHEMA.names).read()
    assert [len(chunk) for chunk in whole["url"].chunks] == [bucket.num_rows for bucket in buckets]
    assert whole.combine_chunks() == table.sort_by("image_id").combine_chunks()


def test_no_two_runs_have_one_name(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([entry("d", 0, "Rosa canina", "1")], ENTRY_SCHEMA)
    assert len({write_run(tmp_path, table) for _ in range(3)}) == 3
