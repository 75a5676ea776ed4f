"""The tree of an earlier commit, out of the repository's history: what is measured before and after."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

COMMIT = "3693cb9"
CHECKOUT = Path(__file__).parents[1]


def write_tree(folder: Path, *parts: str) -> Path:
    """``parts`` of the earlier commit, written to a new ``folder``.

    Raises:
        RuntimeError: where the commit is not in this copy of the repository.
    """
    folder.mkdir()
    packed = folder.with_suffix(".tar")
    command = ["git", "archive", f"--output={packed}", COMMIT, *parts]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"commit {COMMIT}: {done.stderr.decode(errors='replace').strip()}")
    shutil.unpack_archive(packed, folder, filter="data")
    return folder
