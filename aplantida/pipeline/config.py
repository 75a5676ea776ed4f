"""Configs: frozen pydantic models read from YAML files, later files over earlier ones."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, TypeGuard, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.yaml_file import read_yaml

ROOT_VARIABLE = "APLANTIDA_ROOT"
NOT_IDENTITY = frozenset({"inputs", "output", "resources", "gates", "reuse"})
SEED = "seed"
OF_THE_RUN = (SEED, "name", "version")  # a run of the graph has one of each; phases without such a key leave it
RELEASE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
CHECKOUT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_RAY_PACKAGE = "runtime_resources"


class Section(BaseModel):
    """A nested part of a config: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Device = Literal["auto", "cpu", "cuda"]


class Threads(Section):
    """How: what a phase that computes on the processor may use of it. Never part of a recipe's identity."""

    num_threads: int | None = Field(default=None, ge=1)


class Resources(Threads):
    """How: what a phase that a GPU can serve may use of the machine."""

    device: Device = "auto"


class PhaseConfig(Section):
    """Fields every phase has.

    ``inputs`` and ``output`` say where, ``resources`` how, ``gates`` how good; all the rest says what.

    ``MOVED`` names the dotted keys that stood elsewhere in earlier versions, with the place they have now (or ``""``
    for those that are gone): what an artifact was made with is read in these terms, and a YAML that still uses an old
    place is told the new one.

    ``SHARED`` names the keys under which a YAML file may stand that several phases read, with the type of such a file.
    What it says goes below what the phase's own files say, at the same keys; keys the phase does not have are left.
    ``SHARED_AS`` says which of its keys have another name in this phase, or none (``""``).
    """

    MOVED: ClassVar[Mapping[str, str]] = {}
    SHARED: ClassVar[Mapping[str, type[Section]]] = {}
    SHARED_AS: ClassVar[Mapping[str, str]] = {}

    inputs: dict[str, str | list[str]] = Field(default_factory=dict)
    output: str = ""


class SeededConfig(PhaseConfig):
    """A phase that draws something at random; the seed says what."""

    seed: int = Field(default=42, ge=0)


class ReusingConfig(PhaseConfig):
    """A phase that may take over units from earlier artifacts of its own kind."""

    reuse: list[str] = Field(default_factory=list)


ConfigT = TypeVar("ConfigT", bound=PhaseConfig)


def root() -> Path:
    """The folder that relative artifact paths start from: ``APLANTIDA_ROOT``, else the checkout.

    Raises:
        BadRequest: when ``APLANTIDA_ROOT`` is relative, or unset while this code runs from a package folder of Ray's
            (whatever is written there disappears with Ray's session).
    """
    text = os.environ.get(ROOT_VARIABLE)
    if text is None:
        if _RAY_PACKAGE in CHECKOUT.parts:
            raise BadRequest(
                f"{ROOT_VARIABLE} is not set and the code runs from Ray's copy of the working directory, which Ray "
                f"deletes: set {ROOT_VARIABLE} to an absolute folder that all nodes share"
            )
        return CHECKOUT
    if not Path(text).is_absolute():
        raise BadRequest(f"{ROOT_VARIABLE}={text!r} is relative: want an absolute folder that all nodes share")
    return Path(text)


def resolve(text: str) -> Path:
    """An artifact's path: absolute as it is, relative against :func:`root`; ``${VARIABLE}`` is expanded."""
    return root() / expand(text)


def find_file(text: str) -> Path:
    """A file that ships with the code or lies under the working folder (a YAML, say).

    Raises:
        BadRequest: when it is in neither place.
    """
    bases = list(dict.fromkeys((Path.cwd(), CHECKOUT)))
    for base in bases:
        if (base / text).is_file():
            return base / text
    raise BadRequest(f"{text}: no such file under {' or '.join(map(str, bases))}")


def expand(text: str) -> str:
    """Replace ``${VARIABLE}`` by the environment's value.

    Raises:
        BadRequest: when the variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise BadRequest(f"{text!r}: the environment variable {name} is not set")
        return os.environ[name]

    return _VARIABLE.sub(value, text)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay ``over`` on ``base``: mappings key by key, anything else replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(cast("Mapping[str, Any]", below), cast("Mapping[str, Any]", value))
        else:
            merged[key] = value
    return merged


def load_config(config_type: type[ConfigT], files: Sequence[str], values: Mapping[str, Any] | None = None) -> ConfigT:
    """Read and validate a config.

    Args:
        config_type: the phase's config type.
        files: YAML files, later over earlier.
        values: values that go over all files (from the command line, or from a test). A run's seed, name and version
            are given to all of its phases; those that have no such key leave them.

    Raises:
        BadRequest: naming the files, the key, the value and what is wrong with it.
    """
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, read_yaml(find_file(file)))
    known = config_type.model_fields
    merged = merge(
        merged, {key: value for key, value in (values or {}).items() if key not in OF_THE_RUN or key in known}
    )
    for key, kind in config_type.SHARED.items():
        merged = _with_shared(merged, key, config_type, kind)
    return validated(config_type, merged, ", ".join(files) or config_type.__name__)


def read_shared(merged: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What the YAML file says that a config names under ``key``; empty where it names none.

    Raises:
        BadRequest: when the file cannot be read.
    """
    name = merged.get(key)
    return read_yaml(find_file(expand(name))) if isinstance(name, str) and name.endswith((".yaml", ".yml")) else {}


