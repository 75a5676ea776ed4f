"""Files damaged by chance: a refusal or a photo comes of each, never another exception, and predict says the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.test_odd_photos import outcome
from tests.fixtures import image_files as files
from tests.fixtures import odd_photos as odd
from tests.fixtures.damage import damaged
from tests.fixtures.photos import draw


def seeds() -> list[bytes]:
    """Small files of every format and shape."""
    image = Image.fromarray(draw(48, 40, 2))
    small = [files.encoded(image, "JPEG", quality=80, progressive=progressive) for progressive in (False, True)]
    small += [files.encoded(image, "JPEG", restart_marker_blocks=2), files.encoded(image, "WEBP", quality=70)]
    shaped = {name: data for name, data in odd.shaped_photos().items() if "flat" not in name and "long" not in name}
    known = odd.turned_photos() | odd.coloured_photos() | odd.inked_photos() | shaped | odd.other_formats()
    return small * 8 + list(known.values())


def fuzz(count: int, seed: int, path: Path) -> Counter[str]:
    """What became of ``count`` damaged files, by reason."""
    random, originals, found = np.random.default_rng(seed), seeds(), Counter[str]()
    for number in range(count):
        data = damaged(originals[number % len(originals)], random)
        if number % 3 == 0:
            data = damaged(data, random) if len(data) > 4 else data
        path.write_bytes(data)
        taken = outcome(path, stored=True)
        assert taken == outcome(path, stored=False)
        found["stored" if len(taken) == 64 else taken.partition(":")[0]] += 1
        found["unforeseen"] += "while decoding" in taken
    return found


def test_a_thousand_damaged_files(tmp_path: Path) -> None:
    found = fuzz(1_000, 17, tmp_path / "photo")
    assert found["stored"] > 100
    assert found["truncated"] > 200


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
def test_twenty_thousand_damaged_files(tmp_path: Path, seed: int) -> None:
    found = fuzz(6_000, seed, tmp_path / "photo")
    print(dict(found))
    assert found["stored"] > 600
    assert found["truncated"] > 1_200
