"""The server of ``benchmarks.browser``: a folder under one cache policy, and what it sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

from aplantida.export.http_server import LocalServer


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}  # noqa: RUF012

    def __init__(self, *args: Any, policy: str, sent: dict[str, int], lock: threading.Lock, **kwargs: Any) -> None:
        self._policy, self._sent, self._lock = policy, sent, lock
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", self._policy)
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        file = Path(source.name)
        name = file.relative_to(self.directory).as_posix()
        with self._lock:  # every request has a thread of its own
            self._sent[name] = self._sent.get(name, 0) + file.stat().st_size
        super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path, policy: str) -> Iterator[tuple[str, dict[str, int]]]:
    """The folder's address, and the bytes sent by file, as it is called below the folder."""
    sent: dict[str, int] = {}
    handler = partial(_Handler, directory=str(folder), policy=policy, sent=sent, lock=threading.Lock())
    with LocalServer(handler) as server:
        yield f"{server.origin}/", sent
