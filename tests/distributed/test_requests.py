"""What phases ask of a Ray of several nodes is carried out or refused at once; its GPUs are mere numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from aplantida.pipeline.config import CHECKOUT
from tests.fixtures import tiny_artifacts

MEMORY = 100_000_000
SECONDS = 200  # far less than Ray's own waiting; the time this takes is that of starting things


@dataclass(frozen=True)
class World:
    """A cluster of two nodes of one CPU, one of which has a GPU, and artifacts to work on."""

    address: str
    root: Path

    def job(self, phase: str, root: str | None = None, **values: Any) -> subprocess.CompletedProcess[str]:
        overlay = self.root / f"{phase}.json"
        overlay.write_text(json.dumps(values), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", f"jobs.{phase}", "--config", f"configs/{phase}.yaml", "--config", str(overlay)],
            cwd=CHECKOUT,
            env={**os.environ, "RAY_ADDRESS": self.address, "APLANTIDA_ROOT": root or str(self.root)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def train(self, output: str, root: str | None = None, **resources: Any) -> subprocess.CompletedProcess[str]:
        return self.job(
            "train_teacher",
            root,
            inputs={"images": "images", "split": "split"},
            output=output,
            model={"name": "test_efficientnet", "pretrained": False, "pretrained_license": None},
            training={"epochs": 1, "batch_size": 12},
            data={"image_size": 32},
            resources={"num_threads": 1, "num_loader_workers": 0, **resources},
        )

    def sweep(self, output: str, search: dict[str, Any], **resources: Any) -> subprocess.CompletedProcess[str]:
        return self.job(
            "sweep_distillation",
            inputs={"images": "images", "split": "split", "soft_labels": "soft"},
            output=output,
            search={"metric": "val_loss", **search},
            model={"width": 0.35, "pretrained": False, "pretrained_license": None},
            training={"epochs": 1, "batch_size": 12},
            data={"image_size": 32, "train_fraction": 1.0},
            resources={"num_loader_workers": 0, **resources},
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(root))
        tiny_artifacts.soft_labels(tiny_artifacts.photos(10))
    head = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": MEMORY, "node_name": "hill"}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=MEMORY, node_name="dale")
        cluster.wait_for_nodes()
        yield World(cluster.address, root)
    finally:
        cluster.shutdown()


def test_more_workers_than_gpus_are_refused(world: World) -> None:
    started = time.monotonic()
    done = world.train("many", device="auto", num_workers=2)
    assert done.returncode == 2, done.stderr
    assert "training asks Ray for 2 x (1 CPU and 1 GPU), each on one node; there is room for 1 on dale: 1 CPU and" in (
        done.stderr
    )
    assert "set resources.num_workers to 1 or less" in done.stderr
    assert time.monotonic() - started < SECONDS


@pytest.mark.slow
def test_a_trial_takes_the_cpus_of_one_node(world: World) -> None:
    """All of the cluster's two in one bundle is what no node could give."""
    done = world.sweep("sweep", {"num_trials": 1}, device="cpu")
    assert done.returncode == 0, done.stderr
    assert "device: trials on CPU, 1 x (1 CPU)" in done.stderr


@pytest.mark.slow
def test_a_root_that_the_nodes_do_not_share_is_found_before_any_work(world: World) -> None:
    """``/proc/self/cwd`` is another folder in each process, as a folder that is not mounted is on another machine."""
    link = Path(os.path.relpath(world.root, CHECKOUT))
    done = world.train("blind", f"/proc/self/cwd/{link}", device="cpu", num_workers=1)
    assert done.returncode == 2, done.stderr
    assert "is not the same folder on all nodes of Ray: " in done.stderr
    assert "dale: " in done.stderr
    assert "hill: " in done.stderr
