"""A fixed set of pictures that show no plant: what a visitor's camera, screenshot or album may give by mistake.

Most are drawn, so that any machine has them; the rest are parts of the sample photos of packages that are installed. A
*kind* of picture is wholly for choosing (``val``) or wholly for reporting (``test``): what is reported is what happens
to kinds that nothing was fitted to.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from aplantida.domain.seeds import derive_seed
from aplantida.evaluation.drawn_kinds import KINDS, SIDE

Pixels = npt.NDArray[np.uint8]
_TEST_KINDS = frozenset(
    ("pixel_noise", "text_page", "shapes", "water", "face", "room", "photos", "animal", "vehicles", "moon")
)
_SCIKIT_IMAGE = {  # its sample photos without a plant, by what they show
    "animal": ("chelsea.png",),
    "ground": ("brick.png", "gravel.png"),
    "logos": ("logo.png", "horse.png", "color.png"),
    "medicine": ("ihc.png", "retina.jpg", "microaneurysms.png", "phantom.png"),
    "moon": ("moon.png",),
    "portrait": ("astronaut.png",),
    "stars": ("hubble_deep_field.jpg",),
    "things": ("coffee.png", "coins.png", "page.png"),
    "vehicles": ("motorcycle_left.png", "rocket.jpg"),
}


@dataclass(frozen=True, slots=True, eq=False)
class NonPlant:
    """One picture.

    Attributes:
        name: of the picture, ``kind-number``.
        kind: what it shows.
        part: ``val`` or ``test``.
        jpeg: its bytes.
    """

    name: str
    kind: str
    part: str
    jpeg: bytes


def non_plants(num_pictures: int, seed: int = 0) -> Iterator[NonPlant]:
    """At least ``num_pictures``, equally many of each kind; equal arguments and packages give equal pictures."""
    kinds: dict[str, Callable[[np.random.Generator], Pixels]] = {
        **KINDS,
        **{"digits": _digits, "photos": partial(_part_of_a_photo, _sample_photos())},
        **{kind: partial(_part_of_a_photo, _scikit_image_photos(kind)) for kind in _SCIKIT_IMAGE},
    }
    each = -(-num_pictures // len(kinds))
    for kind, make in sorted(kinds.items()):
        for number in range(each):
            draw = np.random.default_rng(derive_seed(seed, "non_plants", kind, str(number)))
            stream = io.BytesIO()
            Image.fromarray(make(draw)).save(stream, "JPEG", quality=90)
            yield NonPlant(f"{kind}-{number}", kind, "test" if kind in _TEST_KINDS else "val", stream.getvalue())


def _digits(draw: np.random.Generator) -> Pixels:
    """A handwritten digit of scikit-learn's."""
    digits = _handwritten()
    picture = Image.fromarray((15.9 * (16 - digits[draw.integers(len(digits))])).astype(np.uint8))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB"))


def _part_of_a_photo(photos: tuple[Image.Image, ...], draw: np.random.Generator) -> Pixels:
    """A square part of one of the photos, at least half of its short side, mirrored or not."""
    photo = photos[draw.integers(len(photos))]
    side = int(draw.uniform(0.5, 1.0) * min(photo.size))
    left, top = (int(draw.integers(length - side + 1)) for length in photo.size)
    square = np.asarray(photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE)))
    return np.ascontiguousarray(square[:, ::-1] if draw.random() < 0.5 else square)


@cache
def _handwritten() -> npt.NDArray[np.float64]:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits(return_X_y=True)[0]).reshape(-1, 8, 8)


@cache
def _sample_photos() -> tuple[Image.Image, ...]:
    import matplotlib
    from sklearn.datasets import load_sample_image

    tower = Image.fromarray(load_sample_image("china.jpg")).crop((80, 0, 540, 320))  # without the trees around it
    found = [tower]
    portrait = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    if portrait.is_file():
        found.append(Image.open(portrait).convert("RGB"))
    return tuple(found)


@cache
def _scikit_image_photos(kind: str) -> tuple[Image.Image, ...]:
    """Files that came with the package: nothing is downloaded."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    return tuple(Image.open(folder / name).convert("RGB") for name in _SCIKIT_IMAGE[kind])
