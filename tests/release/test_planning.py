from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aplantida.pipeline.errors import BadRequest
from aplantida.release.planning import Costs, outlook, outlook_text, read_costs

TEACHER = {
    "phase": "train_teacher",
    "how": "vit at 224 px: its seconds a photo",
    "hours": 30.0,
    "bytes": 4e9,
    "driver_mb": 900.0,
    "worker_mb": 2500.0,
    "epochs": 15,
    "network": "vit",
    "image_size": 224,
}
SPLIT = {**TEACHER, "phase": "split_dataset", "hours": 0.2, "epochs": None, "network": None, "image_size": None}
CONFIG: dict[str, Any] = {"model": {"name": "vit"}, "data": {"image_size": 224}, "training": {"epochs": 15}}


@pytest.fixture
def costs(tmp_path: Path) -> Costs:
    path = tmp_path / "costs.json"
    said = {"date": "d", "machine": "m", "num_photos": 900_000, "nodes": {"teacher": TEACHER, "split": SPLIT}}
    path.write_text(json.dumps(said))
    found = read_costs(path)
    assert found is not None
    return found


def test_a_run_takes_its_share_of_the_rehearsed_photos_and_epochs(costs: Costs) -> None:
    assert outlook(costs, "teacher", CONFIG, 900_000).hours == 30.0
    third = outlook(costs, "teacher", {**CONFIG, "training": {"epochs": 5}}, 450_000)
    assert third.hours == pytest.approx(5.0)
    assert (third.bytes, third.memory_mb) == (2e9, 2500.0)
    share = outlook(costs, "teacher", {**CONFIG, "data": {"image_size": 224, "photo_fraction": 0.1}}, 900_000)
    assert share.hours == pytest.approx(3.0)
    assert outlook(costs, "split", {}, 90_000).hours == pytest.approx(0.02)


def test_another_network_or_size_has_no_hours_and_says_why(costs: Costs) -> None:
    found = outlook(costs, "teacher", {**CONFIG, "data": {"image_size": 384}}, 900_000)
    assert found.hours is None
    assert found.remark == "timed was vit at 224 px, this is vit at 384 px"
    assert outlook(costs, "student", CONFIG, 900_000).remark == "not rehearsed"


def test_in_words(costs: Costs) -> None:
    assert outlook_text(outlook(costs, "teacher", CONFIG, 900_000)) == "30.0 h, 4.0 GB on disk, 2.5 GB of memory"
    assert outlook_text(outlook(costs, "split", {}, 900_000)).startswith("12.0 min, ")


def test_no_rehearsal_and_a_file_of_another_kind(tmp_path: Path) -> None:
    assert read_costs(tmp_path / "costs.json") is None
    (tmp_path / "costs.json").write_text('{"nodes": {"teacher": {"hours": 3}}}')
    with pytest.raises(BadRequest, match=r"costs\.json: no costs file of a rehearsal"):
        read_costs(tmp_path / "costs.json")
