from __future__ import annotations

from pathlib import Path

import pytest

from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.pipeline.graph import Layout, input_paths, load_graph, run_graph
from tests.fixtures.counting_phase import COUNTING

GRAPH = """
nodes:
  - {name: last, phase: counting, config: [base.yaml], inputs: {first: middle}, output: "{bundles}/{name}_{version}"}
  - {name: middle, phase: counting, config: [base.yaml], inputs: {first: start}}
  - {name: start, phase: counting, config: [base.yaml]}
"""
LAYOUT = Layout(profile="demo", overlay_folder="over", runs="runs/demo", bundles="dist", name="n", version="v1")


@pytest.fixture
def graph(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root)
    (root / "base.yaml").write_text("num_units: 2\n")
    (root / "over/demo").mkdir(parents=True)
    (root / "over/demo/middle.yaml").write_text("num_units: 4\n")
    (root / "graph.yaml").write_text(GRAPH)
    return root / "graph.yaml"


def run(graph: Path, **options: object) -> list[tuple[str, str]]:
    outcomes = run_graph(load_graph(graph), lambda name: COUNTING, LAYOUT, **options)  # type: ignore[arg-type]
    return [(item.node.name, item.outcome.status) for item in outcomes]


def test_nodes_run_after_their_inputs_and_are_skipped_the_second_time(graph: Path, root: Path) -> None:
    assert run(graph) == [("start", "done"), ("middle", "done"), ("last", "done")]
    assert run(graph) == [("start", "skipped"), ("middle", "skipped"), ("last", "skipped")]
    assert open_artifact(root / "runs/demo/middle").config["num_units"] == 4
    assert open_artifact(root / "runs/demo/start").config["num_units"] == 2
    assert open_artifact(root / "dist/n_v1").inputs["first"][0]["path"] == "runs/demo/middle"


def test_who_reads_all_waits_for_what_stands_before_it(graph: Path) -> None:
    reads_all = "  - {name: sum, phase: counting, config: [base.yaml], inputs: {first: '*'}}\n  - {name: start"
    graph.write_text(GRAPH.replace("  - {name: start", reads_all))
    assert [node.name for node in load_graph(graph)] == ["start", "middle", "last", "sum"]


def test_what_is_left_out_takes_along_who_reads_it(graph: Path) -> None:
    other = "  - {name: other, phase: counting, config: [base.yaml]}\n"
    reads_all = "  - {name: sum, phase: counting, config: [base.yaml], inputs: {first: '*'}}\n"
    graph.write_text(GRAPH + other + reads_all)
    assert [node.name for node in load_graph(graph, ["middle"])] == ["start", "other", "sum"]
    assert [node.name for node in load_graph(graph, ["start", "other"])] == ["sum"]
    with pytest.raises(BadRequest, match=r"without: no node of .* 'medium'; there are last, middle"):
        load_graph(graph, ["medium"])


def test_a_file_that_extends_another_adds_nodes_after_it(graph: Path) -> None:
    more = graph.with_name("more.yaml")
    sums = "  - {name: sum, phase: counting, config: [base.yaml], inputs: {first: '*'}}\n"
    graph.write_text(GRAPH + sums)
    pack = "  - {name: pack, phase: counting, config: [base.yaml], inputs: {first: start}}\n"
    more.write_text(f"extends: {graph}\nnodes:\n{pack}")
    nodes = load_graph(more)
    assert [node.name for node in nodes] == ["start", "middle", "last", "sum", "pack"]
    sealing = input_paths(nodes[3], nodes, LAYOUT)["first"]
    assert LAYOUT.output(nodes[4]) not in sealing  # what stands before it, and no more
    assert [node.name for node in load_graph(more, ["start"])] == ["sum"]
    graph.write_text(f"extends: {more}\n" + GRAPH)
    with pytest.raises(BadRequest, match="extends itself, by way of"):
        load_graph(more)


def test_nodes_that_share_an_overlay_share_its_values(graph: Path, root: Path) -> None:
    twin = "  - {name: twin, phase: counting, config: [base.yaml], overlay: middle, inputs: {first: start}}\n"
    graph.write_text(GRAPH + twin)
    (root / "over/demo/twin.yaml").write_text("num_units: 9\n")  # nobody's
    run(graph)
    twin_config = open_artifact(root / "runs/demo/twin").config
    assert twin_config["num_units"] == open_artifact(root / "runs/demo/middle").config["num_units"] == 4


def test_a_slice_and_a_changed_overlay(graph: Path, root: Path) -> None:
    assert run(graph, only=["start"]) == [("start", "done")]
    assert run(graph, only=["middle"]) == [("middle", "done")]
    (root / "over/demo/middle.yaml").write_text("num_units: 5\n")
    with pytest.raises(RecipeChanged, match="num_units: 4 -> 5"):
        run(graph)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nodes: [{name: a, phase: p, config: [c], inputs: {x: b}}]", "reads 'b'"),
        ("nodes: [{name: a, phase: p, config: [c]}, {name: a, phase: p, config: [c]}]", "two nodes"),
        (
            "nodes: [{name: a, phase: p, config: [c], inputs: {x: b}}, "
            "{name: b, phase: p, config: [c], inputs: {x: a}}]",
            "wait for each other",
        ),
        ("nodes: [{name: a, phase: p, config: []}]", "config"),
        ("nodes: []\nnode: []", "node"),
        ("node: []", "nodes"),
    ],
)
def test_malformed_graphs(root: Path, text: str, message: str) -> None:
    (root / "graph.yaml").write_text(text)
    with pytest.raises(BadRequest, match=message):
        load_graph(root / "graph.yaml")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("{name: last, phse: counting,", r"nodes\.0\.phse = 'counting': no such key; did you mean phase\?"),
        ("{names: last, phase: counting,", r"nodes\.0\.names = 'last': no such key; did you mean name\?"),
        ("{name: last, phase: counting, overlap: x,", r"nodes\.0\.overlap = 'x': no such key; did you mean overlay\?"),
    ],
)
def test_a_misspelt_key_is_one_line(graph: Path, said: str, wanted: str) -> None:
    graph.write_text(GRAPH.replace("{name: last, phase: counting,", said))
    with pytest.raises(BadRequest, match=rf"graph\.yaml: {wanted}$") as caught:
        load_graph(graph)
    assert len(str(caught.value).splitlines()) == 1
    graph.write_text(GRAPH.replace("nodes:", "node:"))
    with pytest.raises(BadRequest, match=r"did you mean nodes\?$") as caught:
        load_graph(graph)
    assert len(str(caught.value).splitlines()) == 1
