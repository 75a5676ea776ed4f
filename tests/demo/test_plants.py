from __future__ import annotations

import numpy as np
import pytest

from aplantida.demo.leaves import COMPOUND_SHAPES, SIMPLE_SHAPES
from aplantida.demo.plants import draw_photo
from aplantida.demo.species import PALETTE, SPECIES
from aplantida.domain.taxonomy import genus_of, normalize_name


def test_a_photo_is_a_function_of_its_arguments() -> None:
    first = draw_photo(SPECIES[3], seed=42, plant=1, photo=0, short_side=128)
    again = draw_photo(SPECIES[3], seed=42, plant=1, photo=0, short_side=128)
    assert first.tobytes() == again.tobytes()
    assert min(first.size) == 128
    others = [
        draw_photo(SPECIES[3], seed=seed, plant=plant, photo=photo, short_side=128).tobytes()
        for seed, plant, photo in ((7, 1, 0), (42, 2, 0), (42, 1, 1))
    ]
    assert len({first.tobytes(), *others}) == 4


@pytest.mark.parametrize("species", SPECIES, ids=lambda species: species.slug)
def test_every_species_fills_its_photo(species) -> None:
    pixels = np.asarray(draw_photo(species, seed=5, plant=0, photo=0, short_side=96), dtype=np.float64)
    assert pixels.ndim == 3
    assert pixels.std(axis=(0, 1)).min() > 8  # neither black nor flat


def test_the_table_of_species() -> None:
    assert len(SPECIES) == 20
    assert len({species.scientific_name for species in SPECIES}) == 20
    for species in SPECIES:
        assert normalize_name(species.scientific_name) == species.scientific_name
        assert genus_of(species.scientific_name) == species.genus
        assert species.leaf in SIMPLE_SHAPES + COMPOUND_SHAPES
        assert set(species.colors) <= set(PALETTE)
    for color in PALETTE:  # colors do not give a species away
        assert sum(color in species.colors for species in SPECIES) >= 5
    assert len({(s.leaf, s.arrangement, s.flower, s.inflorescence) for s in SPECIES}) == 20
