"""Profiles: a folder that is not there, and files in it that nobody would read, are said."""

from __future__ import annotations

from pathlib import Path

import pytest

from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import GraphConfig, load_graph
from aplantida.pipeline.profile import graph_of

GRAPH = """
nodes:
  - {name: start, phase: counting, config: [base.yaml]}
  - {name: middle, phase: doubling, config: [base.yaml, over/small/more.yaml], inputs: {first: start}}
  - {name: last, phase: doubling, config: [base.yaml], inputs: {first: middle}, overlay: middle}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graph.yaml").write_text(GRAPH)
    folder = tmp_path / "over/small"
    folder.mkdir(parents=True)
    (folder / "middle.yaml").write_text(
        "num_units: 4\nlist: {a: [over/small/named.yaml], b: over/small/collection.yaml}\n"
    )
    (tmp_path / "over/none").mkdir()
    (tmp_path / "over/none/run_pipeline.yaml").write_text("{}")
    for name in ("run_pipeline.yaml", "run_fast.yaml", "collection.yaml", "named.yaml", "more.yaml", "notes.json"):
        (folder / name).write_text("{}")
    return folder


def names(profile: str | None = "small", overlay_folder: str = "over", without: tuple[str, ...] = ()) -> list[str]:
    settings = GraphConfig(graph="graph.yaml", profile=profile, overlay_folder=overlay_folder, without=list(without))
    return [node.name for node in graph_of(settings)]


def test_overlays_and_what_stands_beside_them_are_taken(folder: Path) -> None:
    assert names() == names(None) == ["start", "middle", "last"]
    (folder / "start.yaml").write_text("num_units: 1\n")
    (folder / "graph.yaml").write_text((folder.parents[1] / "graph.yaml").read_text())
    here = GraphConfig(graph="over/small/graph.yaml", profile="small", overlay_folder="over")
    assert [node.name for node in graph_of(here)] == names(None)
    (folder / "graph.yaml").unlink()
    assert names(without=("start",)) == []  # an overlay of what is left out is no mistake


@pytest.mark.parametrize(
    ("profile", "overlay_folder", "said"),
    [
        ("smallest", "over", r"profile = 'smallest': no folder over/smallest; there are none, small; null"),
        ("", "over", r"profile = '': no folder over; there are none, small"),
        ("/nowhere/small", "over", r"profile = '/nowhere/small': no folder /nowhere/small; there are none, small"),
        ("over/small", "over", r"no folder over/over/small; there are none, small"),
        ("small/middle.yaml", "over", r"over/small/middle\.yaml is a file; want the folder"),
        ("none", "over", r"over/none holds no overlay: want NODE\.yaml, NODE one of middle, start"),
        ("small", "ovre", r"no folder ovre/small; there is none in overlay_folder = 'ovre'"),
        ("demoo", "configs", r"profile = 'demoo': no folder configs/demoo; there are demo, eu_sw, reference"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_profile_that_is_not_there_is_named_with_those_that_are(profile: str, overlay_folder: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        names(profile, overlay_folder)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("doubling.yaml", r"doubling\.yaml: doubling is a phase, .*: want middle\.yaml"),
        ("counting.yaml", r"want start\.yaml"),
        ("last.yaml", r"the node last has the overlay of middle: want middle\.yaml"),
        ("starts.yaml", r"graph\.yaml has no node starts; did you mean start\?"),
        ("quite_other.yaml", r"has no node quite_other; there are start, middle, last"),
        ("start.yml", r"want start\.yaml"),
        ("start.YAML", r"want start\.yaml"),
    ],
)
def test_a_file_that_nobody_reads_is_named_with_what_was_meant(folder: Path, file: str, said: str) -> None:
    (folder / file).write_text("num_units: 3\n")
    with pytest.raises(BadRequest, match=f"nobody reads .*{said}"):
        names()


def test_an_overlay_of_no_node_is_refused(folder: Path) -> None:
    graph = folder.parents[1] / "graph.yaml"
    graph.write_text(GRAPH.replace("overlay: middle", "overlay: middles"))
    with pytest.raises(BadRequest, match="node 'last': overlay = 'middles' is no node; there are start, middle, last"):
        load_graph(graph)


@pytest.mark.parametrize("graph", ["configs/pipeline.yaml", "configs/eu_sw/pipeline.yaml"])
@pytest.mark.parametrize("profile", ["demo", "reference"])
def test_the_profiles_that_ship_are_read_whole(graph: str, profile: str) -> None:
    assert graph_of(GraphConfig(graph=graph, profile=profile))


@pytest.mark.parametrize("way", ["small", "small/", "../over/small", "{}/over/small", "./small"])
def test_whatever_names_a_profile_its_overlays_are_read(folder: Path, way: str) -> None:
    root = folder.parents[1]
    settings = GraphConfig(graph="graph.yaml", profile=way.format(root), overlay_folder="over")
    _start, middle, last = graph_of(settings)
    for node in (middle, last):
        overlay = settings.layout().files(node)[-1]
        assert (root / overlay).resolve() == folder / "middle.yaml"


def test_a_collection_that_no_overlay_names_is_refused(folder: Path) -> None:
    (folder / "middle.yaml").write_text("num_units: 4\nlist: {deep: [over/small/named.yaml]}\n")
    with pytest.raises(BadRequest, match=r"nobody reads .*collection\.yaml: no overlay names it: want `collection: "):
        names()
