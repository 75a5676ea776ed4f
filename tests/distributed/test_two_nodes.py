"""A training over two Ray nodes, one of which dies: it goes on from its last checkpoint when another one comes."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from aplantida.training.checkpoints import FOLDER
from aplantida.training.task import TrainTask
from tests.fixtures.trainings import make_photos, make_plan, make_task, steps_kept

DRIVER = """
import pickle, sys
from pathlib import Path
from aplantida.distributed.launch import launch
task = pickle.loads(Path(sys.argv[1]).read_bytes())
launch(task, folder=Path(sys.argv[2]), device="cpu", num_workers=2, num_threads=1, max_failures=3)
"""


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """A head and a node, each with room for one worker."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100_000_000})
    try:
        yield cluster
    finally:
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_nodes_train_and_survive_the_death_of_one(tmp_path: Path) -> None:
    task: TrainTask = make_task(make_plan(make_photos(tmp_path / "photos")))
    task = replace(task, epochs=40, save_every_steps=1, mixup_alpha=0.0, cutmix_alpha=0.0)
    (tmp_path / "task.pkl").write_bytes(pickle.dumps(task))
    folder = tmp_path / "run"
    with two_nodes() as cluster:
        node = cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
        cluster.wait_for_nodes()
        environment = {**os.environ, "RAY_ADDRESS": cluster.address}
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path / "task.pkl"), str(folder)], env=environment
        )
        try:
            deadline = time.monotonic() + 300
            while len(list(folder.glob(f"{FOLDER}/[0-9]*/state.pt"))) < 2:
                assert driver.poll() is None, "the driver ended before its second checkpoint"
                assert time.monotonic() < deadline
                time.sleep(0.05)
            newest = steps_kept(folder / FOLDER, task)
            assert newest > 0
            cluster.remove_node(node, allow_graceful=False)
            assert not (folder / "result").exists(), "it was over before the node died: give it more epochs"
            cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
            assert driver.wait(timeout=400) == 0
        finally:
            driver.kill()
    summary = json.loads((folder / "result/summary.json").read_text(encoding="utf-8"))
    assert summary["resumed_at_steps"], "it never went on from a checkpoint"
    assert summary["resumed_at_steps"][0] >= newest  # a checkpoint a step: no step before the last one kept was lost
    history = json.loads((folder / "result/history.json").read_text(encoding="utf-8"))
    assert [row["epoch"] for row in history] == list(range(1, 41))
