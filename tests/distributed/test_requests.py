"""What is asked of a Ray of several nodes fits or is refused at once; its GPUs are mere numbers, for the scheduling."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from aplantida.pipeline.config import CHECKOUT

MEMORY = 100_000_000
DRIVER = """
import json, os, sys
from pathlib import Path
import pyarrow as pa
from aplantida.distributed.mapping import map_with_actors
from aplantida.distributed.placement import living_nodes
from aplantida.distributed.search import TrialWork, trial_share
from aplantida.distributed.session import ray_session
from aplantida.distributed.trainer import run_trainer
from aplantida.pipeline.errors import BadRequest
from aplantida.training.checkpoints import alone
from aplantida.training.recipes import SearchPlan

folder = Path(sys.argv[1])

def plan(max_concurrent):
    return SearchPlan(algorithm="grid", temperatures=(1.0, 2.0), alphas=(0.5,), num_trials=2, scheduler="none",
                      grace_epochs=1, reduction_factor=2, metric="val_loss", seed=1, max_concurrent=max_concurrent)

def train(device, num_workers):
    run_trainer(None, folder=folder / "run", log_path=None, device=device, num_workers=num_workers, num_threads=1,
                max_failures=0, on_progress=None, check=alone)

def trial(device, max_concurrent):
    work = TrialWork(task=None, folder=folder, writer=None, device=device, num_threads=None)
    share = trial_share(plan(max_concurrent), work)
    return [share.cpus, share.gpus]

def answer(function, *arguments):
    try:
        return function(*arguments)
    except BadRequest as error:
        return str(error)

def score():
    return list(map_with_actors([pa.table({"shard": [1]})], dict, num_actors=3, num_cpus=2.0))

with ray_session():
    said = {
        "nodes": [[node.name, node.cpus, node.gpus] for node in living_nodes()],
        "trainer": answer(train, "auto", 2),
        "trial": answer(trial, "cpu", 1),
        "trials": answer(trial, "auto", 2),
        "actors": answer(score),
    }

def blind():
    os.environ["APLANTIDA_ROOT"] = "/proc/self/cwd/elsewhere"  # another folder in each process
    with ray_session():
        pass

os.chdir(folder)
said["root"] = answer(blind)
said["left"] = sorted(path.name for path in (folder / "elsewhere").iterdir())
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of two nodes of two CPUs each; one has a GPU."""
    head = {
        "num_cpus": 2,
        "num_gpus": 0,
        "object_store_memory": MEMORY,
        "node_name": "hill",
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=MEMORY, node_name="dale")
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


def test_requests_are_held_against_the_nodes_before_any_work(address: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        env={**os.environ, "RAY_ADDRESS": address, "APLANTIDA_ROOT": str(tmp_path), "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["nodes"] == [["dale", 2, 1], ["hill", 2, 0]]
    there = "dale: 2 CPU and 1 GPU; hill: 2 CPU"
    assert said["trainer"].startswith("resources.num_workers: training asks Ray for 2 x (1 CPU and 1 GPU)")
    assert (
        "there is room for 1 on dale: 2 CPU and 1 GPU; hill: 2 CPU: set resources.num_workers to 1" in said["trainer"]
    )
    assert said["trial"] == [2.0, 0.0]  # one node's, not the cluster's four: no node could give those
    assert said["trials"] == [1.0, 0.5]  # both on the node with the GPU
    assert "asks Ray for 3 x (2 CPU), each on one node; there is room for 2 on " + there in said["actors"]
    assert "/proc/self/cwd/elsewhere is not the same folder on all nodes of Ray: dale: " in said["root"]
    assert "hill: " in said["root"]
    assert said["left"] == []  # the token is taken away again
