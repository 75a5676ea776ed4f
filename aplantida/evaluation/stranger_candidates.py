"""Scores that could tell strangers apart: each learns from some photos, then scores others; higher is more known.

Beside those that ``decision.json`` can carry (:mod:`~aplantida.evaluation.stranger_scores`): ``nearest_mean``, cosine
to the nearest class mean; ``mahalanobis``, the distance to it under one covariance for all classes (Lee et al. 2018);
``knn``, cosine to the tenth nearest known photo (Sun et al. 2022). They are measured, and too large for a page at 9,000
classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.answers import Answers
from aplantida.evaluation.stranger_scores import PLAIN, StrangerScore, head_inputs, unit

Candidate = Literal["max_softmax", "energy", "entropy", "head", "nearest_center", "nearest_mean", "mahalanobis", "knn"]
CANDIDATES: tuple[Candidate, ...] = get_args(Candidate)
_NEIGHBORS, _SHRINKAGE, _STRENGTH, _SCALES = 10, 0.1, 0.01, 1e-6
_CLASSES_OF_BYTES, _ROWS, _CENTERS = 9_000, 1_024, 64

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Photos with what the model said of them.

    Attributes:
        answers: of N photos.
        features: (N, F) pooled features.
        groups: (N,) photos that learn together or are judged together: of one plant, of one species of strangers, of
            one kind of pictures.
    """

    answers: Answers
    features: npt.NDArray[np.floating]
    groups: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.answers)

    def where(self, mask: npt.NDArray[np.bool_]) -> Sample:
        """Only the photos under ``mask`` (N,)."""
        return Sample(self.answers.where(mask), self.features[mask], self.groups[mask])


def size_in_page(candidate: Candidate, num_features: int, num_known: int) -> int:
    """Bytes that a page would load for it at 9,000 classes, features in float16."""
    if candidate in ("max_softmax", "energy", "entropy"):
        return 0
    centers = -(-_CENTERS * (num_features + 4) * 4 // 3)
    sizes = {"nearest_center": centers, "head": 16 * (num_features + 3) // 3, "knn": 2 * num_known * num_features}
    means = 2 * _CLASSES_OF_BYTES * num_features
    return {**sizes, "nearest_mean": means, "mahalanobis": means + 2 * num_features**2}[candidate]


def fit_head(known: Sample, strangers: Sample) -> StrangerScore:
    """A logistic regression between the two, both of equal weight, its scaling folded into the weights."""
    from sklearn.linear_model import LogisticRegression

    inputs = np.concatenate([head_inputs(part.answers, part.features) for part in (known, strangers)])
    truth = np.repeat([1, 0], [len(known), len(strangers)])
    mean, scale = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), _SCALES)
    model = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=2_000)
    model.fit((inputs - mean) / scale, truth)
    weights = (np.asarray(model.coef_)[0] / scale).astype(np.float32)
    bias = float(np.asarray(model.intercept_)[0] - mean @ weights.astype(np.float64))
    return StrangerScore("head", weights, bias)


def fit_centers(known: Sample) -> StrangerScore:
    """The means of the classes, or where there are more of them than centers, those that k-means finds."""
    features, labels = unit(known.features), known.answers.labels
    if len(np.unique(labels)) > _CENTERS:
        from sklearn.cluster import KMeans

        labels = KMeans(_CENTERS, n_init="auto", random_state=0).fit_predict(features)
    present, of_center = np.unique(labels, return_inverse=True)
    means = np.zeros((len(present), features.shape[1]))
    np.add.at(means, of_center, features)
    means = unit(means)
    scales = np.maximum(np.abs(means).max(axis=1), 1e-12) / 127
    centers = np.rint(means / scales[:, None]).astype(np.int8)
    return StrangerScore("nearest_center", centers=centers, scales=scales.astype(np.float32))


def scores_of(candidate: Candidate, known: Sample, strangers: Sample, asked: Sample) -> FloatArray:
    """(N,) scores of the photos ``asked``, learned from the others."""
    if candidate == "head":
        return fit_head(known, strangers).of(asked.answers, asked.features)
    if candidate == "nearest_center":
        return fit_centers(known).of(asked.answers, asked.features)
    if candidate in PLAIN:
        return StrangerScore(candidate).of(asked.answers, None)
    if candidate == "knn":
        return _nearest(unit(known.features), unit(asked.features), min(_NEIGHBORS, len(known)))
    labels, features = known.answers.labels, unit(known.features)
    present, of_class = np.unique(labels, return_inverse=True)
    means = np.zeros((len(present), features.shape[1]))
    np.add.at(means, of_class, features)
    means /= np.bincount(of_class)[:, None]
    if candidate == "nearest_mean":
        return _nearest(unit(means), unit(asked.features), 1)
    return _mahalanobis(means, features - means[of_class], unit(asked.features))


def _nearest(known: FloatArray, asked: FloatArray, place: int) -> FloatArray:
    """The ``place``-th largest cosine to a known row."""
    found = np.empty(len(asked))
    for start in range(0, len(asked), _ROWS):
        cosines = asked[start : start + _ROWS] @ known.T
        found[start : start + _ROWS] = np.partition(cosines, -place, axis=1)[:, -place]
    return found


def _mahalanobis(means: FloatArray, within: FloatArray, asked: FloatArray) -> FloatArray:
    """Minus the least squared distance to a mean, under the shrunk covariance of ``within`` (n, F)."""
    covariance = within.T @ within / len(within)
    level = np.trace(covariance) / len(covariance)
    covariance = (1 - _SHRINKAGE) * covariance + (_SHRINKAGE * level + 1e-9) * np.eye(len(covariance))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T
    centers, rows = means @ whitening, asked @ whitening
    found = np.empty(len(rows))
    lengths = np.einsum("cf,cf->c", centers, centers)
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        distances = np.einsum("nf,nf->n", part, part)[:, None] + lengths - 2 * part @ centers.T
        found[start : start + _ROWS] = -distances.min(axis=1)
    return found
