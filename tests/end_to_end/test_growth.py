"""Twenty photos more in the collection: the export notices, and fetching anew downloads only these."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

import pymongo
import pytest
from bson import json_util

from aplantida.phases.registry import load_phase
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.config import resolve
from aplantida.pipeline.errors import RecipeChanged
from aplantida.pipeline.runner import execute
from tests.fixtures.mini_run import NUM_SPARE, MiniRun, request_of


@pytest.mark.timeout(1800)
def test_only_new_photos_are_fetched(mini_run: MiniRun) -> None:
    with mini_run.serving() as cdn:
        run = mini_run.load()
        nodes = {node.name: node for node in run.nodes}
        export, fetch = request_of(run, nodes["export_dataset"]), request_of(run, nodes["fetch_images"])
        spare = [json_util.loads(line) for line in (run.folder / "collection/spare.jsonl").read_text().splitlines()]
        source = run.node_config("export_dataset")
        with pymongo.MongoClient[dict[str, Any]](os.environ["MONGO_URI"]) as client:
            plants = client[source["db_name"]][source["collection"]]
            plants.insert_many(spare)
            try:
                _grown(export, fetch, cdn)
            finally:
                plants.delete_many({"_id": {"$in": [document["_id"] for document in spare]}})
        assert execute(load_phase("export_dataset"), **export).status == "skipped"


def _grown(export: dict[str, Any], fetch: dict[str, Any], cdn: str) -> None:
    with pytest.raises(RecipeChanged, match=r"sources\.collection: \w+ -> \w+"):
        execute(load_phase("export_dataset"), **export)
    values = {**export["values"], "output": "runs/grown/export_dataset", "inputs": {}}
    execute(load_phase("export_dataset"), files=export["files"], values=values)

    before = open_artifact(resolve(fetch["values"]["output"]))
    requests = urllib.request.Request(f"{cdn}/__requests", method="DELETE")
    urllib.request.urlopen(requests).close()
    values = {
        **fetch["values"],
        "inputs": {"records": "runs/grown/export_dataset"},
        "output": "runs/grown/fetch_images",
        "reuse": [fetch["values"]["output"]],
    }
    made = execute(load_phase("fetch_images"), files=fetch["files"], values=values)
    assert made.metrics["downloaded"] == NUM_SPARE
    assert made.metrics["stored"] == before.metrics["stored"] + NUM_SPARE
    with urllib.request.urlopen(f"{cdn}/__requests") as answer:
        asked = json.load(answer)
    assert sum(asked.values()) == NUM_SPARE
    assert set(asked.values()) == {1}
