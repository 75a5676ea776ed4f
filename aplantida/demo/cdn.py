"""A local CDN: one asyncio process with keep-alive that serves a folder, counts requests and can be told to fail.

Beside the files there are two control addresses:
    GET /__requests       {"/a.jpg": 3, …}: requests per path since the start or the last DELETE /__requests
    PUT /__faults         {"/a.jpg": {"status": 503, "times": 2, "delay_seconds": 0.1, "cut_after_bytes": 100}, …}: each
                          key optional; ``times`` counts down, no ``times`` means for ever; an empty object heals all
"""

from __future__ import annotations

import argparse
import asyncio
import mimetypes
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from aplantida.demo.mongod import ServerNotStarted, stop_guarded

_LOOPBACK = "127.0.0.1"
_HTML = "<!doctype html><title>Not found</title><h1>404</h1>"


@contextmanager
def serve_folder(path: Path, port: int = 0) -> Iterator[str]:
    """Serve the files below ``path`` on the loopback interface in a process of their own; yield the base URL.

    Args:
        path: the folder; a request never leaves it.
        port: 0 takes a free one. URLs are part of a record's identity, so a collection wants a fixed one.

    Yields:
        The base URL without trailing slash, e.g. ``http://127.0.0.1:8098``.

    Raises:
        ServerNotStarted: the folder is missing, the port is taken or the server did not start.
    """
    if not path.is_dir():
        raise ServerNotStarted(f"no folder to serve: {path}")
    process = subprocess.Popen(
        [sys.executable, "-m", "aplantida.demo.cdn", str(path.resolve()), "--port", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode().strip()
        if not line.startswith("http://"):
            raise ServerNotStarted(line or f"the CDN for {path} ended before it was ready")
        yield line
    finally:
        stop_guarded(process)


class FolderServer:
    """The request handler and its state; every method runs on one event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.requests: Counter[str] = Counter()
        self.faults: dict[str, dict[str, Any]] = {}

    def application(self) -> web.Application:
        """An aiohttp application with the control addresses and the files."""
        app = web.Application()
        app.router.add_get("/__requests", self.show_requests)
        app.router.add_delete("/__requests", self.forget_requests)
        app.router.add_put("/__faults", self.set_faults)
        app.router.add_get("/{path:.*}", self.serve)
        return app

    async def show_requests(self, _: web.Request) -> web.Response:
        """Answer with the count of requests per path."""
        return web.json_response(dict(sorted(self.requests.items())))

    async def forget_requests(self, _: web.Request) -> web.Response:
        """Start counting anew."""
        self.requests.clear()
        return web.Response(status=204)

    async def set_faults(self, request: web.Request) -> web.Response:
        """Replace the table of faults."""
        self.faults = await request.json()
        return web.Response(status=204)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer GET and HEAD of a file, whole or a range, or misbehave as told."""
        self.requests[request.path] += 1
        fault = self._fault(request.path)
        await asyncio.sleep(float(fault.get("delay_seconds", 0)))
        if "status" in fault:
            return web.Response(status=int(fault["status"]), text="told to fail")
        path = (self.folder / request.path.lstrip("/")).resolve()
        if not path.is_relative_to(self.folder) or not path.is_file():
            return web.Response(status=404, text=_HTML, content_type="text/html")
        body = path.read_bytes()
        if "cut_after_bytes" in fault:
            return await self._cut(request, body, int(fault["cut_after_bytes"]))
        return _file_response(request, path, body)

    def _fault(self, path: str) -> dict[str, Any]:
        fault = self.faults.get(path)
        if fault is None:
            return {}
        if "times" in fault:
            if fault["times"] <= 0:
                return {}
            fault["times"] -= 1
        return fault

    @staticmethod
    async def _cut(request: web.Request, body: bytes, num_bytes: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[:num_bytes])
        if request.transport is not None:
            request.transport.abort() if num_bytes == 0 else request.transport.close()
        return response


def _file_response(request: web.Request, path: Path, body: bytes) -> web.Response:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-cache"}
    status = 200
    try:
        wanted = request.http_range
    except ValueError:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
    if wanted.start is not None or wanted.stop is not None:
        first, stop, _ = wanted.indices(len(body))
        if first >= stop:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(body)}"
        body, status = body[first:stop], 206
    return web.Response(body=body, status=status, content_type=kind, headers=headers)


async def _run(folder: Path, port: int) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
    except OSError as error:
        _say(f"port {port} of {_LOOPBACK} cannot be had ({error.strerror}): stop what listens there, or change it")
        return
    runner = web.AppRunner(FolderServer(folder).application(), access_log=None, keepalive_timeout=75)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=512).start()
    _say(f"http://{_LOOPBACK}:{listener.getsockname()[1]}")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)  # until whoever started us ends
    await runner.cleanup()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """`python -m aplantida.demo.cdn FOLDER --port PORT`: serve until standard input closes."""
    parser = argparse.ArgumentParser(description="Serve a folder of photos on the loopback interface.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us; they close our standard input
    asyncio.run(_run(arguments.folder, arguments.port))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
