"""The whole chain as one Ray job a node, submitted to a real Ray head: what a user does who goes phase by phase."""

from __future__ import annotations

from pathlib import Path

import pytest

from aplantida.data.mongo import CollectionAddress, import_documents
from aplantida.demo.cdn import serve_folder
from aplantida.demo.collection import CollectionRecipe, draw_collection
from aplantida.demo.driver import Run
from aplantida.demo.mongod import embedded_mongod, free_port
from aplantida.distributed.submission import main
from aplantida.pipeline.artifact import open_artifact
from tests.fixtures.mini import write_mini_profile
from tests.fixtures.mini_run import CONFIGS, NODES
from tests.fixtures.ray_head import RayHead


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_node_is_a_job_that_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MONGO_URI", "WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    port = free_port()
    files = [*CONFIGS, str(write_mini_profile(tmp_path / "profiles", "runs/mini", port))]
    run = Run.load(files)
    collection = run.folder / "collection"
    draw_collection(collection, CollectionRecipe(42, 4, 16, 72, port), lambda _: None)
    source = run.node_config("export_dataset")
    head = RayHead()
    try:
        with serve_folder(collection / "images", port), embedded_mongod(tmp_path / "mongo") as uri:
            monkeypatch.setenv("MONGO_URI", uri)
            import_documents(
                CollectionAddress(uri, source["db_name"], source["collection"]), collection / "plants.jsonl"
            )
            flags = [word for file in files for word in ("--config", file)]
            code = main([*flags, "--address", head.address])
    finally:
        head.stop()
    printed = capsys.readouterr()
    assert code == 0, printed.err
    rows = [line.split() for line in printed.out.splitlines()[1:]]
    assert {row[0]: int(row[1]) for row in rows} == dict.fromkeys((node.name for node in run.nodes), 0)
    assert len(rows) == NODES
    for node in run.nodes:
        assert open_artifact(run.output(node.name)).verify() == [], node.name
