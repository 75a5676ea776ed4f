"""cluster.yaml is valid for the Ray that is locked."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from aplantida.pipeline.config import CHECKOUT, ROOT_VARIABLE

SCHEMA = Path(ray.autoscaler.__file__).parent / "ray-schema.json"


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    return yaml.safe_load((CHECKOUT / "cluster.yaml").read_text(encoding="utf-8"))


def test_it_is_valid_by_rays_schema(cluster: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(cluster, schema)
    with pytest.raises(jsonschema.ValidationError, match="head_nodes"):
        jsonschema.validate({**cluster, "head_nodes": 1}, schema)


def test_ray_makes_an_on_premise_cluster_of_it(cluster: dict[str, Any]) -> None:
    prepared = prepare_config(copy.deepcopy(cluster))
    validate_config(prepared)
    (nodes,) = prepared["available_node_types"].values()
    assert nodes["min_workers"] == nodes["max_workers"] == len(cluster["provider"]["worker_ips"])
    assert prepared["head_node_type"] in prepared["available_node_types"]


def test_every_start_has_the_token_and_the_shared_root_and_the_dashboard_stays_local(cluster: dict[str, Any]) -> None:
    starts = [
        command
        for key in ("head_start_ray_commands", "worker_start_ray_commands")
        for command in cluster[key]
        if "ray start" in command
    ]
    assert len(starts) == 2
    for command in starts:
        assert "RAY_AUTH_MODE=token" in command
        assert f"{ROOT_VARIABLE}=/" in command
    assert "--dashboard-host=127.0.0.1" in starts[0]
    for source in cluster["file_mounts"].values():
        assert source.startswith("~") or (CHECKOUT / source).exists()
