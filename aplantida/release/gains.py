"""What one model gains over another on the same test photos, with an interval: what teachers give, say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aplantida.domain.stored_scores import StoredScores
from aplantida.evaluation.bootstrap import Groups, bootstrap_intervals
from aplantida.evaluation.metrics import Outcomes, outcomes_of
from aplantida.pipeline.artifact import Artifact

_LABELS = ("image_id", "split", "class_index", "group")
_RANKS = {"top1": 1, "top5": 5}


@dataclass(frozen=True, slots=True)
class Gain:
    """Of one accuracy: the difference and its 95 % interval, shares of photos."""

    difference: float
    interval: tuple[float, float]


def paired_gains(better: Artifact, worse: Artifact) -> dict[str, Gain] | None:
    """The gains of ``better`` over ``worse``: top1, top5, macro_top1, macro_top5; None where they cannot be paired.

    Both must have scored the same test photos, of two groups at least, of the same species. Each resampling draws whole
    groups of photos, the same ones for both models: what is hard for both does not widen the interval.
    """
    if better.file("class_index.json").read_bytes() != worse.file("class_index.json").read_bytes():
        return None
    columns = [*_LABELS]
    first, second = (pq.read_table(artifact.file("labels.parquet"), columns=columns) for artifact in (better, worse))
    if not first.equals(second):
        return None
    test = first.filter(pc.field("split") == "test")
    if test.num_rows == 0:
        return None
    labels = test["class_index"].to_numpy().astype(np.int64)
    ours, theirs = (_outcomes(artifact, labels) for artifact in (better, worse))
    values = {name: (ours.ranks < most).astype(float) - (theirs.ranks < most) for name, most in _RANKS.items()}
    groups = Groups(np.asarray(test["group"].to_pylist(), dtype=str))
    intervals = bootstrap_intervals(values, list(_RANKS), labels, groups)
    if intervals is None:
        return None
    differences = {name: float(value.mean()) for name, value in values.items()}
    differences |= {f"macro_{name}": _macro(value, labels) for name, value in values.items()}
    return {name: Gain(differences[name], (low, high)) for name, (low, high) in intervals.items()}


def _outcomes(evaluation: Artifact, labels: np.ndarray) -> Outcomes:
    return outcomes_of(StoredScores(evaluation.file("scores_test.parquet")), labels)


def _macro(values: np.ndarray, labels: np.ndarray) -> float:
    """The mean over the species that have photos."""
    photos = np.bincount(labels)
    sums = np.bincount(labels, values)
    return float((sums[photos > 0] / photos[photos > 0]).mean())
