"""Recipes: what identifies an artifact, what an earlier recipe counts as today, and how two of them differ.

A config has three kinds of keys: *what* (identity), *how* (``resources``, and where: ``inputs``, ``output``, ``reuse``)
and *how good* (``gates``). Only the first kind is in a recipe. A key that an earlier recipe lacks counts as its
default, a key that has moved out of identity counts no more; changed behaviour is a phase's ``version``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter

from aplantida.pipeline.artifact import Artifact, canonical
from aplantida.pipeline.config import NOT_IDENTITY, ConfigT, PhaseConfig, Section, identity, moved_keys
from aplantida.pipeline.phase import Phase

_ABSENT = "(absent)"
_TO_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def recipe_of(
    phase: Phase[ConfigT], config: ConfigT, inputs: Mapping[str, Sequence[Artifact]], sources: Mapping[str, str]
) -> dict[str, Any]:
    """The recipe of a request.

    Args:
        phase: which.
        config: its config.
        inputs: opened artifacts by input name; they count by their digests.
        sources: digest by source name.
    """
    return {
        "kind": phase.output,
        "phase": phase.name,
        "version": phase.version,
        "config": identity(config),
        "inputs": {name: [artifact.digest for artifact in given] for name, given in inputs.items()},
        "sources": dict(sources),
    }


def fingerprint_of(recipe: Mapping[str, Any]) -> str:
    """sha256 of a recipe, hex."""
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()


def changes_since(earlier: Mapping[str, Any], recipe: Mapping[str, Any], config_type: type[PhaseConfig]) -> list[str]:
    """What differs between an earlier recipe, in today's terms, and this one; empty for the same."""
    config = {
        key: value for key, value in in_todays_terms(earlier["config"], config_type).items() if key not in NOT_IDENTITY
    }
    old = {**earlier, "config": config, "inputs": _given(earlier["inputs"])}
    return differences(old, {**recipe, "inputs": _given(recipe["inputs"])})


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Changed keys as ``key: old -> new``, dotted; keys of the config without the ``config.`` in front."""
    before, after = _flatten(old), _flatten(new)
    keys = [key for key in (*before, *(key for key in after if key not in before))]
    return [
        f"{key.removeprefix('config.')}: {before.get(key, _ABSENT)} -> {after.get(key, _ABSENT)}"
        for key in keys
        if before.get(key, _ABSENT) != after.get(key, _ABSENT)
    ]


def gates_of(config: PhaseConfig) -> dict[str, Any]:
    """The bounds a config sets, and what it computes of them, as JSON values; empty for a phase without gates."""
    return config.model_dump(mode="json").get("gates", {})


def gates_passed(artifact: Artifact, config_type: type[PhaseConfig]) -> dict[str, Any]:
    """The bounds a sealed artifact passed, in today's terms."""
    return in_todays_terms(artifact.config, config_type).get("gates", {})


def in_todays_terms(config: Mapping[str, Any], config_type: type[PhaseConfig]) -> dict[str, Any]:
    """An earlier config in today's terms: moved keys in their new places, defaults for the keys it lacks."""
    moved = dict(config)
    for old, new in moved_keys(config_type).items():
        value = _get(moved, old)
        moved = _without(moved, old)
        if value is not None and new:
            moved = _with(moved, new, value)
    return _filled(config_type, moved)


def _filled(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with the defaults of the fields they lack, section by section (JSON values)."""
    whole = dict(values)
    for name, field in model.model_fields.items():
        inner, kind = whole.get(name), field.annotation
        if name not in whole and not field.is_required():
            default = field.get_default(call_default_factory=True)
            # what a section computes is left out: of an earlier config nobody knows what that was
            whole[name] = _TO_JSON.dump_python(default, mode="json", round_trip=True)
        elif isinstance(inner, Mapping) and isinstance(kind, type) and issubclass(kind, Section):
            whole[name] = _filled(kind, cast("Mapping[str, Any]", inner))
    return whole


def _given(inputs: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Inputs without those that were not given: an optional input added since is as good as absent."""
    return {name: digests for name, digests in inputs.items() if digests}


def _get(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = cast("Mapping[str, Any]", found)[part]
    return found


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    head, _, rest = key.partition(".")
    below = values.get(head)
    if rest and isinstance(below, Mapping):
        return {**values, head: _without(cast("Mapping[str, Any]", below), rest)}
    return {name: value for name, value in values.items() if name != head or rest}


def _with(values: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    head, _, rest = key.partition(".")
    below = values.get(head)
    inner = cast("Mapping[str, Any]", below if isinstance(below, Mapping) else {})
    return {**values, head: _with(inner, rest, value) if rest else value}


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        flat: dict[str, Any] = {}
        for key, inner in cast("Mapping[str, Any]", value).items():
            flat.update(_flatten(inner, f"{prefix}{key}."))
        return flat
    return {prefix.removesuffix("."): value}
