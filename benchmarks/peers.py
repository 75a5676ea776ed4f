"""Peers whose packages do not fit beside ours: each in a folder of its own under ``.cache``, made when first needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from aplantida.export.web_build import node_executable

FOLDER = Path(__file__).parents[1] / ".cache" / "peers"
TIMEOUT = 900  # seconds an installation may take


def peer_python(name: str, *requirements: str) -> Path:
    """The interpreter of a virtual environment that holds ``requirements``.

    Raises:
        RuntimeError: when uv is missing or the packages cannot be had.
    """
    uv = shutil.which("uv") or str(Path(__file__).parents[1] / ".uv/bin/uv")
    folder = FOLDER / name
    python = folder / "bin/python"
    make = [uv, "venv", "-q", "--clear", "-p", sys.executable, str(folder)]
    _installed(name, requirements, [make, [uv, "pip", "install", "-q", "-p", str(python), *requirements]])
    return python


def peer_packages(name: str, *requirements: str) -> Path:
    """The ``node_modules`` that holds ``requirements`` (``NAME@VERSION``); no script of a package is run.

    Raises:
        RuntimeError: when the packages cannot be had.
    """
    node, folder = node_executable(), FOLDER / name
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error"]
    flags += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    _installed(name, requirements, [[str(node), str(npm), "install", *flags, "--prefix", str(folder), *requirements]])
    return folder / "node_modules"


def _installed(name: str, requirements: Sequence[str], commands: Sequence[Sequence[str]]) -> None:
    """Run ``commands`` unless the peer's folder holds just these requirements already."""
    folder = FOLDER / name
    ready = folder / "ready"
    wanted = "\n".join(requirements)
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split())[:300]
        raise RuntimeError(f"the peer {name} ({', '.join(requirements)}) cannot be installed: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"the peer {name} ({', '.join(requirements)}) cannot be installed: {error}") from error
    ready.write_text(wanted, encoding="utf-8")
