"""Stored scores of a few photos, computed once more: do the labels still belong to these photos, views and teacher?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aplantida.data.views import View
from aplantida.domain.scores import ScoreTable
from aplantida.models.inference import Scorer


@dataclass(frozen=True)
class Difference:
    """The stored logit that is farthest from what the teacher says now.

    Attributes:
        amount: of logits, 0 or more.
        image_id: the photo.
        view: its number.
        rows: how many views were compared.
    """

    amount: float
    image_id: str
    view: int
    rows: int


def largest_difference(
    scorer: Scorer, stored: ScoreTable, jpegs: Mapping[str, bytes], views: Mapping[tuple[str, int], View]
) -> Difference:
    """Score the views of ``stored`` again and compare.

    Args:
        scorer: the teacher.
        stored: (N,) rows, N > 0, dense or top-k.
        jpegs: by image id, the stored photos.
        views: by image id and view, the crops as they were stored.
    """
    rows = list(zip(stored.image_ids.tolist(), stored.views.tolist(), strict=True))
    again = scorer.score(
        [image_id for image_id, _ in rows],
        [jpegs[image_id] for image_id, _ in rows],
        boxes=[views[row] for row in rows],
        views=[view for _, view in rows],
    ).logits.astype(np.float32)
    if stored.indices is not None:
        again = np.take_along_axis(again, stored.indices.astype(np.int64), axis=1)
    largest = np.abs(again - stored.logits.astype(np.float32)).max(axis=1)
    worst = int(np.argmax(largest))
    return Difference(float(largest[worst]), *rows[worst], rows=len(rows))
