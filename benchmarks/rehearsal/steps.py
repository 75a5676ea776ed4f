"""The rehearsal's steps: the graph's nodes, each as its own job, and what stands around them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aplantida.phases.registry import load_phase
from aplantida.pipeline.config import find_file, resolve
from aplantida.pipeline.graph import Layout, Node, input_paths, load_graph
from benchmarks.rehearsal.collection import FETCHED
from benchmarks.rehearsal.overlays import PROFILE, Sizes, write_overlays

GRAPH = "configs/pipeline.yaml"
SHARDS, INDEX, NETWORKS = "image_shards", "loader_index", "networks"
EXPORT_SOME, FETCH_SOME = "export_for_fetch", "fetch_over_http"
_SMALL_SIDE = 64


@dataclass(frozen=True, slots=True)
class Step:
    """One process of the rehearsal.

    Attributes:
        name: of the node, or of what stands beside the graph.
        phase: whose job it is; empty for what is no job.
        command: what follows ``python``.
        output: its artifact's folder, or the file it writes.
        needs_servers: whether it reads the collection or the photo server.
    """

    name: str
    phase: str
    command: tuple[str, ...]
    output: Path
    needs_servers: bool = False


@dataclass(frozen=True)
class Rehearsal:
    """What is rehearsed, and in which steps.

    Attributes:
        sizes: how large it is.
        nodes: of the graph, in its order.
        layout: where their artifacts go.
        steps: all that is run, in order.
    """

    sizes: Sizes
    nodes: list[Node]
    layout: Layout
    steps: list[Step]

    def output(self, node: str) -> Path:
        """The artifact of the node of that name."""
        return resolve(self.layout.output(next(item for item in self.nodes if item.name == node)))

    def files(self, node: Node) -> list[str]:
        """A node's config files, the rehearsal's overlay last."""
        return self.layout.files(node)


def plan_rehearsal(folder: str, sizes: Sizes, num_species: int) -> Rehearsal:
    """All steps in their order, with overlays written to ``folder``.

    Args:
        folder: of the rehearsal, relative to APLANTIDA_ROOT or absolute.
        sizes: how large it is.
        num_species: classes that the plain networks are timed with.
    """
    nodes = load_graph(find_file(GRAPH))
    overlays = resolve(folder) / "overlays"
    write_overlays(overlays, nodes, sizes)
    layout = Layout(PROFILE, str(overlays), f"{folder}/full", f"{folder}/dist", "rehearsal", "v1.0")
    steps: list[Step] = []
    for node in nodes:
        if node.phase == "fetch_images" and not sizes.full:
            steps += _in_place_of_fetching(folder, layout, nodes, node, sizes)
        else:
            steps.append(_job(node, nodes, layout))
        if node.phase == "split_dataset":
            steps += _beside(folder, layout, nodes, node, num_species)
    return Rehearsal(sizes, nodes, layout, steps)


def _job(node: Node, nodes: list[Node], layout: Layout) -> Step:
    inputs = input_paths(node, nodes, layout, lambda item: load_phase(item.phase).output is not None)
    words = ["-m", f"jobs.{node.phase}"]
    for file in layout.files(node):
        words += ["--config", file]
    for name, given in inputs.items():
        for path in [given] if isinstance(given, str) else given:
            words += ["--input", f"{name}={path}"]
    output = layout.output(node)
    asks = node.phase in ("audit_dataset", "export_dataset", "fetch_images")
    return Step(node.name, node.phase, (*words, "--output", output), resolve(output), asks)


def _in_place_of_fetching(folder: str, layout: Layout, nodes: list[Node], node: Node, sizes: Sizes) -> list[Step]:
    """A part of the collection fetched over HTTP, and small drawn photos for all of it."""
    export = next(item for item in nodes if item.phase == "export_dataset")
    some = resolve(folder) / "overlays" / "some.yaml"
    some.write_text(f"collection: {FETCHED}\n", encoding="utf-8")
    exported, fetched = f"{folder}/some/export_dataset", f"{folder}/some/fetch_images"
    configs = [word for file in (*layout.files(export), str(some)) for word in ("--config", file)]
    steps = [
        Step(
            EXPORT_SOME,
            export.phase,
            ("-m", "jobs.export_dataset", *configs, "--output", exported),
            resolve(exported),
            True,
        )
    ]
    configs = [word for file in layout.files(node) for word in ("--config", file)]
    words = ("-m", "jobs.fetch_images", *configs, "--input", f"records={exported}", "--output", fetched)
    steps.append(Step(FETCH_SOME, node.phase, words, resolve(fetched), True))
    output = layout.output(node)
    shards = ("--num-shards", str(sizes.num_shards), "--short-side", str(_SMALL_SIDE))
    words = ("-m", "benchmarks.rehearsal.shards", "--records", layout.output(export), "--output", output, *shards)
    return [*steps, Step(SHARDS, "", words, resolve(output))]


def _beside(folder: str, layout: Layout, nodes: list[Node], split: Node, num_species: int) -> list[Step]:
    """The loader's index of the whole split, and the plain networks at their size."""
    images = next(node for node in nodes if node.phase == "fetch_images")
    index, networks = resolve(folder) / f"{INDEX}.json", resolve(folder) / f"{NETWORKS}.json"
    paths = ("--split", layout.output(split), "--images", layout.output(images), "--output", str(index))
    return [
        Step(INDEX, "", ("-m", "benchmarks.rehearsal.index", *paths), index),
        Step(
            NETWORKS,
            "",
            ("-m", "benchmarks.rehearsal.timing", "--output", str(networks), "--classes", str(num_species)),
            networks,
        ),
    ]
