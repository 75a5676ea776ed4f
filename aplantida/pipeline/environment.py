"""In what environment an artifact was made: recorded, never part of identity."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from aplantida.domain.cores import usable_cores
from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import CHECKOUT

PACKAGES = ("ray", "torch", "torchvision", "timm", "tensorflow", "tensorflowjs", "onnx", "onnx2tf", "pyarrow", "numpy")


def describe() -> dict[str, Any]:
    """Commit, whether the tree was dirty, lock hash, versions, processor and GPUs."""
    commit = _output("git", "-C", str(CHECKOUT), "rev-parse", "HEAD")
    status = _output("git", "-C", str(CHECKOUT), "status", "--porcelain", "--untracked-files=no")
    lock = CHECKOUT / "uv.lock"
    gpus = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return {
        "commit": commit,
        "dirty": None if status is None else bool(status),
        "lock_sha256": hash_file(lock) if lock.is_file() else None,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "processor": _processor(),
        "usable_cores": usable_cores(),
        "gpus": gpus.splitlines() if gpus else [],
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return result.stdout.strip() if result.returncode == 0 else None
