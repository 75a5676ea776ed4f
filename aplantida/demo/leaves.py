"""Leaf outlines, margins and venation. A leaf is a mirrored half-outline, bent, foreshortened and veined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aplantida.demo.sketch import Color, Points, Sketch, mix, rotation, shade

_STEPS = np.linspace(0.0, 1.0, 22)


def _profile(width: float, widest: float, sharpness: float = 1.0) -> Points:
    """A half-outline from base (0, 0) to tip (1, 0): a beta-like bump of half-width ``width`` highest at ``widest``."""
    a, b = sharpness * widest / max(widest, 1 - widest), sharpness * (1 - widest) / max(widest, 1 - widest)
    bump = _STEPS**a * (1 - _STEPS) ** b
    return np.column_stack([_STEPS, width * bump / (widest**a * (1 - widest) ** b)])


def _serrate() -> Points:
    outline = np.repeat(_profile(0.24, 0.4), 2, axis=0)[1:-1]
    outline[1::2, 1] *= 1.32
    outline[1::2, 0] += 0.03
    return np.vstack([[0.0, 0.0], outline, [1.0, 0.0]])


def _cordate() -> Points:
    angles = np.linspace(0.0, np.pi, 26)
    x = 13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles)
    heart = np.column_stack([5.0 - x, 14.5 * np.sin(angles) ** 3])
    return heart / heart[-1, 0]


def _orbicular() -> Points:
    angles = np.linspace(np.pi, 0.0, 25)
    scallop = 1 + 0.05 * np.cos(angles * 18)
    return np.column_stack([0.5 + 0.5 * scallop * np.cos(angles), 0.48 * scallop * np.sin(angles)])


def _sagittate() -> Points:
    return np.array([[0.18, 0.0], [0.02, 0.12], [-0.28, 0.30], [0.02, 0.27], [0.25, 0.22], [0.6, 0.13], [1.0, 0.0]])


def _palmate() -> Points:
    tips = np.deg2rad([0.0, 48.0, 98.0, 150.0])
    reach = [0.72, 0.68, 0.60, 0.44]
    points: list[tuple[float, float]] = [(0.28, 0.0)]
    for index in (3, 2, 1, 0):
        points.append((0.28 + reach[index] * np.cos(tips[index]), reach[index] * np.sin(tips[index])))
        if index:
            between = (tips[index] + tips[index - 1]) / 2
            points.append((0.28 + 0.33 * np.cos(between), 0.33 * np.sin(between)))
    return np.array(points)


def _pinnatifid() -> Points:
    steps = np.linspace(0.0, 1.0, 57)
    lobes = 0.5 + 0.5 * np.cos(2 * np.pi * steps * 4.5 + np.pi)
    envelope = 0.30 * np.sin(np.pi * steps**0.8) ** 0.7
    return np.column_stack([steps, envelope * (0.22 + 0.78 * lobes)])


_OUTLINES: dict[str, Callable[[], Points]] = {
    "linear": lambda: _profile(0.045, 0.35, 0.5),
    "lanceolate": lambda: _profile(0.13, 0.35),
    "ovate": lambda: _profile(0.27, 0.36, 0.8),
    "obovate": lambda: _profile(0.24, 0.7),
    "serrate": _serrate,
    "cordate": _cordate,
    "orbicular": _orbicular,
    "sagittate": _sagittate,
    "palmate": _palmate,
    "pinnatifid": _pinnatifid,
}
_VENATION = {
    "linear": "parallel",
    "lanceolate": "parallel",
    "orbicular": "radial",
    "palmate": "radial",
    "cordate": "radial",
}
SIMPLE_SHAPES = tuple(sorted(_OUTLINES))
COMPOUND_SHAPES = ("pinnate", "trifoliate")
_HALVES: dict[str, Points] = {name: outline() for name, outline in _OUTLINES.items()}


@dataclass(frozen=True, slots=True)
class LeafPose:
    """Where a leaf sits and how it is seen.

    Attributes:
        base: (2,), where the stalk begins, in plant units.
        angle: direction of the stalk in radians, 0 to the right.
        length: from the base of the blade to its tip.
        petiole: length of the stalk in units of ``length``.
        bend: how much the leaf bows sideways over its length, radians.
        breadth: foreshortening across, 0..1.
    """

    base: Points
    angle: float
    length: float
    petiole: float
    bend: float
    breadth: float


def draw_leaf(sketch: Sketch, shape: str, pose: LeafPose, green: Color) -> None:
    """Add one leaf of ``shape`` (one of SIMPLE_SHAPES or COMPOUND_SHAPES) to the sketch."""
    if pose.petiole > 0:
        end = np.array([[0.0, 0.0], [pose.petiole / 2, 0.02], [pose.petiole, 0.0]])
        sketch.line(_place(end, pose), shade(green, 0.85), 0.018)
    if shape == "trifoliate":
        for turn in (-1.15, 1.15, 0.0):
            _blade(sketch, "obovate", _leaflet(pose, pose.petiole, turn, 0.62), green)
    elif shape == "pinnate":
        _rachis(sketch, pose, green)
    else:
        _blade(sketch, shape, _leaflet(pose, pose.petiole, 0.0, 1.0), green)


def _rachis(sketch: Sketch, pose: LeafPose, green: Color) -> None:
    start = pose.petiole
    axis = np.column_stack([np.linspace(start, start + 0.8, 6), np.zeros(6)])
    sketch.line(_place(axis, pose), shade(green, 0.85), 0.014)
    for along in (0.1, 0.33, 0.56):
        for turn in (-1.05, 1.05):
            _blade(sketch, "ovate", _leaflet(pose, start + along, turn, 0.34), green)
    _blade(sketch, "ovate", _leaflet(pose, start + 0.72, 0.0, 0.36), green)


def _leaflet(pose: LeafPose, along: float, turn: float, part: float) -> LeafPose:
    base = _place(np.array([[along, 0.0]]), pose)[0]
    angle = pose.angle + pose.bend * along + turn
    return LeafPose(base, angle, pose.length * part, 0.0, pose.bend * 0.5 if turn == 0 else 0.1, pose.breadth)


def _place(local: Points, pose: LeafPose) -> Points:
    """Leaf coordinates (length 1 along x) to plant coordinates."""
    turned = pose.bend * local[:, 0]
    x = local[:, 0] * np.cos(turned / 2) - local[:, 1] * pose.breadth * np.sin(turned)
    y = local[:, 0] * np.sin(turned / 2) + local[:, 1] * pose.breadth * np.cos(turned)
    return pose.base + pose.length * (np.column_stack([x, y]) @ rotation(pose.angle))


def _blade(sketch: Sketch, shape: str, pose: LeafPose, green: Color) -> None:
    half = _HALVES[shape]
    mirrored = half * [1.0, -1.0]
    sketch.polygon(_place(np.vstack([half, mirrored[::-1]]), pose), shade(green, 0.86))
    sketch.polygon(_place(half, pose), shade(green, 1.08))
    vein = mix(green, (214, 226, 150), 0.45)
    width = 0.010 if pose.length < 0.25 else 0.014
    for line in _veins(shape, half):
        sketch.line(_place(line, pose), vein, width * 0.7)
    sketch.line(_place(np.array([[half[0, 0], 0.0], [0.5, 0.0], [0.97, 0.0]]), pose), vein, width)


def _veins(shape: str, half: Points) -> list[Points]:
    kind = _VENATION.get(shape, "pinnate")
    if kind == "parallel":
        return [half[2:-2] * [1.0, part] for part in (-0.55, 0.55)] if shape == "lanceolate" else []
    if kind == "radial":
        start = np.array([0.28 if shape == "palmate" else 0.5 if shape == "orbicular" else 0.12, 0.0])
        picks = [1, 3, 5] if shape == "palmate" else [5, 10, 15, 20]
        ends = [half[pick] * [1.0, side] for pick in picks for side in (-1.0, 1.0)]
        return [np.vstack([start, start + (end - start) * 0.88]) for end in ends]
    lines = []
    for along in (0.2, 0.38, 0.56, 0.74):
        reach = float(np.interp(min(along + 0.14, 0.95), half[:, 0], half[:, 1])) * 0.85
        lines.extend(np.array([[along, 0.0], [along + 0.14, side * reach]]) for side in (-1.0, 1.0))
    return lines
