"""A dry run of the graph: what would become of each node and why, with nothing changed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aplantida.pipeline.artifact import PROGRESS, is_sealed
from aplantida.pipeline.config import PhaseConfig, load_config, resolve
from aplantida.pipeline.errors import BadRequest, PhaseError
from aplantida.pipeline.graph import Layout, Node, chosen_nodes, input_paths
from aplantida.pipeline.ledger import Ledger
from aplantida.pipeline.logs import LOGGER
from aplantida.pipeline.phase import Phase
from aplantida.pipeline.recipe import changes_since, recipe_of
from aplantida.pipeline.runner import Sources, ready_to_begin, standing_of
from aplantida.pipeline.standing import Standing, earlier_recipe

Verdict = Literal["skip", "resume", "run", "refuse"]
_VERDICTS: dict[str, Verdict] = {"sealed": "skip", "unfinished": "resume", "absent": "run"}


@dataclass(frozen=True)
class Prospect:
    """What would become of a node.

    Attributes:
        node: which.
        verdict: ``skip``, ``resume``, ``run`` or ``refuse``.
        why: in words.
        output: its artifact's folder; None for a node that seals nothing.
        config: its config; None where that cannot be read.
        error: what a refused node would end with.
    """

    node: Node
    verdict: Verdict
    why: str
    output: Path | None = None
    config: PhaseConfig | None = None
    error: PhaseError | None = None


@dataclass
class _Walk:
    nodes: Sequence[Node]
    load_phase: Callable[[str], Phase[Any]]
    layout: Layout
    values: Mapping[str, Any]
    sources: Sources
    found: dict[str, Prospect] = field(default_factory=dict[str, Prospect])

    def look(self, node: Node) -> Prospect:
        """Note and return what would become of a node; those before it are noted already."""
        phase = self.load_phase(node.phase)
        request: dict[str, Any] = {**self.values, "inputs": self._inputs(node)}
        if phase.output is not None:
            request["output"] = self.layout.output(node)
        path = None if phase.output is None else resolve(request["output"])
        config: PhaseConfig | None = None
        try:
            config = known = load_config(phase.config, self.layout.files(node), request)
            verdict, why = self._verdict(node, phase, known, path)
            prospect = Prospect(node, verdict, why, path, config)
        except PhaseError as error:
            prospect = Prospect(node, "refuse", str(error), path, config, error)
        self.found[node.name] = prospect
        return prospect

    def _inputs(self, node: Node) -> dict[str, str | list[str]]:
        return input_paths(node, self.nodes, self.layout, lambda item: self.load_phase(item.phase).output is not None)

    def _verdict(self, node: Node, phase: Phase[Any], config: PhaseConfig, path: Path | None) -> tuple[Verdict, str]:
        makers = self._makers(node)
        if path is None:
            return "run", "seals nothing" + _after(makers)
        if not makers:
            standing = standing_of(phase, config, self.sources, self._yet_to_come())
            return _VERDICTS[standing.state], _reason(standing, path)
        standing = _standing_without_inputs(phase, config, path)
        if standing.state != "sealed" or self.sources == "check":
            phase.look_at(config)
        if standing.state != "sealed":
            ready_to_begin(phase, config, path, self._yet_to_come())
        if standing.state == "absent":
            return "run", _after(makers).lstrip("; ")
        reason = f"if {_names(makers)} comes out as before, else refused; {_reason(standing, path)}"
        return _VERDICTS[standing.state], reason

    def _yet_to_come(self) -> set[Path]:
        """The outputs of the nodes before this one that will run."""
        found = self.found.values()
        return {item.output for item in found if item.output is not None and item.verdict in ("run", "resume")}

    def _makers(self, node: Node) -> list[str]:
        """The nodes that are yet to make an input of this one.

        Raises:
            BadRequest: when one is refused, or not among those to run.
        """
        makers: list[str] = []
        for maker in self.nodes:
            if not self._reads(node, maker):
                continue
            prospect = self.found.get(maker.name)
            if prospect is not None and prospect.error is not None:  # the run would not come to this one
                raise type(prospect.error)(f"its input {maker.name} would be refused")
            if is_sealed(resolve(self.layout.output(maker))):
                continue
            if prospect is None:
                raise BadRequest(f"{node.name}: its input {maker.name} is not there, and not among the nodes to run")
            makers.append(maker.name)
        return makers

    def _reads(self, node: Node, maker: Node) -> bool:
        if self.load_phase(maker.phase).output is None:
            return False
        paths = [
            path for given in self._inputs(node).values() for path in ([given] if isinstance(given, str) else given)
        ]
        return self.layout.output(maker) in paths


def foresee(
    nodes: Sequence[Node],
    load_phase: Callable[[str], Phase[Any]],
    layout: Layout,
    *,
    only: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    sources: Sources = "check",
) -> list[Prospect]:
    """What :func:`~aplantida.pipeline.graph.run_graph` would do with the same arguments, node by node.

    Inputs that are not there yet are taken as made by their nodes.

    Raises:
        BadRequest: for a name in ``only`` that is no node.
    """
    walk = _Walk(nodes, load_phase, layout, values or {}, sources)
    return [walk.look(node) for node in chosen_nodes(nodes, only)]


def refuse_all(prospects: Sequence[Prospect]) -> None:
    """End as the run would: with the error of the first node that would be refused.

    Raises:
        PhaseError: that of the first, naming all of them.
    """
    refused = [prospect for prospect in prospects if prospect.error is not None]
    for prospect in refused:
        logging.getLogger(f"{LOGGER}.plan").error("%s: %s", prospect.node.name, prospect.error)
    if refused and (error := refused[0].error) is not None:
        names = ", ".join(prospect.node.name for prospect in refused)
        raise type(error)(f"{len(refused)} of {len(prospects)} nodes would be refused: {names}")


def _standing_without_inputs(phase: Phase[Any], config: PhaseConfig, path: Path) -> Standing:
    """How a request stands to its output as far as its config goes: its inputs are not there to be compared.

    Raises:
        RecipeChanged: when the config alone is another one.
    """
    state, earlier = earlier_recipe(path)
    if state == "absent":
        return Standing(state)
    recipe = recipe_of(phase, config, {}, {}) | {"inputs": earlier["inputs"], "sources": earlier["sources"]}
    standing = Standing(state, tuple(changes_since(earlier, recipe, phase.config)))
    standing.check(path)
    return standing


def _reason(standing: Standing, path: Path) -> str:
    if standing.state == "sealed":
        return "sealed under this recipe"
    if standing.state == "unfinished":
        units = len(Ledger(path / PROGRESS / "ledger.jsonl", path, read_only=True).units)
        return "; ".join([f"unfinished work of this recipe, {units} units done", *standing.renewed])
    return "its inputs are there"


def _after(makers: Sequence[str]) -> str:
    return f"; its input will be made by {_names(makers)}" if makers else ""


def _names(makers: Sequence[str]) -> str:
    return ", ".join(makers) if len(makers) < 6 else f"{len(makers)} nodes"
