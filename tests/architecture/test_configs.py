"""Every YAML validates, and a phase's YAML is its reference manual: every field, each with a comment."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from aplantida.demo.driver import Run
from aplantida.phases._collection_file import CollectionFile
from aplantida.phases.registry import PHASES, load_phase
from aplantida.pipeline.config import CHECKOUT, NOT_IDENTITY, Section, identity, load_config, merge, read_yaml
from aplantida.pipeline.graph import Layout, load_graph

CONFIGS = CHECKOUT / "configs"
PROFILES = ("demo", "reference")
GRAPH = load_graph(CONFIGS / "eu_sw/pipeline.yaml")  # which extends pipeline.yaml
OVERLAYS = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent != CONFIGS)
NO_PHASE = {"pipeline.yaml", "targets.yaml", "collection.yaml", "weights.yaml"}
SHARED = "configs/collection.yaml"


def fields_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            names |= fields_of(field.annotation, f"{prefix}{name}.")
    return names


def keys_of(value: Any, known: set[str], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for key, inner in value.items():
        names.add(f"{prefix}{key}")
        if isinstance(inner, dict) and any(name.startswith(f"{prefix}{key}.") for name in known):
            names |= keys_of(inner, known, f"{prefix}{key}.")
    return names


def shared_with(config: Any, known: set[str]) -> set[str]:
    """The keys of a phase that the collection's file says."""
    if not config.SHARED:
        return set()
    said = keys_of(read_yaml(CHECKOUT / SHARED), fields_of(CollectionFile))
    not_here = {old for old, new in config.SHARED_AS.items() if not new}
    return ((said & known) - not_here | set(config.SHARED_AS.values())) - {"collection", ""}


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_config_names_every_field(phase: str) -> None:
    config = load_phase(phase).config
    known = fields_of(config)
    own, shared = keys_of(read_yaml(CONFIGS / f"{phase}.yaml"), known), shared_with(config, known)
    sections = {name.rpartition(".")[0] for name in known} | {name.split(".")[0] for name in known if "." in name}
    assert own | shared | (sections & known) == known
    assert own & shared <= sections, "typed twice"
    load_config(config, [f"configs/{phase}.yaml"])


def test_the_collections_file_names_every_field_and_each_is_some_phases() -> None:
    known = fields_of(CollectionFile)
    assert keys_of(read_yaml(CHECKOUT / SHARED), known) == known
    readers = [config for config in (load_phase(phase).config for phase in PHASES) if config.SHARED]
    assert len(readers) == 11
    assert known <= {name for config in readers for name in fields_of(config)}
    for config in readers:
        assert read_yaml(CONFIGS / f"{phase_of(config)}.yaml")["collection"] == SHARED


def phase_of(config: Any) -> str:
    return next(phase for phase in PHASES if load_phase(phase).config is config)


@pytest.mark.parametrize("phase", [*PHASES, "collection"])
def test_every_key_has_a_comment(phase: str) -> None:
    lines = (CONFIGS / f"{phase}.yaml").read_text().splitlines()
    bare = []
    for at, line in enumerate(lines):
        key = line.split("#")[0].rstrip()
        if not key or key.lstrip().startswith(("-", "#")) or ":" not in key:
            continue
        commented = "#" in line or (at > 0 and lines[at - 1].lstrip().startswith("#"))
        opens_section = key.endswith(":") and at + 1 < len(lines) and lines[at + 1].startswith(" ")
        if not commented and not opens_section:
            bare.append(line.strip())
    assert bare == []


