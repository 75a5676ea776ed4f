"""The graph: nodes name a phase, its configs, its inputs and its output. Nodes are not phases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, ClassVar

from pydantic import Field

from aplantida.pipeline.config import (
    CHECKOUT,
    RELEASE_NAME,
    Device,
    Section,
    SeededConfig,
    find_file,
    read_yaml,
    validated,
)
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.logs import LOGGER
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.runner import Outcome, Sources, execute

ALL = "*"


class Node(Section):
    """One node of ``configs/pipeline.yaml``.

    ``inputs`` name other nodes (or ``"*"``: every sealing node before this one); ``output`` may use ``{runs}``,
    ``{bundles}``, ``{name}`` and ``{version}``; ``overlay`` is the node whose overlay it shares, null for its own.
    """

    name: str
    phase: str
    config: list[str] = Field(min_length=1)
    inputs: dict[str, str | list[str]] = Field(default_factory=dict)
    output: str = "{runs}/{node}"
    overlay: str | None = None

    def needs(self) -> list[str]:
        """Names of the nodes it reads, in the order given."""
        return [name for given in self.inputs.values() for name in ([given] if isinstance(given, str) else given)]


class GraphFile(Section):
    """A graph's file; ``extends`` is another one, whose nodes come first."""

    extends: str | None = None
    nodes: list[Node]


@dataclass(frozen=True)
class Layout:
    """Where a run's artifacts go.

    Attributes:
        profile: overlays ``configs/<profile>/<node>.yaml`` are added where they exist; None for the plain configs.
            A path that begins with / is the folder itself.
        overlay_folder: the folder holding the profiles.
        runs: folder of the nodes' artifacts.
        bundles: folder of the bundles.
        name: the bundle's name, e.g. ``student``.
        version: the bundle's version, e.g. ``v1.0``.
    """

    profile: str | None
    overlay_folder: str
    runs: str
    bundles: str
    name: str
    version: str

    def output(self, node: Node) -> str:
        """The artifact path of a node."""
        return node.output.format(
            runs=self.runs, bundles=self.bundles, name=self.name, version=self.version, node=node.name
        )

    def files(self, node: Node) -> list[str]:
        """A node's config files, the profile's overlay last."""
        if self.profile is None:
            return node.config
        overlay = PurePath(self.overlay_folder, self.profile, f"{node.overlay or node.name}.yaml")
        has_overlay = any((base / overlay).is_file() for base in (Path.cwd(), CHECKOUT))
        return [*node.config, str(overlay)] if has_overlay else node.config


class GraphResources(Section):
    """Where all nodes compute, and what a dry run reckons with: the costs file of a rehearsal."""

    device: Device = "auto"
    costs: str = "runs/rehearsal/costs.json"


class GraphConfig(SeededConfig):
    """Which graph, which of its nodes, and where its artifacts go."""

    MOVED: ClassVar[Mapping[str, str]] = {"resources.num_threads": ""}

    graph: str = "configs/pipeline.yaml"
    profile: str | None = None
    overlay_folder: str = "configs"
    runs: str = "runs/full"
    bundles: str = "dist/models"
    name: str = Field(default="student", pattern=RELEASE_NAME)
    version: str = Field(default="v1.0", pattern=RELEASE_NAME)
    nodes: list[str] = Field(default_factory=list)
    without: list[str] = Field(default_factory=list)
    sources: Sources = "check"
    resources: GraphResources = GraphResources()

    def of_the_run(self) -> dict[str, Any]:
        """What all nodes have alike: the seed, and the release's name and version, by which its folder is called."""
        return {"seed": self.seed, "name": self.name, "version": self.version}

    def layout(self) -> Layout:
        """Where artifacts go."""
        return Layout(self.profile, self.overlay_folder, self.runs, self.bundles, self.name, self.version)


