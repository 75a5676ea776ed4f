"""The per-host limit holds over all actors, on whatever node they run: the server counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from ray.util.state import list_actors

from aplantida.pipeline.artifact import open_artifact
from tests.fixtures.entries import records_of_urls
from tests.fixtures.faulty_server import faulty_server
from tests.fixtures.tiny_artifacts import seal

NUM_PHOTOS, LIMIT, RATE = 90, 4, 20.0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rate", [None, RATE])
def test_two_actors_on_two_nodes_share_the_limits_of_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float | None
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    with faulty_server() as server:
        table = records_of_urls(server.url(f"/slow/{number}.jpg") for number in range(NUM_PHOTOS))
        seal("records", "records", lambda writer: writer.write_table("records.parquet", table))
        config = tmp_path / "fetch.yaml"
        limits = {"concurrency": 32, "concurrency_per_host": LIMIT, "requests_per_second_per_host": rate}
        values = {
            "inputs": {"records": "records"},
            "output": "images",
            "num_shards": 30,  # blocks enough for both
            "allow_addresses": [server.address],
            "resources": {"num_actors": 2, **limits},
        }
        config.write_text(json.dumps(values), encoding="utf-8")
        # a node has room for one actor beside what Ray Data itself wants
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100_000_000})
        try:
            for _ in range(2):
                cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
            cluster.wait_for_nodes()
            started = time.monotonic()
            job = subprocess.Popen(
                [sys.executable, "-m", "jobs.fetch_images", "--config", str(config)],
                env={**os.environ, "RAY_ADDRESS": cluster.address},
            )
            nodes: set[str | None] = set()
            while job.poll() is None:
                assert time.monotonic() - started < 300
                actors = list_actors(address=cluster.address, filters=[("state", "=", "ALIVE")])
                nodes |= {actor.node_id for actor in actors if "PhotoFetcher" in actor.class_name}
                time.sleep(0.2)
            assert job.returncode == 0
        finally:
            cluster.shutdown()
        assert open_artifact(tmp_path / "images").metrics["stored"] == NUM_PHOTOS
        assert len(nodes) == 2, "both actors ran on one node: nothing was tested"
        assert max(2, LIMIT // 2) <= server.most_in_flight <= LIMIT
        assert sum(server.requests.values()) == NUM_PHOTOS
        if rate is not None:
            assert server.last_slow - server.first_slow >= 0.9 * (NUM_PHOTOS - 2) / rate
