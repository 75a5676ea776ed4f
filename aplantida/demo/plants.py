"""Procedural plant photos: a plant grown from one seed, photographed from another."""

from __future__ import annotations

import numpy as np
from PIL import Image

from aplantida.demo.flowers import FlowerPose, draw_flower
from aplantida.demo.leaves import LeafPose, draw_leaf
from aplantida.demo.scenery import BACKGROUNDS, blur, compose, draw_background, light_and_noise, occlude
from aplantida.demo.sketch import Color, Points, Sketch, mix, rotation, shade
from aplantida.demo.species import PALETTE, PlantSpecies
from aplantida.domain.seeds import derive_seed

_ASPECTS = ((4, 3), (3, 4), (1, 1), (5, 4))
_LENGTHS = {"linear": 0.62, "lanceolate": 0.46, "sagittate": 0.34, "pinnate": 0.52, "trifoliate": 0.34, "cordate": 0.34}
_PETIOLES = {"cordate": 0.7, "orbicular": 0.9, "palmate": 0.6, "sagittate": 0.7, "trifoliate": 0.9, "pinnate": 0.15}


def draw_photo(species: PlantSpecies, *, seed: int, plant: int, photo: int, short_side: int = 256) -> Image.Image:
    """One photo, a pure function of its arguments.

    Args:
        species: what to draw.
        seed: the collection's seed.
        plant: which individual: leaves, flowers, color and background stay the same within it.
        photo: which photo of that individual: pose, framing, light and faults differ.
        short_side: pixels of the shorter side; the other is up to half as long again.

    Returns:
        An RGB image.
    """
    grown = np.random.default_rng(derive_seed(seed, "plant", species.scientific_name, plant))
    seen = np.random.default_rng(derive_seed(seed, "photo", species.scientific_name, plant, photo))
    place = BACKGROUNDS[int(grown.integers(len(BACKGROUNDS)))]
    sketch = grow(species, grown)
    aspect = _ASPECTS[int(seen.integers(len(_ASPECTS)))]
    size = (short_side * aspect[0] // min(aspect), short_side * aspect[1] // min(aspect))
    matrix, offset, scale = _camera(sketch, size, seen)
    taken = compose(sketch.rasterize(matrix, offset, size, scale), draw_background(place, size, seen), seen)
    image = light_and_noise(taken, seen)
    if seen.random() < 0.1:
        image = occlude(image, seen)
    return blur(image, seen)


def grow(species: PlantSpecies, rng: np.random.Generator) -> Sketch:
    """Draw one individual of ``species``: leaves first, then stems with flowers."""
    sketch = Sketch()
    green = shade(mix((84, 128, 54), (120, 140, 72), rng.uniform(0, 1)), rng.uniform(0.78, 1.12))
    color = PALETTE[_flower_color(species, rng)]
    color = shade(mix(color, (200, 190, 180), rng.uniform(0, 0.25)), rng.uniform(0.9, 1.06))
    if species.arrangement == "rosette":
        _rosette(sketch, species, green, rng)
        num_stems = 2 if species.inflorescence in ("single", "head") else 1
    else:
        num_stems = 1 if species.inflorescence == "spike" else int(rng.integers(1, 3))
    for index in range(num_stems):
        lean = (index - (num_stems - 1) / 2) * rng.uniform(0.28, 0.5) + rng.normal(0, 0.1)
        _stem(sketch, species, lean, green, color, rng)
    return sketch


def _flower_color(species: PlantSpecies, rng: np.random.Generator) -> str:
    """Two thirds have the usual color, a quarter the other one, the rest any: form decides, not color."""
    draw = rng.random()
    if draw < 0.92:
        return species.colors[0 if draw < 0.67 else 1]
    return str(rng.choice(sorted(PALETTE)))


def _rosette(sketch: Sketch, species: PlantSpecies, green: Color, rng: np.random.Generator) -> None:
    slender = species.leaf == "linear"
    num_leaves = int(rng.integers(8, 13)) if slender else int(rng.integers(6, 9))
    if species.leaf in ("pinnate", "trifoliate"):
        num_leaves = int(rng.integers(4, 7))
    spread = np.linspace(0.35, np.pi - 0.35, num_leaves) if slender else np.linspace(-0.35, np.pi + 0.35, num_leaves)
    for angle in rng.permutation(spread) + rng.normal(0, 0.12, num_leaves):
        _leaf(sketch, species, np.zeros(2), float(angle), 1.0, green, rng)


def _leaf(
    sketch: Sketch,
    species: PlantSpecies,
    base: Points,
    angle: float,
    part: float,
    green: Color,
    rng: np.random.Generator,
) -> None:
    length = _LENGTHS.get(species.leaf, 0.38) * part * rng.uniform(0.85, 1.15)
    pose = LeafPose(
        base,
        angle,
        length,
        _PETIOLES.get(species.leaf, 0.0) * part,
        float(rng.normal(0, 0.3)),
        float(rng.uniform(0.7, 1.0)),
    )
    draw_leaf(sketch, species.leaf, pose, shade(green, rng.uniform(0.84, 1.16)))


def _stem(
    sketch: Sketch, species: PlantSpecies, lean: float, green: Color, color: Color, rng: np.random.Generator
) -> None:
    height = rng.uniform(0.75, 1.05)
    steps = np.linspace(0, 1, 12)
    axis = np.column_stack([lean * steps**1.5 + 0.03 * np.sin(steps * 5), height * steps])
    sketch.line(axis, shade(green, 0.78), 0.024)
    if species.arrangement != "rosette":
        _stem_leaves(sketch, species, axis, green, rng)
    {
        "single": _single,
        "raceme": _raceme,
        "spike": _spike,
        "umbel": _umbel,
        "head": _head,
    }[species.inflorescence](sketch, species, axis, green, color, rng)


def _stem_leaves(sketch: Sketch, species: PlantSpecies, axis: Points, green: Color, rng: np.random.Generator) -> None:
    opposite = species.arrangement == "opposite"
    for order, at in enumerate((1, 3, 5, 6) if not opposite else (1, 3, 5)):
        sides = (-1, 1) if opposite else (1 if order % 2 else -1,)
        for side in sides:
            angle = np.pi / 2 - side * rng.uniform(0.75, 1.15)
            _leaf(sketch, species, axis[at], float(angle), 1.0 - 0.1 * order, green, rng)


def _pose(center: Points, radius: float, rng: np.random.Generator) -> FlowerPose:
    turn, facing = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0, np.pi))
    return FlowerPose(center, radius * float(rng.uniform(0.88, 1.12)), turn, float(rng.uniform(0.62, 1.0)), facing)


