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
from pathlib import Path

import pymongo
import pytest

from aplantida.demo.cdn import serve_folder
from aplantida.demo.mongod import ServerNotStarted, embedded_mongod


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


def test_mongod_keeps_its_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGO_URI", raising=False)
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


def test_mongo_uri_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URI", "mongodb://elsewhere:27017")
    with embedded_mongod(tmp_path / "db") as uri:
        assert uri == "mongodb://elsewhere:27017"
    assert not (tmp_path / "db").exists()


def test_servers_end_with_a_killed_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGO_URI", raising=False)
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
