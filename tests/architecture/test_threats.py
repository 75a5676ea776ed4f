"""docs/threats.md names tests that exist, and no line of the code loads what can run code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREATS = ROOT / "docs/threats.md"
SUBJECTS = {"addresses", "images", "weights", "Mongo", "YAML", "artifacts", "browser"}
RUNS_CODE = {
    *("pickle.load", "pickle.loads", "marshal.load", "marshal.loads", "joblib.load", "shelve.open"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "os.system", "eval", "exec"),
}


def lines() -> list[list[str]]:
    rows = [line.strip("|").split(" | ") for line in THREATS.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


def test_every_named_test_exists() -> None:
    assert {row[0] for row in lines()} == SUBJECTS
    for row in lines():
        assert len(row) == 4, row
        found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[3])
        assert found, f"{row[:2]}: want one test, file::test"
        file = ROOT / found[1]
        assert file.is_file(), found[1]
        names = {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert found[2] in names, found[0]


def unsafe_calls(text: str) -> list[str]:
    """Calls in a module that can run what they are given."""
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name, words = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if name == "pickle.loads" and ast.unparse(node.args[0]).startswith("pickle.dumps("):
            continue  # what was dumped in the same breath: whether it can be
        unsafe_torch = name == "torch.load" and words.get("weights_only") != "True"
        if name in RUNS_CODE or unsafe_torch or words.get("shell") == "True" or words.get("allow_pickle") == "True":
            found.append(f"{node.lineno}: {name}")
    return found


def test_nothing_loads_what_can_run_code() -> None:
    for unsafe in (
        "torch.load(a)",
        "yaml.load(a)",
        "eval(a)",
        "subprocess.run(a, shell=True)",
        "np.load(a, allow_pickle=True)",
    ):
        assert unsafe_calls(unsafe), unsafe
    assert unsafe_calls("torch.load(a, weights_only=True)\nyaml.safe_load(a)\nmodel.eval()") == []
    modules = [path for path in (ROOT / "aplantida").rglob("*.py") if "node_modules" not in path.parts]
    assert {str(path): calls for path in modules if (calls := unsafe_calls(path.read_text()))} == {}