def _with_shared(
    merged: dict[str, Any], key: str, config_type: type[PhaseConfig], kind: type[Section]
) -> dict[str, Any]:
    """``merged`` over the file it names under ``key``."""
    said = read_shared(merged, key)
    if not said and not str(merged.get(key, "")).endswith((".yaml", ".yml")):
        return merged
    validated(kind, said, str(merged[key]))
    below = known_values(config_type, said)
    for old, new in config_type.SHARED_AS.items():
        section, _, name = old.partition(".")
        if not new:
            below.pop(old, None)
        elif name in said.get(section, {}):
            below = merge(below, _nested(new, said[section][name]))
    return merge(below, {name: value for name, value in merged.items() if name != key})


def _nested(key: str, value: Any) -> dict[str, Any]:
    """``{"a": {"b": value}}`` for the dotted key ``a.b``."""
    head, _, rest = key.partition(".")
    return {head: _nested(rest, value) if rest else value}


def known_values(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` of the keys that ``model`` has, section by section."""
    known: dict[str, Any] = {}
    for name, value in values.items():
        kind = model.model_fields[name].annotation if name in model.model_fields else None
        if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, Section):
            known[name] = known_values(kind, cast("Mapping[str, Any]", value))
        elif name in model.model_fields:
            known[name] = value
    return known


ModelT = TypeVar("ModelT", bound=Section)


def validated(kind: type[ModelT], values: Mapping[str, Any], where: str) -> ModelT:
    """``values`` as a model.

    Raises:
        BadRequest: a line for each key that is wrong, with ``where``, its value and what is wrong with it.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines: list[str] = []
        meant: set[tuple[int | str, ...]] = set()
        for item in sorted(error.errors(), key=lambda item: item["type"] == "missing"):
            place, said = item["loc"], None
            if item["type"] == "missing" and place in meant:
                continue  # it is there, misspelt, and that is said
            key = ".".join(str(part) for part in place)
            said = _moved(kind, key) if issubclass(kind, PhaseConfig) else None
            if said is None and item["type"] == "extra_forbidden":
                said, likely = _no_such_key(kind, place)
                meant.add((*place[:-1], likely))
            lines.append(f"{where}: {key} = {item['input']!r}: {said or item['msg']}")
        raise BadRequest("\n".join(lines)) from error


def _no_such_key(kind: type[BaseModel], place: Sequence[int | str]) -> tuple[str, str]:
    """What is to be said of a key that nobody knows, and the key it was likely meant for (or ``""``)."""
    inner: Any = kind
    for part in place[:-1]:
        inner = _below(inner, part)
    if not _is_model(inner):
        return "no such key", ""
    likely = difflib.get_close_matches(str(place[-1]), inner.model_fields, n=1)
    if likely:
        return f"no such key; did you mean {likely[0]}?", likely[0]
    return f"no such key; there are {', '.join(inner.model_fields)}", ""


def _below(kind: Any, part: int | str) -> Any:
    """The type of what stands under a key of a model or of a mapping, or at a place of a list; None where unknown."""
    if _is_model(kind):
        inner: Any = kind.model_fields[part].annotation if part in kind.model_fields else None
    else:
        inner = next((inner for inner in reversed(get_args(kind)) if inner is not Ellipsis), None)
    given = [option for option in get_args(inner) if option is not type(None)]
    return given[0] if len(given) == 1 and get_origin(inner) in (UnionType, Union) else inner


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def draws(config_type: type[PhaseConfig]) -> bool:
    """Whether a phase draws anything at random: only then it has a seed."""
    return SEED in config_type.model_fields


def moved_keys(config_type: type[PhaseConfig]) -> dict[str, str]:
    """``MOVED`` of a config, and the seed that earlier versions gave to phases that draw nothing, too."""
    return {**({} if draws(config_type) else {SEED: ""}), **config_type.MOVED}


def _moved(config_type: type[PhaseConfig], key: str) -> str | None:
    """Where a key of earlier versions is now; None for a key that never was one."""
    found = [(old, new) for old, new in moved_keys(config_type).items() if old == key or old.startswith(f"{key}.")]
    moved = [f"{old} is now {new}" for old, new in found if new]
    return "; ".join(moved or [f"{old} is gone: nothing here reads it" for old, _ in found]) or None


def identity(config: PhaseConfig) -> dict[str, Any]:
    """The part of a config that bears on the result."""
    return {key: value for key, value in config.model_dump(mode="json").items() if key not in NOT_IDENTITY}
