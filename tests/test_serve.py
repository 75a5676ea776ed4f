"""``python -m aplantida.serve``: the folder over HTTP, and what it refuses."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest

from aplantida.export.http_server import FolderServer
from aplantida.serve import main


def test_a_folder_that_holds_no_page_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(tmp_path)]) == 2
    assert "index.html" in capsys.readouterr().err


def test_a_port_in_use_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--bundle", str(tmp_path), "--port", str(port)]) == 2
    assert f"port {port}" in capsys.readouterr().err


def test_types_that_browsers_insist_on(tmp_path: Path) -> None:
    wanted = {
        "model.wasm": "application/wasm",
        "app.js": "text/javascript",
        "manifest.webmanifest": "application/manifest+json",
        "index.html": "text/html",
    }
    for name in wanted:
        (tmp_path / name).write_text("x")
    with FolderServer(tmp_path) as server:
        for name, kind in wanted.items():
            with urllib.request.urlopen(server.url + name) as answer:
                assert answer.headers["Content-Type"] == kind
                assert answer.headers["Cache-Control"] == "no-cache"
        assert server.url.startswith("http://127.0.0.1:")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="nowhere"):
        FolderServer(tmp_path / "nowhere")
