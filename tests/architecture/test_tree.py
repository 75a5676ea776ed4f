"""Every rule of the house has a test."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aplantida.phases.registry import PHASES, load_phase

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for path in (ROOT / "aplantida").rglob("*.py") if "node_modules" not in path.parts)
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "misc"}
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 50


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("phase", PHASES)
def test_one_phase_one_name_four_places(phase: str) -> None:
    places = (
        f"jobs/{phase}.py",
        f"aplantida/phases/{phase}.py",
        f"configs/{phase}.yaml",
        f"tests/phases/test_{phase}.py",
    )
    assert [place for place in places if not (ROOT / place).is_file()] == []
    assert load_phase(phase).name == phase


def test_the_registry_lists_every_phase_and_job() -> None:
    phases = {path.stem for path in (ROOT / "aplantida/phases").glob("*.py")} - {"__init__", "registry"}
    jobs = {path.stem for path in (ROOT / "jobs").glob("*.py")} - {"__init__"}
    assert len(PHASES) == len(set(PHASES)) == 23
    assert phases >= set(PHASES)
    assert jobs == set(PHASES)


def test_jobs_differ_only_in_the_phase_they_name() -> None:
    trees = set()
    for phase in PHASES:
        text = (ROOT / "jobs" / f"{phase}.py").read_text()
        assert f"python -m jobs.{phase} --config configs/{phase}.yaml" in text
        trees.add(ast.dump(ast.parse(text.replace(phase, "PHASE_NAME"))))
    assert len(trees) == 1


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("ray", r"aplantida/distributed/.*"),
        ("tensorflow", r"aplantida/export/tensorflow\.py"),
        ("tensorflowjs", r"aplantida/export/tensorflow\.py"),
        ("pymongo", r"aplantida/data/mongo\.py"),
        ("torch", r"aplantida/((models|training|export|data|distillation|distributed|phases)/.*|domain/pixels\.py)"),
    ],
)
def test_heavy_packages_are_imported_only_where_allowed(package: str, allowed: str) -> None:
    importers = [name_of(path) for path in MODULES if package in imported(path)]
    assert importers, f"nothing imports {package}: the rule tests nothing"
    assert [name for name in importers if not re.fullmatch(allowed, name)] == []


def test_importing_every_phase_is_light() -> None:
    code = (
        "import sys\n"
        "from aplantida.phases.registry import PHASES, load_phase\n"
        "for name in PHASES: load_phase(name)\n"
        "print(sorted({'ray', 'tensorflow', 'torch', 'timm', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def test_no_module_is_called_a_drawer() -> None:
    assert [name_of(path) for path in MODULES if path.stem in FORBIDDEN_NAMES] == []


def test_modules_and_functions_stay_short() -> None:
    others = [path for folder in ("tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
    scripts = sorted((ROOT / "aplantida/export/web/src").glob("*.ts"))
    long_modules = [
        name_of(path) for path in [*MODULES, *others, *scripts] if len(path.read_text().splitlines()) > MAX_MODULE_LINES
    ]
    long_functions = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long_modules == []
    assert long_functions == []


def test_tests_mirror_the_packages() -> None:
    packages = {path.name for path in (ROOT / "aplantida").iterdir() if (path / "__init__.py").is_file()}
    assert len(packages) >= 12
    assert [name for name in sorted(packages) if not list((ROOT / "tests" / name).glob("test_*.py"))] == []


def test_the_readme_table_is_the_registry() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert tuple(rows) == PHASES
