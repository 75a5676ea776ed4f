from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.domain.split import SPLIT_SCHEMA, is_in_fraction, read_split

IDS = [f"{number:032x}" for number in range(4000)]


def write(path: Path) -> Path:
    rows = [
        {
            "image_id": image_id,
            "shard": place % 7,
            "class_index": place % 5,
            "split": ("train", "train", "val", "test")[place % 4],
            "group": image_id,
            "regions": [],
            "regions_by_country": [],
        }
        for place, image_id in enumerate(IDS)
    ]
    pq.write_table(pa.Table.from_pylist(rows, SPLIT_SCHEMA), path)
    return path


def test_a_share_lies_within_a_larger_one_and_is_as_large_as_it_says() -> None:
    chosen = {share: {name for name in IDS if is_in_fraction(name, share)} for share in (0.05, 0.1, 0.5, 1.0)}
    assert chosen[0.05] < chosen[0.1] < chosen[0.5] < chosen[1.0] == set(IDS)
    assert all(abs(len(names) / len(IDS) - share) < 0.03 for share, names in chosen.items())
    assert is_in_fraction("0" * 32, 0.0171)  # frozen: artifacts of two versions agree
    assert not is_in_fraction("0" * 32, 0.017)


def test_a_part_of_a_split_is_read_by_photo_and_by_row(tmp_path: Path) -> None:
    path = write(tmp_path / "split.parquet")
    whole = read_split(path)
    assert whole.equals(pq.read_table(path))
    part = read_split(path, fraction=0.25)
    assert part.schema == whole.schema
    assert part["image_id"].to_pylist() == [name for name in IDS if is_in_fraction(name, 0.25)]
    in_shard = read_split(path, ["split", "shard"], fraction=0.25, where=pc.field("shard") == 3)
    assert in_shard.equals(part.filter(pc.field("shard") == 3).select(["split", "shard"]))
