from __future__ import annotations

from typing import Any

import pytest

from aplantida.release.figures import SHOWN_SPECIES, draw_species, to_svg
from aplantida.release.findings import Findings


def findings(num_species: int) -> Findings:
    species = [{"class_id": f"Planta n{at}", "train": 8, "val": 1, "test": 1} for at in range(num_species)]
    empty: dict[str, Any] = {name: [] for name in Findings.__dataclass_fields__}
    return Findings(**{**empty, "species": species, "curves": {}, "calibration": {}, "timings": {}})


@pytest.mark.parametrize(("num_species", "named"), [(SHOWN_SPECIES, True), (SHOWN_SPECIES + 1, False), (3000, False)])
def test_species_have_bars_with_names_or_one_outline_a_split(num_species: int, named: bool) -> None:
    svg = to_svg(lambda axes: draw_species(axes, findings(num_species)))
    assert (">Planta n0</text>" in svg) is named
    num_paths = svg.count("<path")
    assert num_paths > 3 * num_species if named else num_paths < 50
    assert all(f">{name}</text>" in svg for name in ("train", "val", "test"))
