"""The same training on Ray Train: equal bytes with one worker, one model from two, and a kill in between."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from aplantida.distributed.launch import launch
from aplantida.distributed.session import ray_session
from aplantida.pipeline.errors import machine_refusal
from aplantida.training.checkpoints import FOLDER, newest_whole
from aplantida.training.context import LocalContext
from aplantida.training.loop import train
from aplantida.training.task import TrainTask
from tests.fixtures.processes import kill
from tests.fixtures.trainings import (
    Killed,
    TakenOver,
    full_disk,
    kill_after,
    make_photos,
    make_plan,
    make_task,
    steps_kept,
)

DRIVER = """
import pickle, sys
from pathlib import Path
from aplantida.distributed.launch import launch
task = pickle.loads(Path(sys.argv[1]).read_bytes())
launch(task, folder=Path(sys.argv[2]), device="cpu", num_workers=1, num_threads=1)
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TrainTask:
    return make_task(make_plan(make_photos(tmp_path_factory.mktemp("photos"))))


@pytest.fixture(scope="module")
def bare(task: TrainTask, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return trained(task, tmp_path_factory.mktemp("bare"), 0)


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    with ray_session(num_cpus=2):
        yield


def trained(task: TrainTask, folder: Path, num_workers: int, **more: Any) -> dict[str, bytes]:
    done = launch(task, folder=folder, device="cpu", num_workers=num_workers, num_threads=1, **more)
    return {name: (done.folder / name).read_bytes() for name in ("model.safetensors", "model.json", "history.json")}


def summary_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result/summary.json").read_text(encoding="utf-8"))


@pytest.mark.slow  # one that was killed and goes on gives them, too
@pytest.mark.usefixtures("session")
def test_one_worker_gives_the_bytes_of_a_bare_process(task: TrainTask, bare: dict[str, bytes], tmp_path: Path) -> None:
    images: list[int] = []
    assert trained(task, tmp_path, 1, on_progress=lambda count, **_: images.append(count)) == bare
    assert 0 < sum(images) <= 9 * 12


@pytest.mark.slow  # that two are as good as one is shown below
@pytest.mark.usefixtures("session")
def test_two_workers_train_one_model(task: TrainTask, tmp_path: Path) -> None:
    plain = replace(task, mixup_alpha=0.0, cutmix_alpha=0.0)
    history = json.loads(trained(plain, tmp_path, 2)["history.json"])
    assert len(history) == 3
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert {round(row["val_top1"] * 12, 6) % 1 for row in history} == {0.0}  # hits among all 12 val photos


@pytest.mark.usefixtures("session")
def test_two_workers_are_one_worker_with_two_micro_batches(task: TrainTask, tmp_path: Path) -> None:
    """Up to rounding, and shown without batch norm, whose statistics are each worker's own."""
    plain = replace(
        task,
        mixup_alpha=0.0,
        cutmix_alpha=0.0,
        average_decay=None,
        card=replace(task.card, architecture="test_vit", dropout=0.0),
    )
    halves = replace(plain, optimization=replace(plain.optimization, micro_batch_size=6))
    whole = replace(plain, optimization=replace(plain.optimization, micro_batch_size=None))
    trained(halves, tmp_path / "one", 0)
    trained(whole, tmp_path / "two", 2)
    one, two = (load_file(tmp_path / name / "result/model.safetensors") for name in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], rtol=1e-3, atol=1e-5) for name in one)
    start = plain.build().state_dict()
    assert not any(torch.allclose(one[name], start[name], atol=1e-4) for name in one if name.endswith("qkv.weight"))


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize(
    "where",
    [
        pytest.param(FOLDER, id="theirs"),
        pytest.param("ray/training", id="of Ray trainings of earlier versions", marks=pytest.mark.slow),
    ],
)
def test_ray_goes_on_where_a_bare_process_was_killed(
    task: TrainTask, bare: dict[str, bytes], tmp_path: Path, where: str
) -> None:
    with pytest.raises(Killed):
        train(task, LocalContext(tmp_path, torch.device("cpu"), num_threads=1, on_progress=kill_after(5)))
    written = newest_whole(tmp_path / FOLDER)
    assert written is not None
    if where != FOLDER:
        (tmp_path / where).parent.mkdir()
        (tmp_path / FOLDER).rename(tmp_path / where)
    assert trained(task, tmp_path, 1) == bare
    assert summary_of(tmp_path)["resumed_at_steps"] == [int(written.parent.name)] == [4]
    assert summary_of(tmp_path)["moved_at_steps"] == []


@pytest.mark.usefixtures("session")
def test_workers_of_a_session_that_is_over_write_nothing_and_a_bare_process_goes_on(
    task: TrainTask, bare: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(Exception, match="another session has taken over"):
        trained(task, tmp_path, 1, max_failures=0, check=TakenOver(tmp_path, 4))
    assert not (tmp_path / "result").exists()
    assert [path.parent.name for path in sorted(tmp_path.rglob("[0-9]*/state.pt"))] == ["000000003", "000000004"]
    assert trained(task, tmp_path, 0) == bare
    assert summary_of(tmp_path)["resumed_at_steps"] == [4]


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_a_full_disk_under_a_worker_is_told_from_a_bug(task: TrainTask, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="No space left") as caught:
        trained(task, tmp_path, 2, max_failures=0, check=full_disk)
    assert str(machine_refusal(caught.value)).startswith("/disk/state.pt: No space left on device: the disk is full")


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_two_workers_go_on_to_the_bytes_of_two_undisturbed_ones(task: TrainTask, tmp_path: Path) -> None:
    """What each had counted of the epoch in which they were stopped is in its history, too."""
    whole = trained(task, tmp_path / "whole", 2)
    with pytest.raises(Exception, match="another session has taken over"):
        trained(task, tmp_path / "cut", 2, max_failures=0, check=TakenOver(tmp_path / "cut", 4))
    assert trained(task, tmp_path / "cut", 2) == whole
    assert summary_of(tmp_path / "cut")["resumed_at_steps"] == [4]


def test_driver_and_workers_killed_it_goes_on_to_the_same_bytes(
    task: TrainTask, bare: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "task.pkl").write_bytes(pickle.dumps(task))
    folder = tmp_path / "run"
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "task.pkl"), str(folder)],
        env=environment,
    )
    try:
        deadline = time.monotonic() + 400
        while not steps_kept(folder / FOLDER, task):
            assert driver.poll() is None, "the driver ended before its first checkpoint"
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        kill(driver, everything=True)
    assert not (folder / "result").exists()
    newest = steps_kept(folder / FOLDER, task)
    assert trained(task, folder, 1) == bare
    assert summary_of(folder)["resumed_at_steps"][0] >= newest
