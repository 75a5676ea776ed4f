"""A bundle's page on this machine: ``python -m aplantida.serve --bundle DIR [--port N]``."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from aplantida.export.http_server import FolderServer

BAD_REQUEST = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; exit code 2 when the folder is no bundle or the port is taken."""
    parse = argparse.ArgumentParser(prog="python -m aplantida.serve", description="Show a bundle's page.")
    parse.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="a model bundle: dist/models/NAME")
    parse.add_argument("--port", type=int, default=8000, help="0 takes any free one (8000)")
    given = parse.parse_args(arguments)
    if not (given.bundle / "index.html").is_file():
        sys.stderr.write(f"serve: {given.bundle} holds no page (index.html): give a model bundle, dist/models/NAME\n")
        return BAD_REQUEST
    try:
        with FolderServer(given.bundle, given.port) as server:
            sys.stdout.write(f"{given.bundle} at {server.url} (Ctrl-C ends it)\n")
            sys.stdout.flush()
            threading.Event().wait()
    except OSError as error:
        sys.stderr.write(f"serve: port {given.port}: {error.strerror}\n")
        return BAD_REQUEST
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
