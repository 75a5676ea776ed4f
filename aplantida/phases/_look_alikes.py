"""Near duplicates among the stored photos: looked for by hash, confirmed by their pixels, counted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aplantida.data.duplicates import SmallPictures, candidate_pairs, expected_pairs, hashes_of
from aplantida.data.photo_store import PhotoStore
from aplantida.data.shards import shard_name, stored_images
from aplantida.domain.cores import usable_cores
from aplantida.pipeline.phase import PhaseContext

Pairs = list[tuple[str, str]]
PLANNED_PHOTOS = 900_000  # of the collection this is made for


@dataclass(frozen=True)
class LookAlikes:
    """Pairs of photos (``image_id``) that are one picture.

    Attributes:
        within: by species.
        across: of two species.
        counts: for ``summary.json``.
    """

    within: dict[str, Pairs] = field(default_factory=dict[str, Pairs])
    across: Pairs = field(default_factory=Pairs)
    counts: dict[str, Any] = field(default_factory=dict[str, Any])


def find_look_alikes(
    ctx: PhaseContext[Any], store: PhotoStore, within: int, across: int | None, num_threads: int | None
) -> LookAlikes:
    """Near duplicates among the photos of the store.

    Args:
        ctx: of the phase; its input ``images`` has the pixels.
        store: of the photos.
        within: bits in which hashes of one species differ at most, to be looked at.
        across: the same of two species; None = those are not looked for.
        num_threads: that decode and compare; None = one per CPU.
    """
    looks = store.looks()
    names = looks["scientific_name"].combine_chunks().dictionary_encode()
    species = names.indices.to_numpy()
    ctx.log.info("looking for near duplicates among %d photos", len(looks))
    pairs = candidate_pairs(hashes_of(looks["perceptual_hash"].to_pylist()), species, within, across)
    same = _confirm(ctx, looks, pairs, num_threads or usable_cores())
    apart = species[pairs[:, 0]] != species[pairs[:, 1]]
    found, of_two = _ids(looks, pairs[same]), apart[same].tolist()
    by_species = defaultdict[str, Pairs](list)
    for pair, label, is_apart in zip(found, species[pairs[same][:, 0]].tolist(), of_two, strict=True):
        if not is_apart:
            by_species[names.dictionary[label].as_py()].append(pair)
    counts = _count(ctx, len(looks), apart, same)
    return LookAlikes(by_species, [pair for pair, is_apart in zip(found, of_two, strict=True) if is_apart], counts)


def _confirm(
    ctx: PhaseContext[Any], looks: pa.Table, pairs: npt.NDArray[np.int64], num_threads: int
) -> npt.NDArray[np.bool_]:
    """Which of the pairs are one picture. Only their photos are read, a part of a shard at a time."""
    rows, numbers = np.unique(pairs, return_inverse=True)
    shards = looks["shard"].to_numpy()[rows]
    same = [np.empty(0, np.bool_)]
    with SmallPictures.open(ctx.output.scratch / "small_pictures", num_threads) as pictures:
        with ctx.progress(len(rows), "photos", "reading photos that may be copies") as progress:
            for shard in np.unique(shards).tolist():
                at = np.flatnonzero(shards == shard)
                ids: list[str] = looks["image_id"].take(pa.array(rows[at])).to_pylist()
                number = dict(zip(ids, at.tolist(), strict=True))
                for photos in stored_images(ctx.input("images").file(shard_name(shard)), set(ids)):
                    pictures.put([(number[image_id], image) for image_id, image in photos])
                    progress.update(len(photos))
        with ctx.progress(len(pairs), "pairs", "comparing their pixels") as progress:
            for some in pictures.same(numbers.reshape(pairs.shape)):
                same.append(some)
                progress.update(len(some))
    return np.concatenate(same)


def _ids(looks: pa.Table, pairs: npt.NDArray[np.int64]) -> Pairs:
    one, other = (looks["image_id"].take(pa.array(pairs[:, column])).to_pylist() for column in (0, 1))
    return list(zip(one, other, strict=True))


def _count(
    ctx: PhaseContext[Any], num_photos: int, apart: npt.NDArray[np.bool_], same: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """How many pairs there are, and what that would be at the planned size."""
    counts = {
        name: {"by_hash": int(which.sum()), "confirmed": int((which & same).sum())}
        for name, which in (("within_species", ~apart), ("across_species", apart))
    }
    expected = {
        how: expected_pairs(found, num_photos, PLANNED_PHOTOS) for how, found in counts["across_species"].items()
    }
    ctx.log.info(
        "near duplicates of one species: %(by_hash)d pairs by hash, %(confirmed)d by their pixels",
        counts["within_species"],
    )
    ctx.log.info(
        "near duplicates of two species: %d pairs by hash, %d by their pixels among %d photos; extrapolated with the "
        "square of the number, that is %d and %d among %d",
        *counts["across_species"].values(),
        num_photos,
        *expected.values(),
        PLANNED_PHOTOS,
    )
    return {**counts, f"across_species_expected_among_{PLANNED_PHOTOS}": expected}
