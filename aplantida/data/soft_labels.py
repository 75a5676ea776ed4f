"""Soft labels: what the teachers say of a photo's views, a shard at a time, and of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from aplantida.data.views import CENTRE, View, views_from_arrow
from aplantida.domain.class_index import class_index_digest
from aplantida.domain.scores import ScoreTable, tail_at
from aplantida.domain.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """What the teachers say of N photos: dense logits, or k logits with their classes and the tail's sum.

    Attributes:
        logits: (N, C) or (N, k) float32, raw.
        indices: None when dense, else (N, k) int64.
        tail: None when dense, else (N,) float32, log sum of exp(logit / T) over the other classes at the recipe's T.
    """

    logits: torch.Tensor
    indices: torch.Tensor | None = None
    tail: torch.Tensor | None = None

    def take(self, rows: torch.Tensor | slice) -> SoftTargets:
        """The targets of these rows."""
        return SoftTargets(
            self.logits[rows],
            None if self.indices is None else self.indices[rows],
            None if self.tail is None else self.tail[rows],
        )


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """Where soft labels lie, and of which classes they must speak.

    Attributes:
        folder: with ``scores/`` and ``views/``.
        class_index_digest: of the model's classes: a column of the logits is an output of the model.
    """

    folder: Path
    class_index_digest: str

    def read(self, shard: int) -> SoftShard:
        """One shard's soft labels.

        Raises:
            ValueError: when they speak of other classes than the model's, or of these in another order.
        """
        name = f"shard-{shard:05d}.parquet"
        scores = ScoreTable.from_arrow(pq.read_table(self.folder / "scores" / name))
        found = class_index_digest(scores.class_ids)
        if found != self.class_index_digest:
            raise ValueError(
                f"{self.folder / 'scores' / name}: speaks of {len(scores.class_ids)} classes of digest {found[:12]}, "
                f"the model's classes have digest {self.class_index_digest[:12]}"
            )
        return SoftShard(scores, views_from_arrow(pq.read_table(self.folder / "views" / name)))


class SoftShard:
    """One shard's soft labels and the views they belong to."""

    def __init__(self, scores: ScoreTable, views: dict[tuple[str, int], View]) -> None:
        self.scores = scores
        self._views = views
        self._rows: dict[str, list[tuple[int, int]]] = {}
        for row, (image_id, view) in enumerate(zip(scores.image_ids.tolist(), scores.views.tolist(), strict=True)):
            self._rows.setdefault(image_id, []).append((view, row))

    @cached_property
    def _drawn(self) -> dict[str, list[tuple[int, int]]]:
        return {key: [item for item in sorted(rows) if item[0] != CENTRE] or rows for key, rows in self._rows.items()}

    def choose(self, image_id: str, epoch: int, seed: int) -> tuple[View | None, int]:
        """The view a photo shows in an epoch, None for the centre crop, and the row of its label.

        Epochs go round the drawn views, each photo starting elsewhere; the centre crop only where nothing was drawn.

        Raises:
            ValueError: when the photo has no soft label.
        """
        if image_id not in self._drawn:
            raise ValueError(f"soft labels: no row for photo {image_id}; were they made of the same split?")
        rows = self._drawn[image_id]
        number, row = rows[(derive_seed(seed, "first view", image_id) + epoch) % len(rows)]
        return (None if number == CENTRE else self._views[image_id, number]), row


def soft_targets(rows: Sequence[tuple[SoftShard, int]], temperature: float) -> SoftTargets:
    """Gather the soft labels of a batch: (shard, row) each, in order."""
    logits = np.stack([shard.scores.logits[row] for shard, row in rows]).astype(np.float32)
    first = rows[0][0].scores
    if first.indices is None:
        return SoftTargets(torch.from_numpy(logits))
    indices = np.stack([shard.scores.indices[row] for shard, row in rows if shard.scores.indices is not None])
    tails = np.stack(
        [shard.scores.tail_logsumexp[row] for shard, row in rows if shard.scores.tail_logsumexp is not None]
    )
    tail = tail_at(tails, temperature).astype(np.float32)
    return SoftTargets(torch.from_numpy(logits), torch.from_numpy(indices.astype(np.int64)), torch.from_numpy(tail))