def test_every_file_in_configs_is_known() -> None:
    top = {path.name for path in CONFIGS.glob("*.yaml")}
    mentioned = {Path(file).name for node in GRAPH for file in node.config if Path(file).parent.name == "configs"}
    assert top - NO_PHASE - {f"{phase}.yaml" for phase in PHASES} <= mentioned
    nodes = {node.name for node in GRAPH} | {"run_pipeline", "release_student", "cleanup", "collection", "pipeline"}
    assert [str(path) for path in OVERLAYS if path.stem not in nodes] == []
    assert len(top) == len(PHASES) + 6  # pipeline, targets, baseline, collection, weights, strangers
    assert len(OVERLAYS) >= 20


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("node", GRAPH, ids=lambda node: node.name)
def test_every_node_validates_under_every_profile(
    node: Any, profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEIGHTS", str(tmp_path))
    files = Layout(profile, "configs", "runs/x", "dist", "n", "v").files(node)
    config = load_phase(node.phase).config
    load_config(config, files)
    changed: dict[str, Any] = {}
    for file in files[1:]:
        overlay = yaml.safe_load((CHECKOUT / file).read_text()) or {}
        changed = merge(changed, overlay)
    assert keys_of(changed, fields_of(config)) <= fields_of(config)


def test_the_graph_feeds_every_declared_input() -> None:
    assert len(GRAPH) == 35
    for node in GRAPH:
        specs = load_phase(node.phase).input_specs
        missing = [name for name, spec in specs.items() if not spec.optional and name not in node.inputs]
        assert (node.name, missing, sorted(set(node.inputs) - set(specs))) == (node.name, [], [])


@pytest.mark.parametrize("phase", PHASES)
def test_what_how_and_how_good_stand_apart(phase: str) -> None:
    """Gates and resources are no part of a recipe; who has gates judges; moved keys left their old place."""
    declared = load_phase(phase)
    known = fields_of(declared.config)
    config = load_config(declared.config, [f"configs/{phase}.yaml"])
    assert set(identity(config)) & {"gates", "resources", "inputs", "output", "reuse"} == set()
    assert (declared.judge is not None) == any(name.startswith("gates.") for name in known)
    for old, new in declared.config.MOVED.items():
        assert old not in known, old
        assert not new or new in known, new
        assert not new or new.partition(".")[0] in NOT_IDENTITY, f"{old} -> {new}: a renamed key of the recipe"


def test_the_limit_of_the_students_size_is_said_alike() -> None:
    """Trainings choose and refuse heads by it, the export has the last word."""
    phases = [phase for phase in PHASES if "gates.max_model_bytes" in fields_of(load_phase(phase).config)]
    said = {phase: read_yaml(CONFIGS / f"{phase}.yaml")["gates"]["max_model_bytes"] for phase in phases}
    assert sorted(said) == ["distill_student", "export_tfjs", "finetune_student", "sweep_distillation"]
    assert set(said.values()) == {7_000_000}


def source_of(phase: str) -> str:
    """A phase's own module and what it takes from its neighbours."""
    code = inspect.getsource(importlib.import_module(f"aplantida.phases.{phase}"))
    shared = re.findall(r"from aplantida\.phases\.(_\w+) import", code)
    return code + "".join(inspect.getsource(importlib.import_module(f"aplantida.phases.{name}")) for name in shared)


@pytest.mark.parametrize("phase", PHASES)
def test_who_draws_has_a_seed_and_who_computes_on_a_gpu_a_device(phase: str) -> None:
    """A key that nothing reads is a promise nobody keeps."""
    known, code = fields_of(load_phase(phase).config), source_of(phase)
    assert ("seed" in known) == bool(re.search(r"config\.seed\b|run_nodes", code))
    assert ("resources.device" in known) == bool(re.search(r"ctx\.device\b", code))
    assert ("resources.num_threads" in known) == bool(re.search(r"\.num_threads\b", code))


def test_the_collections_file_says_the_defaults() -> None:
    """A collection's own file may leave out what it has as most have it."""
    said = read_yaml(CHECKOUT / SHARED)
    assert CollectionFile.model_validate(said) == CollectionFile()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_drivers_know_where_a_profiles_collection_is(profile: str) -> None:
    run = Run.load(["configs/run_pipeline.yaml", f"configs/{profile}/run_pipeline.yaml"])
    node, config = run.node_config("export_dataset"), load_phase("export_dataset").config
    files = run.config.layout().files(next(item for item in run.nodes if item.name == "export_dataset"))
    read = load_config(config, files)
    assert (node["db_name"], node["collection"]) == (read.db_name, read.collection)
