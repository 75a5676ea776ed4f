"""One YAML file as a mapping: each key once, and what is wrong with it in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from aplantida.pipeline.errors import BadRequest

_OF_YAML = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")  # the keys << and =


class _Loader(yaml.SafeLoader):
    """As yaml's own, which of a key given twice would drop the first; what ``<<`` brings may be said again."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        places: dict[Any, yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag in _OF_YAML:
                continue
            meant: Any = self.construct_object(key)  # pyright: ignore[reportUnknownMemberType]
            first = places.setdefault(meant, key.start_mark)
            if first is not key.start_mark:
                said = f"the key {key.value} was given in line {first.line + 1} already: want it once"
                raise yaml.MarkedYAMLError(problem=said, problem_mark=key.start_mark)
        return node


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML file as a mapping.

    Raises:
        BadRequest: when it cannot be read, parsed, is no mapping, or gives a key twice.
    """
    try:
        value = _loaded(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # no UTF-8, no day of any month, no end
        raise BadRequest(_trouble(path, error)) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{path}: want a mapping of keys to values, found {type(value).__name__}")
    return cast("dict[str, Any]", value)


def _loaded(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _trouble(path: Path, error: Exception) -> str:
    """In one line, with the place and what would be right where that is known."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None or not isinstance(error, yaml.MarkedYAMLError):
        return f"{path}: {' '.join(str(error).split())}"
    said = " ".join(part for part in (error.context, error.problem) if part)
    tab = mark.buffer is not None and "\t" in mark.buffer[max(0, mark.pointer - 1) : mark.pointer + 1]
    cure = "; YAML is indented and spaced with spaces, never with tabs" if tab else ""
    return f"{path}: line {mark.line + 1}, column {mark.column + 1}: {said}{cure}"
