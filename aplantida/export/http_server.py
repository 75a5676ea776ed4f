"""A folder over HTTP on this machine only: what the browser tests and ``python -m aplantida.serve`` stand on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_TYPES = {
    ".wasm": "application/wasm",
    ".js": "text/javascript",
    ".webmanifest": "application/manifest+json",
    ".md": "text/plain; charset=utf-8",
    ".jsonl": "text/plain; charset=utf-8",
}


class _Handler(SimpleHTTPRequestHandler):
    """Static files of one folder, and a few pages that exist only in memory."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **_TYPES}  # noqa: RUF012 (as in the base class)
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, extra: Mapping[str, bytes | Path], **kwargs: Any) -> None:
        self._extra = extra
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        """Serve one file."""
        found = self._extra.get(urlsplit(self.path).path)
        if found is None:
            super().do_GET()
            return
        body = found if isinstance(found, bytes) else found.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if isinstance(found, bytes) else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        """Let the browser ask again whether a file changed: a rebuilt bundle shows at once."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class LocalServer:
    """Answers on a port of 127.0.0.1, by threads of this process; a context manager.

    Args:
        handler: makes the object that answers a request.
        port: 0 for any free one.
    """

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler], port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def origin(self) -> str:
        """Its address without a final slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port: later connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class FolderServer(LocalServer):
    """``folder`` at ``http://127.0.0.1:PORT/``.

    Attributes:
        extra: paths such as ``/photos/0`` that are served from memory (HTML) or from another file; may change.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder that could be served")
        self.extra: dict[str, bytes | Path] = {}
        super().__init__(partial(_Handler, directory=str(folder), extra=self.extra), port)

    @property
    def url(self) -> str:
        """Address of the folder, with its final slash."""
        return f"{self.origin}/"
