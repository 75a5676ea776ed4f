"""Shapes that names and image entries come in, other than a text and a list of mappings: read where it is plain what is
meant, else said in words that name the value and where what was looked for may be.

Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aplantida.data.field_mapping import Path, first_of
from aplantida.data.field_values import cut, text_of
from aplantida.domain.address_secrets import AddressSecrets
from aplantida.domain.text import valid_text

_DEEPEST = 3  # levels below an entry where an address is looked for
_ADDRESS = re.compile(r"\s*(?:https?:)?//[^\s/]", re.IGNORECASE)
_FILES = (r"\.(?:jpg|jpe|png|gif|bmp|tif)", r"\.(?:jpeg|jfif|webp|tiff|heic|heif|avif)")  # of 4 and of 5 characters
# Addresses side by side: a separator behind what ends like an image. A comma elsewhere is part of an address.
_CLOSE = re.compile(rf"(?:(?<={_FILES[0]})|(?<={_FILES[1]}))[,;|]+(?=https?://)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>:]*>")  # a line break, say
_BEGINS = re.compile(r"[\W_]*https?://", re.IGNORECASE)
_WHOLE = re.compile(r"""https?://[^<>"`]*[\w/=~)-]""", re.IGNORECASE)
_LEFT_OVER = re.compile(rf"(?:{'|'.join(_FILES)})[\W_]+", re.IGNORECASE)
_SEPARATORS = ",;|"
_AND = frozenset(("y", "e", "i", "and", "et", "und", "o", "or", "&amp"))


@dataclass(frozen=True, slots=True)
class Unread:
    """A text with several addresses of which it is not plain where each ends."""

    text: str


def name_of(value: Any) -> Any:
    """A name's value: the text in a list that holds one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def name_refusal(value: Any, secrets: AddressSecrets) -> str | None:
    """Why a value is no name at all, with what it is; None for a text and for nothing."""
    if value is None or isinstance(value, str) or text_of(value) is not None:
        return None
    shown = _shown(value, secrets)
    if isinstance(value, Mapping):
        keys = [str(key) for key, inner in value.items() if isinstance(inner, str)]
        place = f", its {valid_text(keys[0])!r} say" if keys else ""
        return f"{shown}: a mapping, want the path of a text in it in mapping.scientific_name{place}"
    return f"{shown}: {_called(value)}, want a text"


def entries_in(images: Any, image_paths: Sequence[Sequence[Path]]) -> Any:
    """The image entries of what a document holds under ``images``; what is neither a list nor entries stays.

    A mapping is an entry where it has an address, else entries by any name (``{"front": {…}, "leaf": {…}}``) where one
    of them has one, unless what lies beside them may be their licence; lists in a list are one list.

    Args:
        images: what is there.
        image_paths: where an entry has its fields, the address first, then the licence.
    """
    if isinstance(images, str):
        return [images]
    if isinstance(images, Mapping):
        return _named_entries(images, image_paths)
    if isinstance(images, list) and any(isinstance(item, list) for item in images):
        return list(_flat(images))
    return images


def _named_entries(images: Mapping[str, Any], image_paths: Sequence[Sequence[Path]]) -> list[Any]:
    """The entries of a mapping; what lies beside them and could be one is an entry too, so that it is named."""
    url_paths, license_paths, *_ = image_paths
    if first_of(images, url_paths) is not None:
        return [images]
    named = {name: value for name, value in images.items() if isinstance(value, str | list | Mapping) and value}
    entries = {name: value for name, value in named.items() if _holds_address(value, url_paths)}
    notes = any(isinstance(value, str) and value.strip() for name, value in named.items() if name not in entries)
    found = list(_flat(entries.values()))
    is_entry = any(text_of(first_of(images, paths)) for paths in image_paths)
    if is_entry and any(first_of(item, license_paths) is None for item in found):
        return [images]
    if not found or (notes and any(isinstance(item, str) for item in found)):  # their licence, perhaps
        return [images]
    taken = [
        value if name in entries or isinstance(value, Mapping) else {name: value}
        for name, value in named.items()
        if not isinstance(value, str) or value.strip()
    ]
    return list(_flat(taken))


def addresses_in(value: Any) -> list[Any]:
    """What one entry says where its address is looked for: of a text or a list with several addresses, each.

    A text of several stays whole, as :class:`Unread`, where a part of it would be no address, or more than one.
    """
    if isinstance(value, list):
        items = [item for item in _flat(value) if item is not None and item != ""]
        if any(isinstance(item, str) and _ADDRESS.match(item) for item in items):
            return [part for item in items for part in addresses_in(item)]
    if isinstance(value, str) and value.count("://") > 1:
        return _parted(value)
    return [value]


def _parted(text: str) -> list[str] | list[Unread]:
    words = _CLOSE.sub(" ", _TAG.sub(" ", text)).split()
    if sum(_BEGINS.match(word) is not None for word in words) < 2:
        return [text]  # an address that holds another
    parts = [word.strip(_SEPARATORS) for word in words]
    addresses = [part for part in parts if _is_whole(part)]
    others = [part for part in parts if not _is_whole(part) and any(map(str.isalnum, part))]
    return addresses if addresses and _AND.issuperset(map(str.casefold, others)) else [Unread(text)]


def _is_whole(part: str) -> bool:
    """Whether a part without white space is an address and nothing more: a separator may stick to its end."""
    if _WHOLE.fullmatch(part) is None or part.count(")") > part.count("("):
        return False
    left_over = list(_LEFT_OVER.finditer(part))
    return not left_over or left_over[-1].end() < len(part)


def are_single(values: Sequence[Any]) -> bool:
    """Whether each value is a text with one address at most."""
    return set(map(type, values)) == {str} and not any(value.count("://") > 1 for value in values)


def without_address(image: Any, address: Any, secrets: AddressSecrets) -> str:
    """What is said of an entry without an address: what it is, and where in it there is one.

    Args:
        image: the entry.
        address: what of it was no address.
        secrets: which are not told.
    """
    if isinstance(address, Unread):
        return (
            f"{_shown(address.text, secrets)}: several addresses, and it is not plain where each ends: want a list, or "
            "a comma, a semicolon or white space between them"
        )
    said = f"an image entry ({'null' if image is None else _called(image)}) without a URL"
    place = next(_places(image, "", 0), None)
    if place is None:
        return said
    shown = f"{said}: there is one at {secrets.public_text(valid_text(place))}"
    return f"{shown}, in a list, where no path leads" if "[" in place else f"{shown}, which mapping.image_url may name"


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """What lists hold, those in lists too."""
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _holds_address(value: Any, url_paths: Sequence[Path]) -> bool:
    return any(
        _ADDRESS.match(item) is not None
        if isinstance(item, str)
        else isinstance(item, Mapping) and first_of(item, url_paths) is not None
        for item in _flat([value])
    )


def _places(value: Any, place: str, depth: int) -> Iterator[str]:
    if isinstance(value, str) and place and _ADDRESS.match(value):
        yield place
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _places(inner, f"{place}.{key}" if place else str(key), depth + 1)
    if isinstance(value, list) and depth < _DEEPEST:
        for number, inner in enumerate(value):
            yield from _places(inner, f"{place}[{number}]", depth + 1)


def _shown(value: Any, secrets: AddressSecrets) -> str:
    return cut(secrets.public_text(valid_text(str(value)))) or ""


def _called(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return f"a {type(value).__name__}"
