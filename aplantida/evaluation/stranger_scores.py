"""Scores that say how much a photo looks like one of the known species, as ``decision.json`` carries them.

All are higher for what is known. ``max_softmax`` (Hendrycks & Gimpel 2017) is the highest probability, ``energy``
(Liu et al. 2020) T log sum exp(logit / T), ``entropy`` minus the entropy of the probabilities; ``head`` is a linear
function of the pooled features and of these three; ``nearest_center`` the cosine of the features to the nearest of a
few centers of known photos.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.answers import Answers

Kind = Literal["max_softmax", "energy", "entropy", "head", "nearest_center"]
KINDS: tuple[Kind, ...] = ("max_softmax", "energy", "entropy", "head", "nearest_center")
PLAIN: tuple[Kind, ...] = ("max_softmax", "energy", "entropy")
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StrangerScore:
    """One score.

    Attributes:
        kind: which.
        weights: (F + 3,) float32 of a head: features divided by their length, then max_softmax, energy, entropy.
        bias: of a head.
        centers: (M, F) int8 of ``nearest_center``.
        scales: (M,) float32: center = centers x scale, of length 1.
    """

    kind: Kind
    weights: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    bias: float = 0.0
    centers: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, 0), np.int8))
    scales: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def needs_features(self) -> bool:
        """Whether pooled features are asked for."""
        return self.kind not in PLAIN

    @property
    def num_features(self) -> int:
        """F; 0 where features are not looked at."""
        return {"head": max(len(self.weights) - len(PLAIN), 0), "nearest_center": self.centers.shape[1]}.get(
            self.kind, 0
        )

    def of(self, answers: Answers, features: npt.NDArray[np.floating] | None) -> FloatArray:
        """(N,) scores of photos with (N, F) pooled features.

        Raises:
            ValueError: when features are looked at and there are none, or of another width.
        """
        if not self.needs_features:
            return plain_score(self.kind, answers)
        if features is None or features.shape[1] != self.num_features:
            found = "none" if features is None else str(features.shape[1])
            raise ValueError(f"stranger score: {self.kind} of {self.num_features} features got {found}")
        if self.kind == "nearest_center":
            return (unit(features) @ self.centers.T.astype(np.float64) * self.scales.astype(np.float64)).max(axis=1)
        return head_inputs(answers, features) @ self.weights.astype(np.float64) + self.bias

    def to_json(self) -> dict[str, Any]:
        """``score``; of a head ``weights`` and ``bias``, of centers ``centers`` and ``scales``; arrays in base64."""
        if self.kind == "head":
            return {"score": self.kind, "weights": _packed(self.weights.astype("<f4")), "bias": self.bias}
        if self.kind == "nearest_center":
            centers = {"centers": _packed(self.centers), "scales": _packed(self.scales.astype("<f4"))}
            return {"score": self.kind, **centers}
        return {"score": self.kind}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> StrangerScore:
        """Inverse of :meth:`to_json`.

        Raises:
            ValueError: naming the key, for a score of another name and for numbers that cannot be meant.
        """
        if value["score"] not in KINDS:
            raise ValueError(f"score {value['score']!r}, want one of {', '.join(KINDS)}")
        if value["score"] == "head":
            weights = _unpacked(value, "weights", "<f4")
            if len(weights) <= len(PLAIN):
                raise ValueError(f"weights, want more than {len(PLAIN)} numbers, not {len(weights)}")
            return cls("head", weights, value["bias"])
        if value["score"] == "nearest_center":
            scales, centers = _unpacked(value, "scales", "<f4"), _unpacked(value, "centers", "i1")
            if len(centers) % len(scales):
                raise ValueError(
                    f"centers, want as many numbers for each of the {len(scales)} scales, not {len(centers)}"
                )
            return cls("nearest_center", centers=centers.reshape(len(scales), -1), scales=scales)
        return cls(value["score"])


def _unpacked(value: dict[str, Any], key: str, dtype: str) -> npt.NDArray[Any]:
    """The numbers of :func:`_packed`; at least one, all finite."""
    try:
        data = base64.b64decode(value[key], validate=True)
    except ValueError as error:
        raise ValueError(f"{key}, want base64: {error}") from error
    size = np.dtype(dtype).itemsize
    if not data or len(data) % size:
        raise ValueError(f"{key}, want numbers of {size} bytes, not {len(data)} bytes")
    numbers = np.frombuffer(data, dtype)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{key}, want finite numbers")
    return numbers


def _packed(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def unit(features: npt.NDArray[np.floating]) -> FloatArray:
    """(N, F) features divided by their lengths."""
    values = features.astype(np.float64)
    length = np.sqrt(np.einsum("nf,nf->n", values, values))
    return values / np.maximum(length, 1e-12)[:, None]


def plain_score(kind: Kind, answers: Answers) -> FloatArray:
    """(N,) the score of a name that needs no features."""
    return {"max_softmax": answers.confidences, "energy": answers.energies, "entropy": -answers.entropies}[kind]


def head_inputs(answers: Answers, features: npt.NDArray[np.floating]) -> FloatArray:
    """(N, F + 3) what a head looks at."""
    plain = [plain_score(kind, answers) for kind in PLAIN]
    return np.concatenate([unit(features), np.stack(plain, axis=1)], axis=1)
