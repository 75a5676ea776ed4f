"""Scores that say how much a photo looks like one of the known species, as ``decision.json`` carries them.

All are higher for what is known. ``max_softmax`` (Hendrycks & Gimpel 2017) is the highest probability, ``energy``
(Liu et al. 2020) T log sum exp(logit / T), ``entropy`` minus the entropy of the probabilities; ``head`` is a linear
function of the pooled features and of these three.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aplantida.evaluation.answers import Answers

Kind = Literal["max_softmax", "energy", "entropy", "head"]
KINDS: tuple[Kind, ...] = ("max_softmax", "energy", "entropy", "head")
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StrangerScore:
    """One score.

    Attributes:
        kind: which.
        weights: (F + 3,) float32 of a head: features divided by their length, then max_softmax, energy, entropy.
        bias: of a head.
    """

    kind: Kind
    weights: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    bias: float = 0.0

    @property
    def needs_features(self) -> bool:
        """Whether pooled features are asked for."""
        return self.kind == "head"

    def of(self, answers: Answers, features: npt.NDArray[np.floating] | None) -> FloatArray:
        """(N,) scores of photos with (N, F) pooled features.

        Raises:
            ValueError: when a head gets no features, or of another width.
        """
        if self.kind != "head":
            return plain_score(self.kind, answers)
        if features is None or features.shape[1] + 3 != len(self.weights):
            found = "none" if features is None else str(features.shape[1])
            raise ValueError(f"stranger score: a head of {len(self.weights) - 3} features got {found}")
        return head_inputs(answers, features) @ self.weights.astype(np.float64) + self.bias

    def to_json(self) -> dict[str, Any]:
        """``score``, and of a head its ``weights`` (base64 of little-endian float32) and ``bias``."""
        if self.kind != "head":
            return {"score": self.kind}
        packed = base64.b64encode(self.weights.astype("<f4").tobytes()).decode("ascii")
        return {"score": self.kind, "weights": packed, "bias": self.bias}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> StrangerScore:
        """Inverse of :meth:`to_json`.

        Raises:
            ValueError: for a score of another name.
        """
        if value["score"] not in KINDS:
            raise ValueError(f"stranger score {value['score']!r}, want one of {', '.join(KINDS)}")
        if value["score"] != "head":
            return cls(value["score"])
        return cls("head", np.frombuffer(base64.b64decode(value["weights"]), "<f4"), value["bias"])


def plain_score(kind: Kind, answers: Answers) -> FloatArray:
    """(N,) the score of a name that needs no features."""
    return {"max_softmax": answers.confidences, "energy": answers.energies, "entropy": -answers.entropies}[kind]


def head_inputs(answers: Answers, features: npt.NDArray[np.floating]) -> FloatArray:
    """(N, F + 3) what a head looks at."""
    values = features.astype(np.float64)
    length = np.sqrt(np.einsum("nf,nf->n", values, values))
    plain = [plain_score(kind, answers) for kind in KINDS if kind != "head"]
    return np.concatenate([values / np.maximum(length, 1e-12)[:, None], np.stack(plain, axis=1)], axis=1)
