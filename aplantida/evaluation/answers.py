"""What a calibrated model says of each photo, in a few numbers: all that sets, roll-up and rules are decided on."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from aplantida.domain.scores import DenseScores, largest_positions
from aplantida.evaluation.metrics import check_labels
from aplantida.evaluation.scanning import scan_with
from aplantida.evaluation.taxa import Taxonomy

TOP = 10  # classes kept of each photo; sets are shown up to this size

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Answers:
    """Of N photos at temperature T; K = min(TOP, C).

    Attributes:
        labels: (N,) true class positions; -1 for what is of no class.
        top: (N, K) the likeliest classes, best first, ties by position.
        probabilities: (N, K) theirs.
        ranks: (N,) how many classes go before the true one; -1 where there is none.
        true_probabilities: (N,) of the true class; 0 where there is none.
        mass_before: (N,) what the classes before the true one have together.
        genera: (N,) the genus of the largest sum, a position in the taxonomy.
        genus_probabilities: (N,) that sum.
        families: (N,) likewise; -1 where no family is known.
        family_probabilities: (N,) likewise.
        energies: (N,) T times the log of the sum over classes of exp(logit / T) (Liu et al. 2020).
        entropies: (N,) of the probabilities, nats.
    """

    labels: IntArray
    top: IntArray
    probabilities: FloatArray
    ranks: IntArray
    true_probabilities: FloatArray
    mass_before: FloatArray
    genera: IntArray
    genus_probabilities: FloatArray
    families: IntArray
    family_probabilities: FloatArray
    energies: FloatArray
    entropies: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: npt.NDArray[np.bool_] | slice) -> Answers:
        """Only the photos under ``mask`` (N,)."""
        return Answers(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    @property
    def confidences(self) -> FloatArray:
        """(N,) highest probability."""
        return self.probabilities[:, 0]

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the likeliest class is the true one."""
        return self.ranks == 0


def answers_of(
    table: DenseScores, labels: npt.NDArray[np.integer] | None, temperature: float, taxonomy: Taxonomy
) -> Answers:
    """In one look over the scores.

    Args:
        table: dense, N rows, C classes.
        labels: (N,) true class positions; None where no photo is of a class.
        temperature: T.
        taxonomy: of the C classes.

    Raises:
        ValueError: when the table is not dense or the labels do not fit it.
    """
    known = check_labels(table, np.zeros(len(table), np.int64) if labels is None else labels)
    found = list(scan_with(lambda at, logits: answer(logits, known[at], temperature, taxonomy), table))
    if not found:
        found = [answer(np.zeros((0, len(table.class_ids))), known, temperature, taxonomy)]
    whole = Answers(**{name: np.concatenate([getattr(part, name) for part in found]) for name in _NAMES})
    return whole if labels is not None else _of_no_class(whole)


def answer(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], temperature: float, taxonomy: Taxonomy
) -> Answers:
    """The same of (n, C) logits in memory, computed in their own precision; ``logits`` may be overwritten.

    They are added up in float64; no sum of them is above 1.
    """
    dtype, highest = logits.dtype.type, logits.max(axis=1, keepdims=True)
    top = largest_positions(logits, min(TOP, logits.shape[1]))
    label = np.asarray(labels, np.int64)[:, None]
    true = np.take_along_axis(logits, label, axis=1)
    before = (logits > true) | ((logits == true) & (np.arange(logits.shape[1])[None, :] < label))
    below = np.multiply(np.subtract(logits, highest, out=logits), dtype(1.0 / temperature), out=logits)
    weights = np.exp(below)
    total = weights.sum(axis=1, dtype=np.float64)
    genera, genus_sums = taxonomy.genus.best(weights)
    families, family_sums = taxonomy.family.best(weights)
    shares = np.take_along_axis(weights, top, axis=1) / total[:, None]
    likely = np.take_along_axis(weights, label, axis=1)[:, 0] / total
    mean = np.einsum("nc,nc->n", weights, below) / total
    return Answers(
        labels=label[:, 0],
        top=top,
        probabilities=shares,
        ranks=before.sum(axis=1),
        true_probabilities=likely,
        mass_before=np.minimum(np.einsum("nc,nc->n", weights, before) / total, 1.0),
        genera=genera,
        genus_probabilities=np.minimum(genus_sums / total, 1.0),
        families=families,
        family_probabilities=np.minimum(family_sums / total, 1.0),
        energies=highest[:, 0].astype(np.float64) + temperature * np.log(total),
        entropies=np.log(total) - mean,
    )


def highest_probability(logits: npt.NDArray[np.floating], temperature: float) -> FloatArray:
    """(n,) what :func:`answer` gives the likeliest class of (n, C) logits, without the rest."""
    below = (logits - logits.max(axis=1, keepdims=True)) * logits.dtype.type(1.0 / temperature)
    return 1.0 / np.exp(below, out=below).sum(axis=1, dtype=np.float64)


def _of_no_class(answers: Answers) -> Answers:
    nothing = np.zeros(len(answers))
    values = {"labels": -1, "ranks": -1, "true_probabilities": 0.0, "mass_before": 0.0}
    changed = {name: nothing.astype(getattr(answers, name).dtype) + value for name, value in values.items()}
    return Answers(**{name: changed.get(name, getattr(answers, name)) for name in _NAMES})


_NAMES = tuple(field.name for field in fields(Answers))
