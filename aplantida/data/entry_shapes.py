"""Shapes that names and image entries come in, other than a text and a list of mappings: read where it is plain what is
meant, else said in words that name the value and where what was looked for may be.

Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aplantida.data.field_mapping import Path, first_of
from aplantida.data.field_values import cut, text_of
from aplantida.domain.text import valid_text

_DEEPEST = 3  # levels below an entry where an address is looked for
_ADDRESS = re.compile(r"\s*(?:https?:)?//[^\s/]", re.IGNORECASE)
# Between two addresses of one text: white space, or a separator behind what ends like a file. A comma or a semicolon
# elsewhere is part of an address.
_BETWEEN = re.compile(
    r"\s*[,;|]?\s+[,;|]?\s*(?=https?://)|(?<=\.\w{3})[,;|](?=https?://)|(?<=\.\w{4})[,;|](?=https?://)", re.I
)


def name_of(value: Any) -> Any:
    """A name's value: the text in a list that holds one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def name_refusal(value: Any) -> str | None:
    """Why a value is no name at all, with what it is; None for a text and for nothing."""
    if value is None or isinstance(value, str) or text_of(value) is not None:
        return None
    shown = cut(valid_text(str(value)))
    if isinstance(value, Mapping):
        keys = [str(key) for key, inner in value.items() if isinstance(inner, str)]
        place = f", its {valid_text(keys[0])!r} say" if keys else ""
        return f"{shown}: a mapping, want the path of a text in it in mapping.scientific_name{place}"
    return f"{shown}: {_called(value)}, want a text"


def entries_in(images: Any, url_paths: Sequence[Path]) -> Any:
    """The image entries of what a document holds under ``images``; what is neither a list nor entries stays.

    A mapping is an entry where it has an address, else entries by any name (``{"front": {…}, "leaf": {…}}``); lists in
    a list are one list.
    """
    if isinstance(images, str):
        return [images]
    if isinstance(images, Mapping):
        if first_of(images, url_paths) is not None:
            return [images]
        inner = list(images.values())
        are_entries = inner and all(_holds_address(item, url_paths) for item in inner)
        return entries_in(inner, url_paths) if are_entries else [images]
    if isinstance(images, list) and any(isinstance(item, list) for item in images):
        return [entry for item in images for entry in (item if isinstance(item, list) else [item])]
    return images


def addresses_in(value: Any) -> list[Any]:
    """What one entry says where its address is looked for: of a text or a list with several addresses, each."""
    if isinstance(value, list) and value and all(isinstance(item, str) and _ADDRESS.match(item) for item in value):
        return [part for item in value for part in addresses_in(item)]
    if isinstance(value, str) and value.count("://") > 1:
        return _BETWEEN.split(value.strip())
    return [value]


def are_single(values: Sequence[Any]) -> bool:
    """Whether each value is a text with one address at most."""
    return set(map(type, values)) == {str} and not any(value.count("://") > 1 for value in values)


def without_address(image: Any) -> str:
    """What is said of an entry without an address: what it is, and where in it there is one."""
    said = f"an image entry ({'null' if image is None else _called(image)}) without a URL"
    place = next(_places(image, ()), None)
    if place is None:
        return said
    return f"{said}: there is one at {valid_text(place)}, which mapping.image_url may name"


def _holds_address(item: Any, url_paths: Sequence[Path]) -> bool:
    if isinstance(item, str):
        return _ADDRESS.match(item) is not None
    if isinstance(item, list):
        return bool(item) and all(_holds_address(inner, url_paths) for inner in item)
    return isinstance(item, Mapping) and first_of(item, url_paths) is not None


def _places(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, str) and path and _ADDRESS.match(value):
        yield ".".join(path)
    if isinstance(value, Mapping) and len(path) < _DEEPEST:
        for key, inner in value.items():
            yield from _places(inner, (*path, str(key)))


def _called(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return f"a {type(value).__name__}"
