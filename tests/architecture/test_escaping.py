"""Escaping has one place: nobody else escapes, or writes CSV, by himself."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ONE_PLACE = ROOT / "aplantida/domain/escaping.py"
OF_OTHERS = {"html.escape", "csv.writer", "csv.DictWriter", "markupsafe.escape", "xml.sax.saxutils.escape"}


def used(path: Path) -> set[str]:
    """Dotted names a module imports or reaches through an imported module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
    return names


def test_only_one_module_escapes() -> None:
    assert "html.escape" in used(ONE_PLACE)
    modules = [path for path in (ROOT / "aplantida").rglob("*.py") if "node_modules" not in path.parts]
    assert [str(path) for path in modules if path != ONE_PLACE and used(path) & OF_OTHERS] == []
