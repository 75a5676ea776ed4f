from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aplantida.pipeline.artifact import MANIFEST
from aplantida.pipeline.errors import BadRequest, GateFailed, RecipeChanged
from aplantida.pipeline.graph import Layout, load_graph, run_graph
from aplantida.pipeline.plan import Prospect, foresee, refuse_all
from tests.fixtures.counting_phase import COUNTING

GRAPH = """
nodes:
  - {name: start, phase: counting, config: [base.yaml]}
  - {name: middle, phase: counting, config: [base.yaml], inputs: {first: start}}
  - {name: last, phase: counting, config: [base.yaml], inputs: {first: middle}}
"""
LAYOUT = Layout(profile="demo", overlay_folder="over", runs="runs/demo", bundles="dist", name="n", version="v1")


@pytest.fixture
def graph(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root)
    (root / "base.yaml").write_text("num_units: 2\n")
    (root / "over/demo").mkdir(parents=True)
    (root / "graph.yaml").write_text(GRAPH)
    return root / "graph.yaml"


def plan(graph: Path, *only: str) -> list[Prospect]:
    return foresee(load_graph(graph), lambda _: COUNTING, LAYOUT, only=only)


def make(graph: Path, *only: str) -> None:
    list(run_graph(load_graph(graph), lambda _: COUNTING, LAYOUT, only=only))


def overlay(root: Path, node: str, text: str) -> None:
    (root / f"over/demo/{node}.yaml").write_text(text)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def verdicts(prospects: list[Prospect]) -> list[tuple[str, str, str]]:
    return [(item.node.name, item.verdict, item.why) for item in prospects]


def test_nodes_whose_inputs_are_not_there_yet_say_who_will_make_them(graph: Path, root: Path) -> None:
    before = files(root)
    assert verdicts(plan(graph)) == [
        ("start", "run", "its inputs are there"),
        ("middle", "run", "its input will be made by start"),
        ("last", "run", "its input will be made by middle"),
    ]
    make(graph, "start")
    assert verdicts(plan(graph)) == [
        ("start", "skip", "sealed under this recipe"),
        ("middle", "run", "its inputs are there"),
        ("last", "run", "its input will be made by middle"),
    ]
    shutil.rmtree(root / "runs")
    assert files(root) == before


def test_unfinished_work_is_resumed_and_says_how_much_is_done(graph: Path, root: Path) -> None:
    overlay(root, "start", "num_units: 5\ngates: {max_units_while_running: 3}\n")
    with pytest.raises(GateFailed):
        make(graph)
    before = files(root)
    start, middle, _ = plan(graph)
    assert (start.verdict, start.why) == ("resume", "unfinished work of this recipe, 3 units done")
    assert (middle.verdict, middle.why) == ("run", "its input will be made by start")
    assert files(root) == before


@pytest.mark.parametrize("node", ["start", "middle"])
def test_a_node_that_could_not_begin_is_refused(graph: Path, root: Path, node: str) -> None:
    overlay(root, node, "reuse: [runs/nowhere]\n")
    assert {item.node.name: "nowhere" in item.why for item in plan(graph)}[node]
    overlay(root, node, "reuse: []\n")
    (root / "runs/demo").mkdir(parents=True)
    (root / f"runs/demo/{node}").write_text("a file")
    assert {item.node.name: "is no folder; take another" in item.why for item in plan(graph)}[node]


def test_units_of_what_the_run_will_make_may_be_taken_over(graph: Path, root: Path) -> None:
    overlay(root, "last", "reuse: [runs/demo/start]\n")
    assert [item.verdict for item in plan(graph)] == ["run"] * 3
    make(graph)


def test_a_changed_recipe_is_refused_with_its_key_and_so_is_who_waits_for_it(graph: Path, root: Path) -> None:
    make(graph, "start", "middle")
    overlay(root, "middle", "num_units: 4\n")
    start, middle, last = plan(graph)
    assert start.verdict == "skip"
    assert middle.verdict == "refuse"
    assert "num_units: 2 -> 4" in middle.why
    assert (last.verdict, last.why) == ("refuse", "its input middle would be refused")
    with pytest.raises(RecipeChanged, match="2 of 3 nodes would be refused: middle, last"):
        refuse_all([start, middle, last])


def test_who_waits_for_a_refused_node_is_refused(graph: Path, root: Path) -> None:
    overlay(root, "start", "num_units: [2]\n")
    found = plan(graph)
    assert [item.verdict for item in found] == ["refuse"] * 3
    assert "num_units" in found[0].why
    assert found[1].why == "its input start would be refused"
    with pytest.raises(BadRequest, match="3 of 3 nodes would be refused: start, middle, last"):
        refuse_all(found)


def test_a_sealed_node_whose_input_is_gone_hangs_on_what_the_input_becomes(graph: Path, root: Path) -> None:
    make(graph)
    shutil.rmtree(root / "runs/demo/middle")
    assert verdicts(plan(graph))[1:] == [
        ("middle", "run", "its inputs are there"),
        ("last", "skip", "if middle comes out as before, else refused; sealed under this recipe"),
    ]
    overlay(root, "last", "num_units: 9\n")
    last = plan(graph)[2]
    assert last.verdict == "refuse"
    assert "num_units: 2 -> 9" in last.why


def test_an_input_that_nobody_will_make_is_a_bad_request(graph: Path) -> None:
    (last,) = plan(graph, "last")
    assert last.verdict == "refuse"
    assert last.why == "last: its input middle is not there, and not among the nodes to run"
    with pytest.raises(BadRequest, match="no node is called 'lats'"):
        plan(graph, "lats")


def test_a_changed_gate_that_is_not_kept_is_refused(graph: Path, root: Path) -> None:
    make(graph, "start")
    overlay(root, "start", "gates: {max_units: 1}\n")
    start = plan(graph)[0]
    assert start.verdict == "refuse"
    assert isinstance(start.error, GateFailed)
    assert (root / "runs/demo/start" / MANIFEST).is_file()
    refuse_all(plan(graph, "middle"))
