"""Peers whose packages do not fit beside ours: each in a virtual environment of its own, made when first needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".cache" / "peers"


def peer_python(name: str, *requirements: str) -> Path:
    """The interpreter of a virtual environment that holds ``requirements``.

    Raises:
        RuntimeError: when uv is missing or the packages cannot be had.
    """
    uv = shutil.which("uv") or str(Path(__file__).parents[1] / ".uv/bin/uv")
    folder = FOLDER / name
    ready = folder / "ready"
    wanted = "\n".join(requirements)
    if not ready.is_file() or ready.read_text(encoding="utf-8") != wanted:
        try:
            subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, str(folder)], check=True)
            subprocess.run([uv, "pip", "install", "-q", "-p", str(folder / "bin/python"), *requirements], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(f"the peer {name} cannot be installed: {error}") from error
        ready.write_text(wanted, encoding="utf-8")
    return folder / "bin/python"
