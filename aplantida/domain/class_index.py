"""The classes a model knows, in the order of its outputs. Born in split_dataset; every later artifact carries it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

FORMAT = "aplantida.class_index/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantClass:
    """One species. ``class_id`` is its normalized scientific name; ``regions`` names the regions it lives in."""

    class_id: str
    family: str | None = None
    genus: str | None = None
    common_names: tuple[str, ...] = ()
    distribution: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassIndex:
    """An ordered set of classes, sorted by ``class_id``; position = ``class_index`` = the model's output."""

    classes: tuple[PlantClass, ...]

    def __post_init__(self) -> None:
        """Refuse an empty, unsorted or repeating index."""
        ids = [item.class_id for item in self.classes]
        if not ids:
            raise ValueError("a class index needs at least one class")
        if ids != sorted(set(ids)):
            raise ValueError("class ids must be unique and sorted")

    @classmethod
    def of(cls, classes: Iterable[PlantClass]) -> ClassIndex:
        """Sort ``classes`` by id."""
        return cls(tuple(sorted(classes, key=lambda item: item.class_id)))

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def class_ids(self) -> tuple[str, ...]:
        """Ids in output order."""
        return tuple(item.class_id for item in self.classes)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {class_id: position for position, class_id in enumerate(self.class_ids)}

    def index_of(self, class_id: str) -> int:
        """Position of a class.

        Raises:
            KeyError: naming the class when it is not in the index.
        """
        return self._positions[class_id]

    def __contains__(self, class_id: object) -> bool:
        return class_id in self._positions

    def indices_of(self, class_ids: Sequence[str]) -> list[int]:
        """Positions of several classes (a regional teacher's, say)."""
        return [self.index_of(class_id) for class_id in class_ids]

    def subset(self, class_ids: Iterable[str]) -> ClassIndex:
        """A new index of only these classes."""
        return ClassIndex.of(self.classes[self.index_of(class_id)] for class_id in class_ids)

    def in_region(self, region: str) -> tuple[int, ...]:
        """Positions of the classes that live in ``region``."""
        return tuple(position for position, item in enumerate(self.classes) if region in item.regions)

    def of_region(self, region: str) -> ClassIndex:
        """A new index of only the classes that are known to live in ``region``; what nothing is known of is left out.

        Raises:
            ValueError: when fewer than two do, naming the regions that more classes live in.
        """
        living = self.in_region(region)
        if len(living) > 1:
            return ClassIndex(tuple(self.classes[place] for place in living))
        names = sorted({name for item in self.classes for name in item.regions})
        regions = [name for name in names if len(self.in_region(name)) > 1]
        found = "no class is" if not living else f"only {self.class_ids[living[0]]} is"
        raise ValueError(f"{found} known to live in {region!r}; want one of {regions}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"format": FORMAT, "classes": [asdict(item) for item in self.classes]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ClassIndex:
        """Inverse of :meth:`to_json`.

        Raises:
            ValueError: when the format is not this one.
        """
        if value.get("format") != FORMAT:
            raise ValueError(f"class index: format {value.get('format')!r}, want {FORMAT!r}")
        return cls(tuple(_class_from_json(item) for item in value["classes"]))

    @cached_property
    def digest(self) -> str:
        """sha256 of the ordered class ids; see :func:`class_index_digest`."""
        return class_index_digest(self.class_ids)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ClassIndex:
        """Read what :meth:`save` wrote."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))


def positions_of(class_ids: Sequence[str], among: Sequence[str]) -> list[int]:
    """Where some classes stand in the order of ``among``, a model's outputs say.

    Raises:
        KeyError: naming the class that is not there.
    """
    places = {class_id: place for place, class_id in enumerate(among)}
    return [places[class_id] for class_id in class_ids]


def class_index_digest(class_ids: Sequence[str]) -> str:
    """sha256 (hex) of the class ids in output order: equal digests speak of the same outputs."""
    return hashlib.sha256("\n".join(class_ids).encode()).hexdigest()


def _class_from_json(item: dict[str, Any]) -> PlantClass:
    lists: dict[str, Any] = {key: tuple(item[key]) for key in ("common_names", "distribution", "regions")}
    return PlantClass(**{**item, **lists})
