"""Species that are no classes: those with too few photos, and those held out to see what a model says of strangers."""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from aplantida.data.photo_store import PhotoStore
from aplantida.domain.record import Reason
from aplantida.domain.seeds import derive_seed
from aplantida.domain.split import STRANGER_SCHEMA, STRANGERS_FILE
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

FILE = STRANGERS_FILE


class _Config(Protocol):
    @property
    def seed(self) -> int: ...
    @property
    def min_images_per_species(self) -> int: ...
    @property
    def keep_strangers(self) -> bool: ...
    @property
    def hold_out_species(self) -> int: ...


def set_strangers_aside(ctx: PhaseContext[Any], store: PhotoStore) -> int:
    """Take species with too few photos, and those that are held out, from the store.

    Those held out, and the others where they are kept, are rows of ``strangers.parquet``; without such a file nobody
    asked for one.

    Returns:
        How many rows it has.

    Raises:
        BadRequest: when as many species are to be held out as there are.
    """
    config: _Config = ctx.config
    sizes = store.sizes()
    small = sorted(name for name, size in sizes.items() if size < config.min_images_per_species)
    others = _by_hash(config.seed, [name for name in sizes if sizes[name] >= config.min_images_per_species])
    if config.hold_out_species and config.hold_out_species >= len(others):
        raise BadRequest(
            f"hold_out_species: {config.hold_out_species} of {len(others)} species with "
            f"{config.min_images_per_species} images; at least one must be left to learn"
        )
    held_out = others[: config.hold_out_species]
    parts: list[pa.Table] = []
    for why, names in (("too_few_images", small if config.keep_strangers else []), ("held_out", held_out)):
        if names:
            parts.append(_rows(store.of_species(names), why, config.seed))
    store.leave_out_small_species(config.min_images_per_species)
    if held_out:
        photos = store.of_species(held_out)["image_id"].to_pylist()
        store.leave_out(Reason.HELD_OUT_SPECIES, [(image_id, None) for image_id in photos])
    if config.keep_strangers or held_out:
        table = pa.concat_tables([STRANGER_SCHEMA.empty_table(), *parts]).sort_by("image_id")
        ctx.output.write_table(FILE, table)
        return len(table)
    return 0


def _by_hash(seed: int, names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: (derive_seed(seed, "stranger", name), name))


def _rows(photos: pa.Table, why: str, seed: int) -> pa.Table:
    """As ``STRANGER_SCHEMA``: every second species, in the order of their hashes, is for reporting."""
    names: list[str] = photos["scientific_name"].to_pylist()
    part = {name: ("val", "test")[at % 2] for at, name in enumerate(_by_hash(seed, sorted(set(names))))}
    columns = {
        "image_id": photos["image_id"],
        "shard": photos["shard"],
        "split": ["stranger"] * len(names),
        "scientific_name": names,
        "why": [why] * len(names),
        "part": [part[name] for name in names],
    }
    return pa.table(columns, STRANGER_SCHEMA)
