"""A roof over the memory of data phases: what a phase takes grows by no more than so much a photo."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.split_memory import peak_of

FEW, MANY = 10_000, 110_000
ROOF_MB, PLANNED = 1500, 900_000


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["fetch", "split"])
def test_900_000_wide_records_would_stay_under_the_roof(phase: str, tmp_path: Path) -> None:
    few, many = (peak_of(phase, size, tmp_path / str(size)) for size in (FEW, MANY))
    each = (many - few) / (MANY - FEW)
    assert few + each * (PLANNED - FEW) < ROOF_MB, f"{few:.0f} MB, {many:.0f} MB"