def _single(
    sketch: Sketch, species: PlantSpecies, axis: Points, green: Color, color: Color, rng: np.random.Generator
) -> None:
    draw_flower(sketch, species.flower, _pose(axis[-1], 0.27, rng), color, rng)


def _raceme(
    sketch: Sketch, species: PlantSpecies, axis: Points, green: Color, color: Color, rng: np.random.Generator
) -> None:
    hanging = species.flower.kind == "bell"
    for order, at in enumerate((6, 7, 8, 9, 10, 11)):
        side = 1 if order % 2 else -1
        reach = 0.21 - 0.026 * order
        center = axis[at] + np.array([side * reach * rng.uniform(0.85, 1.15), 0.05])
        sketch.line(np.vstack([axis[at], center]), shade(green, 0.8), 0.012)
        pose = _pose(center, (0.155 if hanging else 0.15) - 0.01 * order, rng)
        upright = FlowerPose(pose.center, pose.radius, float(rng.normal(0, 0.3)), pose.tilt, pose.facing)
        draw_flower(sketch, species.flower, upright, color, rng)


def _spike(
    sketch: Sketch, species: PlantSpecies, axis: Points, green: Color, color: Color, rng: np.random.Generator
) -> None:
    for at in np.linspace(0.5, 1.05, 12):
        width = 0.075 * (1.25 - at) / 0.75 + 0.02
        center = np.array([np.interp(at, np.linspace(0, 1, 12), axis[:, 0]), axis[-1, 1] * at])
        for side in (-1.0, 1.0, 0.0):
            pose = _pose(center + np.array([side * width, abs(side) * 0.02]), 0.05, rng)
            draw_flower(sketch, species.flower, pose, color, rng)


def _umbel(
    sketch: Sketch, species: PlantSpecies, axis: Points, green: Color, color: Color, rng: np.random.Generator
) -> None:
    top = axis[-3]
    for angle in np.linspace(0.25, np.pi - 0.25, 9):
        reach = rng.uniform(0.26, 0.34)
        end = top + reach * np.array([np.cos(angle), 0.55 * np.sin(angle) + 0.12])
        sketch.line(np.vstack([top, end]), shade(green, 0.85), 0.010)
        for offset in rng.normal(0, 0.032, size=(3, 2)):
            draw_flower(sketch, species.flower, _pose(end + offset, 0.052, rng), color, rng)


def _head(
    sketch: Sketch, species: PlantSpecies, axis: Points, green: Color, color: Color, rng: np.random.Generator
) -> None:
    draw_flower(sketch, species.flower, _pose(axis[-1], 0.25, rng), color, rng)


def _camera(sketch: Sketch, size: tuple[int, int], rng: np.random.Generator) -> tuple[Points, Points, float]:
    """An affine camera: leaning, sometimes mirrored, on the whole plant or closer in."""
    low, high = sketch.bounds()
    extent = float(max(high - low))
    zoom = float(rng.uniform(0.9, 1.08))
    middle = (low + high) / 2
    if rng.random() < 0.1:
        zoom *= float(rng.uniform(1.1, 1.35))
        middle = middle + np.array([0.0, float(rng.uniform(-0.1, 0.28)) * extent])
    scale = zoom * min(size) / extent
    squash = np.diag([float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.9, 1.1)), float(rng.uniform(0.9, 1.08))])
    matrix = squash @ rotation(float(rng.normal(0, 0.08))) @ np.diag([scale, -scale])
    shift = rng.normal(0, 0.04, 2) * min(size)
    return matrix, np.array(size) / 2 + shift - middle @ matrix, scale
