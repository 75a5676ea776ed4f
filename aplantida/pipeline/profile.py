"""A run's graph and profile: a folder of overlays, one a node. What nobody would read there is a mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, cast

from aplantida.pipeline.config import CHECKOUT, find_file, read_yaml
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import GraphConfig, Node, load_graph

_SUFFIXES = (".yaml", ".yml")
_COLLECTION = "collection"  # stands beside overlays, which name it; and so do configs of runs, beginning with run_


def graph_of(config: GraphConfig) -> list[Node]:
    """The nodes of a run, in their order, without those that are left out.

    Raises:
        BadRequest: as :func:`~aplantida.pipeline.graph.load_graph`; and for a profile that is not there, or that holds
            a YAML file nobody reads.
    """
    path = find_file(config.graph)
    if config.profile is not None:
        check_profile(config.profile, config.overlay_folder, load_graph(path), config.graph)
    return load_graph(path, config.without)


def check_profile(profile: str, overlay_folder: str, nodes: Sequence[Node], graph: str) -> None:
    """Refuse a profile that does nothing, or of which a part does.

    Args:
        profile: its folder's name.
        overlay_folder: where profiles lie.
        nodes: all of the graph's.
        graph: its file, for the message.

    Raises:
        BadRequest: when there is no such folder, a YAML file in it is no node's overlay, nor named by another, or no
            overlay is in it.
    """
    bases = [base / overlay_folder for base in dict.fromkeys((Path.cwd(), CHECKOUT))]
    folders = [base / profile for base in bases if profile.strip("./") and (base / profile).is_dir()]
    where = PurePath(overlay_folder, profile)
    if not folders:
        if any((base / profile).is_file() for base in bases):
            raise BadRequest(f"profile = {profile!r}: {where} is a file; want the folder that holds the overlays")
        found = sorted({path.parent.name for base in bases for path in base.glob("*/*.yaml")})
        there = f"there are {', '.join(found)}" if found else f"there is none in overlay_folder = {overlay_folder!r}"
        raise BadRequest(f"profile = {profile!r}: no folder {where}; {there}; null is for no overlays")
    read = {node.overlay or node.name for node in nodes}
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]
    named = set(_named([graph, *(text for node in nodes for text in node.config)], files))
    for path in files:
        is_beside = path.stem.startswith(("run_", ".")) or path.resolve() in named
        if not is_beside and (path.stem not in read or path.suffix != ".yaml"):
            raise BadRequest(f"profile = {profile!r}: nobody reads {path}: {_meant(path, nodes, read, graph)}")
    if read.isdisjoint(path.stem for path in files):
        wanted = ", ".join(sorted(read))
        raise BadRequest(f"profile = {profile!r}: {where} holds no overlay: want NODE.yaml, NODE one of {wanted}")


def _named(texts: Iterable[str], files: Sequence[Path]) -> Iterator[Path]:
    """The YAML files that nodes and files of a profile name."""
    for text in (*texts, *(text for path in files for text in _texts(read_yaml(path)))):
        if text.lower().endswith(_SUFFIXES):
            for base in (Path.cwd(), CHECKOUT):
                yield (base / text).resolve()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, Any]", value).values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _texts(item)


def _meant(path: Path, nodes: Sequence[Node], read: set[str], graph: str) -> str:
    """What is wrong with a file's name, and what would be right."""
    stem = path.stem
    if stem == _COLLECTION:
        return f"no overlay names it: want `collection: {path}` in those of the nodes that read the collection"
    shared = next((node.overlay for node in nodes if node.name == stem and node.overlay is not None), None)
    if shared is not None:
        return f"the node {stem} has the overlay of {shared}: want {shared}.yaml"
    if stem in read:
        return f"want {stem}.yaml"
    of_phase = [node.overlay or node.name for node in nodes if node.phase == stem]
    if of_phase:
        wanted = " or ".join(f"{name}.yaml" for name in dict.fromkeys(of_phase))
        return f"{stem} is a phase, and an overlay has its node's name: want {wanted}"
    likely = difflib.get_close_matches(stem, read, n=1)
    if likely:
        return f"{graph} has no node {stem}; did you mean {likely[0]}?"
    return f"{graph} has no node {stem}; there are {', '.join(node.name for node in nodes)}"
