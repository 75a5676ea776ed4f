"""Jobs of a graph: their command lines and what Ray ships with them; end_to_end/test_submitted_jobs.py runs some."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from ray._private.runtime_env.packaging import create_package

from aplantida.distributed.submission import main, requests_of
from aplantida.phases.registry import load_phase
from aplantida.pipeline.cli import parser
from aplantida.pipeline.config import CHECKOUT, find_file
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import GraphConfig, load_graph

MOST_BYTES = 20_000_000


def test_every_node_of_the_graph_becomes_a_job_that_the_command_line_takes() -> None:
    config = GraphConfig(profile="demo", runs="runs/demo", name="demo", seed=7)
    nodes = load_graph(find_file(config.graph))
    requests = requests_of(nodes, config)
    assert [request.node for request in requests] == [node.name for node in nodes]
    assert len(requests) >= 26
    for request, node in zip(requests, nodes, strict=True):
        assert request.command[:3] == ("python", "-m", f"jobs.{node.phase}")
        given = parser(load_phase(node.phase)).parse_args(request.command[3:])
        assert given.output == config.layout().output(node)
        assert given.seed == 7
        assert given.device is None
        assert {word.partition("=")[0] for word in given.input} == set(node.inputs)
        assert [word.partition("=")[2] for word in given.input if "*" not in node.inputs.values()] == [
            f"runs/demo/{name}" if name != "bundle" else "dist/models/demo_v1.0" for name in node.needs() if name != "*"
        ]
    manifest = next(request for request in requests if request.node == "manifest")
    assert "artifacts=runs/demo/fetch_images" in manifest.command
    assert "artifacts=runs/demo/manifest" not in manifest.command


def test_chosen_nodes_only_and_the_device_of_all() -> None:
    nodes = load_graph(find_file("configs/pipeline.yaml"))
    requests = requests_of(nodes, GraphConfig(nodes=["sweep", "split_dataset"]), device="cpu")
    assert [request.node for request in requests] == ["split_dataset", "sweep"]
    assert all(request.command[-2:] == ("--device", "cpu") for request in requests)
    with pytest.raises(BadRequest, match=r"bundle: name is 'student' in configs/export_tfjs\.yaml, 'other' in the run"):
        requests_of(nodes, GraphConfig(nodes=["bundle"], name="other"))
    with pytest.raises(BadRequest, match="no node is called 'splitt'"):
        requests_of(nodes, GraphConfig(nodes=["splitt"]))


def test_a_config_or_cluster_that_is_not_there_is_a_bad_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    assert main(["--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: no such file" in capsys.readouterr().err
    assert main(["--config", "configs/run_pipeline.yaml", "--address", "http://127.0.0.1:9"]) == 2
    assert "http://127.0.0.1:9" in capsys.readouterr().err


def test_what_ray_ships_is_small_and_holds_all_that_jobs_need(tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    create_package(str(CHECKOUT), package, include_gitignore=True)
    assert package.stat().st_size < MOST_BYTES
    names = zipfile.ZipFile(package).namelist()
    for wanted in (
        "jobs/split_dataset.py",
        "configs/pipeline.yaml",
        "aplantida/export/web/package-lock.json",
        "uv.lock",
    ):
        assert wanted in names
    unwanted = ("runs/", "dist/", ".git/", ".venv/", ".uv/", "tests/", "docs/", ".env")
    assert not [name for name in names if name.startswith(unwanted) or "node_modules/" in name or "__pycache__" in name]


def test_without_git_ignore_files_as_in_the_image_results_and_packages_still_stay(tmp_path: Path) -> None:
    app = tmp_path / "app"
    keep = ("jobs/x.py", ".cache/web/dist-1/page/app.js", "aplantida/distributed/y.py")
    leave = (
        "runs/demo/a",
        "dist/models/b",
        ".venv/c",
        ".env",
        ".cache/web/npm-1/node_modules/d",
        ".cache/e",
        "tests/f.py",
    )
    for name in (*keep, *leave):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("text")
    (app / ".rayignore").write_bytes((CHECKOUT / ".rayignore").read_bytes())
    create_package(str(app), tmp_path / "package.zip", include_gitignore=True)
    files = {name for name in zipfile.ZipFile(tmp_path / "package.zip").namelist() if not name.endswith("/")}
    assert files == {*keep, ".rayignore"}
