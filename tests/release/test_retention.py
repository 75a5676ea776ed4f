"""Drawn graphs of artifacts, some gone, moved, damaged or made anew: nothing that a root needs is ever listed."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aplantida.pipeline.artifact import FORMAT, FileEntry, digest_of
from aplantida.pipeline.waiting import WaitingNodes
from aplantida.release.records import FORMAT as RECORD_FORMAT
from aplantida.release.retention import delete, find_leftovers

NUM_GRAPHS = 600


@dataclass
class Node:
    """An artifact as the test knows it; ``parents`` are what it was really made from."""

    name: str
    kind: str
    parents: list[Node]
    text: str
    place: str
    state: str = "sealed"
    fate: str = ""
    wanted: bool = False
    entry: dict[str, Any] = field(default_factory=dict[str, Any])


def write(root: Path, node: Node) -> None:
    folder = root / node.place
    inputs = {"given": [parent.entry for parent in node.parents]}
    if node.state == "unfinished":
        (folder / "_progress").mkdir(parents=True)
        recipe = {"inputs": {"given": [parent.entry["digest"] for parent in node.parents]}}
        (folder / "_progress" / "recipe.json").write_text(json.dumps(recipe))
        (folder / "_progress" / "inputs.json").write_text(json.dumps(inputs))
        node.entry = {"path": node.place, "kind": node.kind, "digest": f"never {node.name}"}
        return
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text(node.text)
    entry = FileEntry("a.txt", len(node.text), "00")
    digest = digest_of([FileEntry("a.txt", len(node.text), node.text)])
    node.entry = {"path": node.place, "kind": node.kind, "digest": digest}
    files = {entry.name: {"bytes": entry.bytes, "sha256": entry.sha256}}
    manifest = {"format": FORMAT, "kind": node.kind, "digest": digest, "inputs": inputs, "files": files, "config": {}}
    (folder / "artifact.json").write_text(json.dumps(manifest))


def record(root: Path, node: Node) -> None:
    def lineage(of: Node) -> list[Node]:
        return [item for parent in of.parents for item in (parent, *lineage(parent))]

    needs = [{**item.entry, "path": str(root / item.place)} for item in lineage(node)]
    value = {"format": RECORD_FORMAT, "name": node.name, "kind": node.kind, "needs": needs, **node.entry}
    target = root / "runs/_releases" / f"{node.name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({**value, "path": str(root / node.place)}))


def draw_graph(root: Path, draw: random.Random) -> list[Node]:
    """Write a graph, and let things happen to it."""
    nodes: list[Node] = []
    for at in range(draw.randint(3, 9)):
        sealed = [node for node in nodes if node.state == "sealed"]
        parents = draw.sample(sealed, min(len(sealed), draw.randint(0, 2)))
        kind = draw.choice(["thing"] * 6 + ["model_bundle", "manifest"])
        folder = "dist" if kind == "model_bundle" else draw.choice(["runs/a", "runs/b", "elsewhere"])
        node = Node(f"n{at}", kind, parents, f"text {draw.random()}", f"{folder}/n{at}")
        node.state = "unfinished" if kind == "thing" and draw.random() < 0.15 else "sealed"
        write(root, node)
        nodes.append(node)
    for node in nodes:
        has_record = node.kind != "thing" and draw.random() < 0.5
        if has_record:
            record(root, node)
        if node.state == "unfinished" or draw.random() < 0.6:
            continue
        node.fate = draw.choice(["gone", "moved", "damaged", "anew", "illegible"])
        happen(root, node, draw)
        node.wanted = has_record
    for node in nodes:  # bundles, manifests, what was made from a bundle, and unfinished work are roots by themselves
        by_itself = node.kind != "thing" or any(parent.kind == "model_bundle" for parent in node.parents)
        is_there = node.fate in ("", "damaged", "anew")
        is_known = is_there and not node.place.startswith("elsewhere")  # nobody looks there
        node.wanted |= is_known and (by_itself or node.state == "unfinished")
    return nodes


def happen(root: Path, node: Node, draw: random.Random) -> None:
    folder = root / node.place
    if node.fate == "gone":
        shutil.rmtree(folder)
    elif node.fate == "moved":
        target = f"runs/c/{node.name}" if draw.random() < 0.5 else f"pwa/{node.name}"
        shutil.move(folder, root / target)
        node.place = target
    elif node.fate == "damaged":
        (folder / "a.txt").write_text("another length altogether")
    elif node.fate == "anew":
        shutil.rmtree(folder)
        entry = node.entry
        node.text = f"anew {draw.random()}"
        write(root, node)
        node.entry = entry
    else:
        (folder / "artifact.json").write_text('{"format"')


def needed(nodes: list[Node], wanted: list[Node]) -> list[Node]:
    """Told from the drawn graph alone; what an illegible or lost artifact was made from nobody can know."""
    reached: list[Node] = []
    waiting = list(wanted)
    while waiting:
        node = waiting.pop()
        if node in reached:
            continue
        reached.append(node)
        lost = node.fate in ("gone", "illegible") or node.place.startswith("pwa") or is_hidden(node)
        waiting += [] if lost else node.parents
    return reached


def is_hidden(node: Node) -> bool:
    """Moved from where its children knew it to where only its digest tells: found below the folders looked at only."""
    return node.fate == "moved" and not node.place.startswith("runs")


def test_nothing_that_a_root_needs_is_ever_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    num_listed = num_needed = 0
    for number in range(NUM_GRAPHS):
        root, draw = tmp_path / str(number), random.Random(number)
        monkeypatch.setenv("APLANTIDA_ROOT", str(root))
        (root / "runs").mkdir(parents=True)
        nodes = draw_graph(root, draw)
        below = [node for node in nodes if node.place.startswith("runs") and (root / node.place).is_dir()]
        kept = draw.sample(below, min(len(below), draw.randint(0, 2)))
        paused = draw.sample(below, min(len(below), draw.randint(0, 1)))
        if paused:
            WaitingNodes(root / "runs/a").add({"next": ["runs/a/next", *(node.place for node in paused)]})
        found = find_leftovers(
            root / "runs",
            keep=[node.place.removeprefix("runs/") for node in kept],
            needed_by=[root / "runs", root / "dist"],
        )
        wanted = [node for node in nodes if node.wanted or node in kept or node in paused]
        stays = {root / node.place for node in needed(nodes, wanted)}
        listed = {item.path for item in (*found.leftovers, *found.kept)}
        assert stays & listed == set(), f"graph {number}"
        before = {path: sorted(path.rglob("*")) for path in stays if path.is_dir()}
        delete(found.leftovers, root / "runs")
        assert {path: sorted(path.rglob("*")) for path in before} == before
        assert not any(item.path.exists() for item in found.leftovers)
        num_listed += len(found.leftovers)
        num_needed += len(before)
        shutil.rmtree(root)
    assert num_listed > NUM_GRAPHS // 4  # the rule is not kept by listing nothing
    assert num_needed > NUM_GRAPHS
