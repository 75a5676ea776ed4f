"""Runs the whole graph over a collection on disk: a CDN and a mongod around the ordinary job ``jobs.run_pipeline``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aplantida.data.collection_address import URI_VARIABLE, CollectionAddress, CollectionError
from aplantida.data.mongo import import_documents
from aplantida.demo.cdn import serve_folder
from aplantida.demo.mongod import embedded_mongod, stop_guarded
from aplantida.pipeline.config import CHECKOUT, find_file, load_config, merge, read_shared, read_yaml, resolve
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import GraphConfig, Node
from aplantida.pipeline.profile import graph_of

_EXPORT, _COLLECTION = "export_dataset", "configs/collection.yaml"


@dataclass(frozen=True)
class Run:
    """A graph and where its artifacts go, read from the configs of ``run_pipeline``."""

    files: tuple[str, ...]
    config: GraphConfig
    nodes: tuple[Node, ...]

    @classmethod
    def load(cls, files: Sequence[str]) -> Run:
        """Read the configs, later over earlier.

        Raises:
            BadRequest: as the job itself would.
        """
        config = load_config(GraphConfig, files)
        return cls(tuple(files), config, tuple(graph_of(config)))

    @property
    def folder(self) -> Path:
        """The folder of the nodes' artifacts."""
        return resolve(self.config.runs)

    def output(self, node: str) -> Path:
        """The artifact of the node of that name."""
        return resolve(self.config.layout().output(next(item for item in self.nodes if item.name == node)))

    def node_config(self, node: str) -> dict[str, Any]:
        """The merged YAML files of the node of that name, over the collection's file where they name one."""
        merged: dict[str, Any] = {}
        for file in self.config.layout().files(next(item for item in self.nodes if item.name == node)):
            merged = merge(merged, read_yaml(find_file(file)))
        said = read_shared(merged, "collection")
        if not said:
            return merged
        whole = merge(read_yaml(find_file(_COLLECTION)), said)  # which names every key, at its default
        return merge(whole, {key: value for key, value in merged.items() if key != "collection"})

    def outcomes(self) -> list[dict[str, Any]]:
        """What the last run noted of each node: name, phase, status, seconds."""
        return json.loads((self.folder / "last_run.json").read_text(encoding="utf-8"))


def run_over(run: Run, collection: Path, port: int, environment: Mapping[str, str] | None = None) -> int:
    """Serve ``collection/images``, load ``collection/plants.jsonl`` where it is not loaded yet, and run the graph.

    Args:
        run: which graph.
        collection: a folder with ``plants.jsonl`` (mongoimport format) and ``images/``.
        port: the one in the documents' URLs.
        environment: variables for the job, beside this process's own.

    Returns:
        The job's exit code.

    Raises:
        BadRequest: when the folder does not hold a collection that can be read, or a config names a server of its own.
        ServerNotStarted: when the port is taken, or mongod does not start.
    """
    documents = collection / "plants.jsonl"
    if not documents.is_file() or not (collection / "images").is_dir():
        raise BadRequest(f"{collection}: want a folder with plants.jsonl (mongoimport format) and images/")
    source = run.node_config(_EXPORT)
    for node in run.nodes:
        if run.node_config(node.name).get("mongo_uri") is not None:
            raise BadRequest(
                f"{node.name}: mongo_uri in {', '.join(run.config.layout().files(node))}, or the collection's file "
                "they name, is another server than the one that is started here for this collection: want null"
            )
    with serve_folder(collection / "images", port), embedded_mongod(run.folder / "mongo") as uri:
        try:
            count = import_documents(CollectionAddress(uri, source["db_name"], source["collection"]), documents)
        except CollectionError as error:
            raise BadRequest(str(error)) from None
        if count:
            say(f"loaded {count} documents into {source['db_name']}.{source['collection']}")
        return run_job("run_pipeline", run.files, {**(environment or {}), URI_VARIABLE: uri})


def run_job(name: str, files: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run ``python -m jobs.NAME`` with config ``files`` in a process that ends with this one; return its exit code."""
    flags = [word for file in files for word in ("--config", file)]
    process = subprocess.Popen(
        [sys.executable, "-m", "aplantida.demo.guard", sys.executable, "-m", f"jobs.{name}", *flags],
        stdin=subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=CHECKOUT,
    )
    try:
        return process.wait()
    finally:
        stop_guarded(process)


def say(text: str = "") -> None:
    """Write a line for the person who started this."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Tell that person what went wrong."""
    sys.stderr.write(text + "\n")
