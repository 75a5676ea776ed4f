"""`python -m benchmarks.rehearsal.server`: answers any path with the photo drawn from it, in several processes.

They share one port (SO_REUSEPORT) and end when whoever started them closes their standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
from aiohttp import web

from aplantida.demo.mongod import ServerNotStarted, stop_guarded
from aplantida.pipeline.config import CHECKOUT
from benchmarks.rehearsal.drawing import draw_original

_LOOPBACK = "127.0.0.1"


@contextmanager
def photo_server(port: int, short_side: int, num_processes: int) -> Iterator[int]:
    """Serve drawn photos at ``port`` of the loopback interface; yields the process id of the server.

    Raises:
        ServerNotStarted: when the port is taken.
    """
    words = ["--port", str(port), "--short-side", str(short_side), "--processes", str(num_processes)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.rehearsal.server", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode().strip()
        if line != "ready":
            raise ServerNotStarted(line or f"the photo server at port {port} ended before it was ready")
        yield process.pid
    finally:
        stop_guarded(process)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((_LOOPBACK, port))
    return listener


async def _serve(port: int, short_side: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        url = f"http://{request.host}{request.rel_url.raw_path}"
        return web.Response(body=draw_original(url, short_side), content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75)
    await runner.setup()
    await web.SockSite(runner, _listen(port), backlog=512).start()
    await asyncio.Event().wait()


def _worker(port: int, short_side: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    asyncio.run(_serve(port, short_side))


def _is_free(port: int) -> bool:
    """Whether nobody listens there; without SO_REUSEPORT, so that another rehearsal's server counts too."""
    with socket.socket() as probe:
        return probe.connect_ex((_LOOPBACK, port)) != 0


def main() -> int:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description="Serve drawn photos on the loopback interface.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--short-side", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    if not _is_free(given.port):
        print(f"port {given.port} of {_LOOPBACK} is taken: stop what listens there, or choose another --port")
        return 2
    workers = [
        multiprocessing.get_context("spawn").Process(target=_worker, args=(given.port, given.short_side), daemon=True)
        for _ in range(given.processes)
    ]
    for worker in workers:
        worker.start()
    while _is_free(given.port) and all(worker.is_alive() for worker in workers):
        asyncio.run(asyncio.sleep(0.05))
    print("ready", flush=True)
    sys.stdin.buffer.read()
    for worker in workers:
        worker.terminate()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
