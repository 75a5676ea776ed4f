from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aplantida.pipeline.artifact import open_artifact
from aplantida.release.gains import paired_gains
from tests.fixtures.artifacts import make_evaluation


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(tmp_path))
    return tmp_path


def scores(labels: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Logits whose highest is the true class where ``right``, else the next one."""
    logits = np.zeros((len(labels), 6), np.float32)
    logits[np.arange(len(labels)), np.where(right, labels, (labels + 1) % 6)] = 5.0
    return logits


def test_the_same_model_gains_nothing_and_a_constant_gain_has_its_interval(root: Path) -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 6, 400)
    right = random.random(400) < 0.6
    better = right | (np.arange(400) % 5 == 0)
    make_evaluation("worse", labels, scores(labels, right))
    make_evaluation("better", labels, scores(labels, better))
    first, second = (open_artifact(root / name, "evaluation") for name in ("better", "worse"))
    same = paired_gains(second, second)
    assert same is not None
    assert {(gain.difference, *gain.interval) for gain in same.values()} == {(0.0, 0.0, 0.0)}
    found = paired_gains(first, second)
    assert found is not None
    test = np.arange(200, 400)
    expected = float(better[test].mean() - right[test].mean())
    assert found["top1"].difference == pytest.approx(expected)
    low, high = found["top1"].interval
    assert 0 < low < expected < high < 2 * expected  # paired: it is never worse on any photo
    assert set(found) == {"top1", "top5", "macro_top1", "macro_top5"}


def test_other_photos_cannot_be_paired(root: Path) -> None:
    labels = np.arange(40) % 6
    make_evaluation("one", labels, scores(labels, labels > 1))
    make_evaluation("other", labels[:30], scores(labels[:30], labels[:30] > 1))
    assert paired_gains(*(open_artifact(root / name, "evaluation") for name in ("one", "other"))) is None
