from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aplantida.domain.scores import ScoreTable
from aplantida.evaluation.temperatures import CalibrationPart, choose_temperatures


def part_of(seed: int, scales: dict[str, float], count: int = 2000) -> CalibrationPart:
    """Photos of regions whose logits are so many times too large."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(scale=1.5, size=(count, 6))
    labels = (logits + draw.gumbel(size=logits.shape)).argmax(axis=1)
    regions = draw.choice(list(scales), count)
    logits *= np.array([scales[name] for name in regions])[:, None]
    ids = np.array([f"{at:032x}" for at in range(count)])
    table = ScoreTable(ids, np.zeros(count, np.int16), tuple("abcdef"), logits.astype(np.float16))
    bands = np.where(labels < 3, "0-9", "10+")
    return CalibrationPart(table, labels, [[name] for name in regions], bands)


def choose(val: CalibrationPart, test: CalibrationPart, **options: Any):
    return choose_temperatures(val, test, **{"num_bins": 15, "min_region_photos": 300, **options})


def test_regions_that_err_differently_get_their_own_temperatures() -> None:
    scales = {"north": 0.5, "south": 3.0}
    found = choose(part_of(1, scales), part_of(2, scales))
    assert found.regional == {"north": pytest.approx(0.5, rel=0.1), "south": pytest.approx(3.0, rel=0.1)}
    for row in found.report["regions"].values():
        test = row["test"]
        assert test["nll"]["regional"] < min(test["nll"]["before"], test["nll"]["after"])
        assert test["ece"]["regional"] < min(0.07, test["ece"]["after"])
        assert not any(test["worse_on_test"].values())
    bands = found.report["frequency_bands"]
    assert sum(row["num_photos"] for row in bands.values()) == 2000


def test_a_region_of_few_photos_has_none_of_its_own() -> None:
    scales = {"north": 0.5, "south": 3.0}
    found = choose(part_of(1, scales), part_of(2, scales), min_region_photos=5000)
    assert found.regional == {}
    row = found.report["regions"]["north"]
    assert row["temperature"] is None
    assert row["num_val_photos"] > 900
    assert set(row["test"]["nll"]) == {"before", "after"}


def test_scaling_that_harms_the_test_photos_is_said() -> None:
    found = choose(part_of(1, {"north": 3.0}), part_of(2, {"north": 1.0}))
    assert found.report["worse_on_test"] == {"nll": True, "ece": True, "ece_equal_mass": True}
    assert any("made the test photos worse (nll, ece, ece_equal_mass)" in line for line in found.warnings)
    fine = choose(part_of(1, {"north": 3.0}), part_of(2, {"north": 3.0}))
    assert fine.warnings == []


def test_bins_are_counted_by_both_ways_of_cutting() -> None:
    found = choose(part_of(1, {"north": 3.0}), part_of(2, {"north": 3.0}))
    for schemes in found.report["reliability"].values():
        for row in schemes.values():
            assert sum(part["num_photos"] for part in row["bins"]) == 2000
    assert found.report["ece"]["after"] < found.report["ece"]["before"]
    assert found.report["ece_if_perfect"]["equal_width"] < found.report["ece"]["before"]