def load_graph(path: Path, without: Sequence[str] = ()) -> list[Node]:
    """Read the nodes and put each after those it reads.

    Args:
        path: of the graph's file.
        without: nodes that are left out, and with them all that read one of these by name.

    Raises:
        BadRequest: for a malformed node, a name used twice, an input that no node makes, an overlay of no node, a
            circle, or a name in ``without`` that is no node; for files that extend each other.
    """
    nodes = _read_nodes(path, ())
    names = [node.name for node in nodes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadRequest(f"{path}: two nodes are called {twice[0]!r}")
    for node in nodes:
        unknown = sorted(set(node.needs()) - {*names, ALL})
        if unknown:
            raise BadRequest(f"{path}: node {node.name!r} reads {unknown[0]!r}, which no node makes")
        if node.overlay is not None and node.overlay not in names:
            raise BadRequest(
                f"{path}: node {node.name!r}: overlay = {node.overlay!r} is no node; there are {', '.join(names)}"
            )
    missing = sorted(set(without) - set(names))
    if missing:
        raise BadRequest(f"without: no node of {path} is called {missing[0]!r}; there are {', '.join(names)}")
    left_out = set(without)
    ordered: list[Node] = []
    for node in _ordered(nodes, path):
        if node.name in left_out or left_out & set(node.needs()):
            left_out.add(node.name)
        else:
            ordered.append(node)
    return ordered


def _read_nodes(path: Path, extending: tuple[Path, ...]) -> list[Node]:
    if path.resolve() in extending:
        raise BadRequest(f"{path}: extends itself, by way of {', '.join(map(str, extending))}")
    file = validated(GraphFile, read_yaml(path), str(path))
    before = [] if file.extends is None else _read_nodes(find_file(file.extends), (*extending, path.resolve()))
    return [*before, *file.nodes]


def _ordered(nodes: Sequence[Node], path: Path) -> list[Node]:
    done: list[Node] = []
    waiting = list(nodes)
    while waiting:
        names = {node.name for node in done}
        ready = next((node for node in waiting if _can_run(node, names, node is waiting[0])), None)
        if ready is None:
            raise BadRequest(f"{path}: the nodes {', '.join(node.name for node in waiting)} wait for each other")
        done.append(ready)
        waiting.remove(ready)
    return done


def _can_run(node: Node, done: set[str], is_first: bool) -> bool:
    """Whether all it reads is there; to one that reads ``"*"``, all is everything that stands before it in the file."""
    return set(node.needs()) - {ALL} <= done and (is_first or ALL not in node.needs())


@dataclass(frozen=True)
class NodeOutcome:
    """What became of one node."""

    node: Node
    outcome: Outcome


def run_graph(
    nodes: Sequence[Node],
    load_phase: Callable[[str], Phase[Any]],
    layout: Layout,
    *,
    only: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    device: str | None = None,
    dry_run: bool = False,
    sources: Sources = "check",
    carry_out: Callable[..., Outcome] = execute,
) -> Generator[NodeOutcome]:
    """Run nodes one after the other, yielding each as it is done; sealed ones are skipped.

    Args:
        nodes: in an order in which inputs come first (:func:`load_graph` gives one).
        load_phase: phase name to phase.
        layout: where artifacts go.
        only: names of the nodes to run; empty for all.
        values: config values laid over every node's (the seed, say).
        device: overrides every node's ``resources.device``.
        dry_run: say what would happen.
        sources: whether sealed artifacts are held against the present state of what lies outside artifacts.
        carry_out: :func:`~aplantida.pipeline.runner.execute`, here or elsewhere.

    Raises:
        BadRequest: for a name in ``only`` that is no node; and whatever :func:`~aplantida.pipeline.runner.execute`
            raises: the graph stops at the first node that fails, and the message names it.
    """
    log = logging.getLogger(f"{LOGGER}.graph")
    chosen = chosen_nodes(nodes, only)

    def seals(node: Node) -> bool:
        return load_phase(node.phase).output is not None

    for position, node in enumerate(chosen, start=1):
        log.info("node %d of %d: %s", position, len(chosen), node.name)
        phase = load_phase(node.phase)
        request = {**(values or {}), "inputs": input_paths(node, nodes, layout, seals)}
        if phase.output is not None:
            request["output"] = layout.output(node)
        files = layout.files(node)
        outcome = carry_out(phase, files=files, values=request, device=device, dry_run=dry_run, sources=sources)
        yield NodeOutcome(node, outcome)


def chosen_nodes(nodes: Sequence[Node], only: Sequence[str]) -> list[Node]:
    """The nodes named in ``only``, in the graph's order; all of them when it is empty.

    Raises:
        BadRequest: for a name that is no node.
    """
    names = [node.name for node in nodes]
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise BadRequest(f"no node is called {unknown[0]!r}; there are {', '.join(names)}")
    return [node for node in nodes if not only or node.name in only]


def input_paths(
    node: Node,
    nodes: Sequence[Node],
    layout: Layout,
    seals: Callable[[Node], bool] = lambda _: True,
) -> dict[str, str | list[str]]:
    """The artifact paths of a node's inputs, by the phase's input names; ``nodes`` are in the graph's order.

    ``seals`` says which nodes make an artifact, for ``"*"``.
    """
    by_name = {item.name: item for item in nodes}
    paths: dict[str, str | list[str]] = {}
    for name, given in node.inputs.items():
        if given == ALL:
            before = nodes[: nodes.index(node)]
            paths[name] = [layout.output(item) for item in before if seals(item)]
        elif isinstance(given, str):
            paths[name] = layout.output(by_name[given])
        else:
            paths[name] = [layout.output(by_name[item]) for item in given]
    return paths
