from __future__ import annotations

import math

import numpy as np
import pytest

from aplantida.export.parity import Bounds, compare, softmax, to_csv, to_markdown

BOUNDS = Bounds(max_probability_difference=1e-3, min_top1_agreement=1.0, min_top5_agreement=1.0)


def test_differences_of_hand_computed_logits() -> None:
    reference = np.array([[math.log(3.0), 0.0], [0.0, 0.0]])
    found = np.array([[0.0, 0.0], [0.0, 0.0]])
    row = compare("x", reference, found, temperature=1.0)
    assert row.max_logit_difference == pytest.approx(math.log(3.0), rel=1e-3)
    assert row.mean_logit_difference == pytest.approx(math.log(3.0) / 4, rel=1e-3)
    assert row.max_probability_difference == pytest.approx(0.25)
    assert row.mean_probability_difference == pytest.approx(0.125)
    assert (row.top1_agreement, row.top5_agreement) == (1.0, 1.0)


def test_temperature_softens_the_difference() -> None:
    reference, found = np.array([[4.0, 0.0]]), np.array([[3.0, 0.0]])
    sharp = compare("x", reference, found, 1.0).max_probability_difference
    expected = abs(softmax(reference, 4.0) - softmax(found, 4.0)).max()
    assert compare("x", reference, found, 4.0).max_probability_difference == pytest.approx(expected, rel=1e-3)
    assert sharp == pytest.approx(1 / (1 + math.exp(-4)) - 1 / (1 + math.exp(-3)), rel=1e-3)


def test_agreement_counts_photos_and_violations_say_what() -> None:
    reference = np.tile(np.arange(8.0)[::-1], (4, 1))
    found = reference.copy()
    found[0, :2] = found[0, 1::-1]  # another first, the same five
    found[1, 4:6] = found[1, 5:3:-1]  # another fifth
    row = compare("tfjs", reference, found, 1.0)
    assert (row.top1_agreement, row.top5_agreement) == (0.75, 0.75)
    violations = row.violations(BOUNDS)
    assert len(violations) == 3
    assert violations[0].startswith("tfjs: probabilities differ by up to 0.")
    assert compare("x", reference, reference, 1.0).violations(BOUNDS) == []


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(1, 3\)"):
        compare("x", np.zeros((1, 3)), np.zeros((1, 2)), 1.0)
    with pytest.raises(ValueError, match="not finite"):
        compare("x", np.zeros((1, 2)), np.array([[np.nan, 0.0]]), 1.0)
    with pytest.raises(ValueError, match="x"):
        compare("x", np.zeros((0, 3)), np.zeros((0, 3)), 1.0)


def test_tables() -> None:
    row = compare("onnx", np.zeros((2, 3)), np.zeros((2, 3)), 1.0)
    assert to_csv([row]).splitlines()[1] == "onnx,2,0.0,0.0,0.0,0.0,1.0,1.0"
    assert (
        to_markdown([row]).splitlines()[2] == "| onnx | 2 | 0.0e+00 | 0.0e+00 | 0.0e+00 | 0.0e+00 | 100.0% | 100.0% |"
    )
