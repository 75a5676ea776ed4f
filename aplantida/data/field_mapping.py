"""Where a collection keeps things: paths into its documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from aplantida.data.field_values import text_of

DOCUMENT = "$document"  # the document itself, as the beginning of a path or a whole one
Path = str | tuple[str, ...]  # a dotted path; several are joined
_PLACES = f"want a field name, names joined by dots, or {DOCUMENT}.NAME"


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Where a collection keeps things: dotted paths, tried in order; the first that leads to something wins.

    A tuple in place of a path joins the texts its paths lead to with a space: genus and epithet, say. An empty tuple
    says that the collection has no such field. ``images`` is a list of image entries; the ``image_`` paths start
    inside one of them, and at the document where they begin with ``$document``. Where ``images`` is ``$document``, or
    empty, each document is itself the one entry it has.
    """

    scientific_name: tuple[Path, ...]
    family: tuple[Path, ...]
    genus: tuple[Path, ...]
    common_names: tuple[Path, ...]
    distribution: tuple[Path, ...]
    images: tuple[Path, ...]
    image_url: tuple[Path, ...]
    image_license: tuple[Path, ...]
    image_author: tuple[Path, ...]
    image_source: tuple[Path, ...]
    image_observation_id: tuple[Path, ...]
    image_observed_on: tuple[Path, ...]
    image_country: tuple[Path, ...]

    def __post_init__(self) -> None:
        """Refuse what is no path, naming the field.

        Raises:
            ValueError: for a path without a name, or ``$document`` where no entry can be.
        """
        for name in FIELDS:
            for path in getattr(self, name):
                for part in _parts([path]):
                    _check(name, part)
                if not isinstance(path, str) and (len(path) < 2 or name == "images"):
                    raise ValueError(f"{name}: {list(path)}: want two paths or more, whose texts are joined")

    def roots(self) -> frozenset[str]:
        """The fields of a document that something is read from."""
        is_entry = set(self.images) <= {DOCUMENT}
        parts = [
            part
            for name in FIELDS
            for part in _parts(getattr(self, name))
            if is_entry or name not in IMAGE_FIELDS or part.startswith(DOCUMENT)
        ]
        return frozenset(_steps(part)[0] for part in parts if part != DOCUMENT)


FIELDS = tuple(field.name for field in fields(FieldMapping))
IMAGE_FIELDS = tuple(name for name in FIELDS if name.startswith("image_"))  # the URL first


def first_of(value: Any, paths: Sequence[Path], document: Any = None) -> Any:
    """What the first path leads to that leads to something.

    Args:
        value: where paths start.
        paths: tried in order.
        document: where those start that begin with ``$document``; None = at ``value`` too.
    """
    top = value if document is None else document
    for path in paths:
        if isinstance(path, str):
            found = _at(top if path.startswith(DOCUMENT) else value, path)
        else:
            texts = [text_of(_at(top if part.startswith(DOCUMENT) else value, part)) for part in path]
            found = " ".join(filter(None, texts)) or None
        if found is not None:
            return found
    return None


def is_of_document(paths: Sequence[Path]) -> bool:
    """Whether all of these paths start at the document, so that its entries have one value."""
    parts = _parts(paths)
    return bool(parts) and all(part.startswith(DOCUMENT) for part in parts)


def starts_at_document(paths: Sequence[Path]) -> bool:
    """Whether any of these paths starts at the document."""
    return any(part.startswith(DOCUMENT) for part in _parts(paths))


def _parts(paths: Sequence[Path]) -> list[str]:
    """The dotted paths, those that are joined among them."""
    return [part for path in paths for part in ((path,) if isinstance(path, str) else path)]


def _at(value: Any, path: str) -> Any:
    for step in _steps(path):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, ...]:
    return () if path == DOCUMENT else tuple(path.removeprefix(f"{DOCUMENT}.").split("."))


def _check(name: str, path: str) -> None:
    if not all(step.strip() for step in _steps(path)):
        raise ValueError(f"{name}: {path!r}: {_PLACES}")
    if path == DOCUMENT and name != "images":
        raise ValueError(f"{name}: {path!r} is the whole document: {_PLACES}")
    if path.startswith("$") and path.partition(".")[0] != DOCUMENT:
        raise ValueError(f"{name}: {path!r}: {_PLACES}")
