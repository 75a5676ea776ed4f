from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pymongo
import pytest

from aplantida.data.collection_address import CollectionAddress, CollectionError
from aplantida.demo.cdn import serve_folder
from aplantida.demo.driver import Run, run_over
from aplantida.demo.mongod import ServerNotStarted, embedded_mongod
from aplantida.pipeline.errors import BadRequest
from benchmarks.rehearsal.measure import Measured, run_measured

USERS = "mongodb://of-the-user.invalid:27017"


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "www" / "deep").mkdir(parents=True)
    (tmp_path / "www" / "deep" / "a b.jpg").write_bytes(bytes(range(200)))
    (tmp_path / "secret.txt").write_text("no")
    return tmp_path / "www"


def test_serves_whole_files_ranges_and_heads(folder: Path) -> None:
    with serve_folder(folder) as base:
        assert ask(f"{base}/deep/a%20b.jpg")[:2] == (200, bytes(range(200)))
        status, body, headers = ask(f"{base}/deep/a%20b.jpg", Range="bytes=10-19")
        assert (status, body, headers["Content-Range"]) == (206, bytes(range(10, 20)), "bytes 10-19/200")
        status, body, headers = ask(f"{base}/deep/a%20b.jpg", method="HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "200")
        assert headers["Content-Type"] == "image/jpeg"
        assert ask(f"{base}/deep/a%20b.jpg", Range="bytes=900-")[0] == 416
        assert ask(f"{base}/missing.jpg")[0] == 404
        assert ask(f"{base}/..%2Fsecret.txt")[0] == 404


def test_counts_requests_and_fails_when_told(folder: Path) -> None:
    with serve_folder(folder) as base:
        faults = {"/deep/a b.jpg": {"status": 503, "times": 2}}
        ask(f"{base}/__faults", method="PUT", body=json.dumps(faults).encode())
        assert [ask(f"{base}/deep/a%20b.jpg")[0] for _ in range(3)] == [503, 503, 200]
        assert json.loads(ask(f"{base}/__requests")[1]) == {"/deep/a b.jpg": 3}
        assert ask(f"{base}/__requests", method="DELETE")[0] == 204
        assert json.loads(ask(f"{base}/__requests")[1]) == {}
        faults = {"/deep/a b.jpg": {"cut_after_bytes": 50}}
        ask(f"{base}/__faults", method="PUT", body=json.dumps(faults).encode())
        with pytest.raises(Exception, match=r"IncompleteRead|reset"):
            ask(f"{base}/deep/a%20b.jpg")


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ServerNotStarted, match=str(port)), serve_folder(folder, port):
            pass
        with pytest.raises(ServerNotStarted, match=f"port {port} is taken"), embedded_mongod(folder / "db", port):
            pass


def test_mongod_keeps_its_documents(tmp_path: Path) -> None:
    for expected in (0, 1):
        with embedded_mongod(tmp_path / "db") as uri, pymongo.MongoClient(uri) as client:
            assert client["demo"]["plants"].count_documents({}) == expected
            client["demo"]["plants"].insert_one({"scientificName": "Rosa canina"})
    with (
        embedded_mongod(tmp_path / "db"),
        pytest.raises(ServerNotStarted, match="another mongod"),
        embedded_mongod(tmp_path / "db"),
    ):
        pass


def test_the_users_server_is_never_the_embedded_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URI", USERS)
    with embedded_mongod(tmp_path / "db") as uri, pymongo.MongoClient(uri) as client:
        assert uri.startswith("mongodb://127.0.0.1:")
        assert client.server_info()["ok"] == 1


def collection_in(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "plants.jsonl").write_text('{"_id": 1, "scientificName": "Rosa canina", "images": []}\n')
    return folder


def test_a_run_over_a_folder_reads_that_folder_and_not_the_users_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    monkeypatch.setenv("MONGO_URI", USERS)
    seen: list[tuple[str, int]] = []

    def count(_name: str, _files: object, environment: Mapping[str, str]) -> int:
        with pymongo.MongoClient(environment["MONGO_URI"]) as client:
            seen.append((environment["MONGO_URI"], client["aplantida_demo"]["plants"].count_documents({})))
        return 0

    monkeypatch.setattr("aplantida.demo.driver.run_job", count)
    run = Run.load(["configs/run_pipeline.yaml", "configs/demo/run_pipeline.yaml"])
    assert run_over(run, collection_in(tmp_path / "collection"), 0) == 0
    assert [number for _, number in seen] == [1]
    assert seen[0][0] != USERS


def test_a_collection_that_is_no_lines_of_documents_is_a_bad_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    monkeypatch.setattr("aplantida.demo.driver.embedded_mongod", lambda _: nullcontext("mongodb://127.0.0.1:1"))

    def refuse(address: CollectionAddress, path: Path) -> int:
        raise CollectionError(f"{path}, line 1: no document, for {address}")

    monkeypatch.setattr("aplantida.demo.driver.import_documents", refuse)
    run = Run.load(["configs/run_pipeline.yaml", "configs/demo/run_pipeline.yaml"])
    with pytest.raises(BadRequest, match=r"plants\.jsonl, line 1: no document"):
        run_over(run, collection_in(tmp_path / "collection"), 0)


def test_a_run_over_a_folder_takes_no_config_that_names_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    (tmp_path / "collection.yaml").write_text(f"mongo_uri: {USERS}\n")
    (tmp_path / "read.yaml").write_text(f"collection: {tmp_path}/collection.yaml\n")
    node = f"{{name: export_dataset, phase: export_dataset, config: [{tmp_path}/read.yaml]}}"
    (tmp_path / "graph.yaml").write_text(f"nodes:\n  - {node}\n")
    (tmp_path / "run.yaml").write_text(f"graph: {tmp_path}/graph.yaml\nprofile: null\n")
    run = Run.load([str(tmp_path / "run.yaml")])
    with pytest.raises(BadRequest, match=r"export_dataset: mongo_uri in .*read.yaml.* want null"):
        run_over(run, collection_in(tmp_path / "collection"), 0)


def test_a_measured_step_has_the_address_it_is_given_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URI", USERS)
    for number, given in enumerate(({}, {"MONGO_URI": "mongodb://127.0.0.1:1"})):
        log, program = tmp_path / f"{number}.log", "import os; print(os.environ.get('MONGO_URI', 'none'))"
        assert run_measured(("-c", program), Measured(tmp_path / f"{number}.json"), None, given, log) == 0
        assert log.read_text().split() == [given.get("MONGO_URI", "none")]


def test_servers_end_with_a_killed_driver(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from aplantida.demo.mongod import embedded_mongod\nfrom aplantida.demo.cdn import serve_folder\n"
        "root = Path(sys.argv[1])\n"
        "with embedded_mongod(root / 'db') as uri, serve_folder(root) as base:\n"
        "    print(uri.rsplit(':')[-1], base.rsplit(':')[-1], flush=True)\n    time.sleep(60)\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert driver.stdout is not None
    ports = [int(word) for word in driver.stdout.readline().split()]
    assert len(ports) == 2
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    driver.stdout.close()
    deadline = time.monotonic() + 20
    while any(is_open(port) for port in ports) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(is_open(port) for port in ports)
    with embedded_mongod(tmp_path / "db"):
        pass


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
