"""What one teacher says of the photos of one shard: every view of a training photo, the centre crop of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aplantida.data.views import CENTRE, View, centre_view, random_views, views_to_arrow
from aplantida.domain.scores import ScoreTable
from aplantida.models.inference import Scorer

_COLUMNS = ["image_id", "image", "width", "height"]


@dataclass(frozen=True)
class ViewSettings:
    """How the views of a training photo are drawn, see :func:`aplantida.data.views.random_view`.

    Attributes:
        num_views: K drawn views beside the centre crop, 0 or more.
        scale: smallest and largest part of the photo's area.
        ratio: smallest and largest width / height.
        flip_probability: 0 to 1.
        seed: the run's seed.
    """

    num_views: int
    scale: tuple[float, float]
    ratio: tuple[float, float]
    flip_probability: float
    seed: int

    def draw(self, image_id: str, width: int, height: int) -> list[View]:
        """Views 1…K of a photo."""
        return random_views(
            width,
            height,
            seed=self.seed,
            image_id=image_id,
            num_views=self.num_views,
            scale=self.scale,
            ratio=self.ratio,
            flip_probability=self.flip_probability,
        )


@dataclass(frozen=True)
class ShardLabels:
    """One teacher's scores of one shard.

    Attributes:
        train: training photos x views 0…K, dense or top-k.
        heldout: val and test photos, view 0, dense.
        views: the crops of all rows, ``VIEW_SCHEMA``.
    """

    train: ScoreTable
    heldout: ScoreTable
    views: pa.Table


@dataclass(frozen=True)
class _Photo:
    image_id: str
    jpeg: bytes
    views: Sequence[View]  # view 0 first


def label_shard(
    scorer: Scorer, shard: Path, split_of: Mapping[str, str], settings: ViewSettings, top_k: int | None
) -> ShardLabels:
    """Score the photos of a shard file.

    Args:
        scorer: the teacher.
        shard: a Parquet file of ``IMAGE_SCHEMA``; its order is the order of the rows.
        split_of: image id → ``train``, ``val`` or ``test``; photos it does not name are left out.
        settings: how views are drawn.
        top_k: how many logits of a training row are kept; None, or at least as many as the teacher has classes: all.

    Raises:
        ValueError: when the shard lacks a photo of ``split_of``.
    """
    train, heldout = _read(shard, split_of, settings, scorer)
    num_classes = len(scorer.card.class_ids)
    depth = top_k if top_k is not None and top_k < num_classes else None
    rows = [
        (photo.image_id, number, view)
        for photo in sorted([*train, *heldout], key=lambda photo: photo.image_id)
        for number, view in enumerate(photo.views, CENTRE)
    ]
    return ShardLabels(_score(scorer, train, depth), _score(scorer, heldout, None), views_to_arrow(rows))


def _read(
    shard: Path, split_of: Mapping[str, str], settings: ViewSettings, scorer: Scorer
) -> tuple[list[_Photo], list[_Photo]]:
    parts: dict[bool, list[_Photo]] = {True: [], False: []}
    for row in pq.read_table(shard, columns=_COLUMNS).to_pylist():
        image_id, width, height = row["image_id"], row["width"], row["height"]
        if image_id not in split_of:
            continue
        is_train = split_of[image_id] == "train"
        drawn = settings.draw(image_id, width, height) if is_train else []
        centre = centre_view(width, height, scorer.card.preprocessing)
        parts[is_train].append(_Photo(image_id, row["image"], [centre, *drawn]))
    missing = sorted(set(split_of) - {photo.image_id for part in parts.values() for photo in part})
    if missing:
        raise ValueError(f"{shard}: lacks {len(missing)} photos of the split, {missing[0]} for one")
    return parts[True], parts[False]


def _score(scorer: Scorer, photos: Sequence[_Photo], top_k: int | None) -> ScoreTable:
    rows = [
        (photo.image_id, photo.jpeg, number, view)
        for photo in photos
        for number, view in enumerate(photo.views, start=CENTRE)
    ]
    return scorer.score(
        [image_id for image_id, _, _, _ in rows],
        [jpeg for _, jpeg, _, _ in rows],
        boxes=[view for _, _, _, view in rows],
        views=[number for _, _, number, _ in rows],
        top_k=top_k,
    )
