"""Flower forms: petals in a ring, rays around a disc, bells, lipped flowers, globes and florets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aplantida.demo.sketch import Color, Points, Sketch, circle, mix, rotation, shade

DISC_YELLOW: Color = (226, 176, 40)
_STEPS = np.linspace(0.0, 1.0, 9)
_ALONG = np.sin(np.pi * _STEPS)


def _outline(half_width: Points) -> Points:
    upper = np.column_stack([_STEPS, half_width])
    return np.vstack([upper, (upper * [1.0, -1.0])[::-1]])


_PETALS: dict[str, Points] = {
    "round": _outline(0.42 * np.sqrt(np.clip(_STEPS * (1.02 - _STEPS), 0, None)) * (0.55 + _STEPS) * 1.25),
    "pointed": _outline(0.30 * _ALONG**0.8 * (1.15 - 0.4 * _STEPS)),
    "narrow": _outline(0.15 * _ALONG**0.7),
    "ray": _outline(0.105 * np.clip(_STEPS * 4, 0, 1) * np.clip((1.03 - _STEPS) * 7, 0, 1)),
    "notched": np.array(
        [
            *([0.0, 0.0], [0.45, 0.20], [0.8, 0.36], [1.0, 0.30], [1.03, 0.14], [0.8, 0.0]),
            *([1.03, -0.14], [1.0, -0.30], [0.8, -0.36], [0.45, -0.20]),
        ]
    ),
}
_BELL = np.array([[0.0, 0.16], [0.25, 0.32], [0.7, 0.36], [0.9, 0.46], [1.08, 0.56], [0.92, 0.30], [1.08, 0.16]])
FORMS = ("bell", "daisy", "globe", "lip", "ring", "floret")


@dataclass(frozen=True, slots=True)
class FlowerForm:
    """What a species' flower looks like.

    Attributes:
        kind: one of FORMS.
        petal: outline of the petals, for ``ring``: round, pointed, narrow or notched.
        petals: how many, for ``ring`` and ``daisy``.
        disc: radius of the centre in units of the flower's radius.
    """

    kind: str
    petal: str = "round"
    petals: int = 5
    disc: float = 0.2


@dataclass(frozen=True, slots=True)
class FlowerPose:
    """Where a flower sits and how it is seen.

    Attributes:
        center: (2,) in plant units (a bell hangs from it).
        radius: in plant units.
        turn: rotation about its own axis, radians.
        tilt: 1 seen from the front, 0.4 nearly from the side.
        facing: direction of the foreshortening, radians.
    """

    center: Points
    radius: float
    turn: float
    tilt: float
    facing: float


def draw_flower(sketch: Sketch, form: FlowerForm, pose: FlowerPose, color: Color, rng: np.random.Generator) -> None:
    """Add one flower to the sketch."""
    {
        "ring": _ring,
        "daisy": _daisy,
        "bell": _bell,
        "lip": _lip,
        "globe": _globe,
        "floret": _floret,
    }[form.kind](sketch, form, pose, color, rng)


def _place(local: Points, pose: FlowerPose) -> Points:
    squash = rotation(-pose.facing) @ np.diag([1.0, pose.tilt]) @ rotation(pose.facing)
    return pose.center + pose.radius * (local @ squash)


def _petal(sketch: Sketch, outline: Points, angle: float, pose: FlowerPose, color: Color) -> None:
    turned = outline @ rotation(angle)
    sketch.polygon(_place(turned, pose), color)
    sketch.line(_place(np.vstack([turned, turned[:1]]), pose), shade(color, 0.72), pose.radius * 0.035)
    sketch.line(
        _place(np.array([[0.15, 0.0], [0.7, 0.0]]) @ rotation(angle), pose), shade(color, 0.8), 0.04 * pose.radius
    )


def _ring(sketch: Sketch, form: FlowerForm, pose: FlowerPose, color: Color, rng: np.random.Generator) -> None:
    outline = _PETALS[form.petal] * [1.0, min(1.35, (4.6 / form.petals) ** 0.8)]
    for index in range(form.petals):
        angle = pose.turn + 2 * np.pi * index / form.petals + rng.normal(0, 0.05)
        _petal(sketch, outline * rng.normal(1.0, 0.04), angle, pose, shade(color, rng.uniform(0.9, 1.05)))
    sketch.polygon(_place(circle(np.zeros(2), form.disc), pose), DISC_YELLOW)
    sketch.polygon(_place(circle(np.array([0.0, -0.02]), form.disc * 0.55), pose), shade(DISC_YELLOW, 0.75))


def _daisy(sketch: Sketch, form: FlowerForm, pose: FlowerPose, color: Color, rng: np.random.Generator) -> None:
    outline = _PETALS["ray"] * [1.0, 17 / form.petals]
    for index in range(form.petals):
        angle = pose.turn + 2 * np.pi * index / form.petals + rng.normal(0, 0.04)
        _petal(sketch, outline * rng.normal(1.0, 0.05), angle, pose, shade(color, rng.uniform(0.88, 1.05)))
    sketch.polygon(_place(circle(np.zeros(2), form.disc, 18), pose), shade(DISC_YELLOW, 0.92))
    for dot in rng.normal(0, form.disc * 0.42, size=(9, 2)):
        sketch.polygon(_place(circle(dot, 0.05, 5), pose), shade(DISC_YELLOW, 0.7))


def _bell(sketch: Sketch, form: FlowerForm, pose: FlowerPose, color: Color, rng: np.random.Generator) -> None:
    outline = np.vstack([_BELL, [[0.94, 0.0]], (_BELL * [1.0, -1.0])[::-1]])
    angle = -np.pi / 2 + rng.normal(0, 0.25)
    upright = FlowerPose(pose.center, pose.radius * 1.25, 0.0, 1.0, 0.0)
    sketch.polygon(_place(outline @ rotation(angle), upright), color)
    half = np.vstack([[0.0, 0.0], _BELL, [[0.94, 0.0]]])
    sketch.polygon(_place(half @ rotation(angle), upright), shade(color, 0.88))
    for part in (-0.5, 0.5):
        rib = np.array([[0.1, 0.12 * part], [0.6, 0.4 * part], [0.95, 0.5 * part]])
        sketch.line(_place(rib @ rotation(angle), upright), shade(color, 0.7), pose.radius * 0.05)


def _lip(sketch: Sketch, form: FlowerForm, pose: FlowerPose, color: Color, rng: np.random.Generator) -> None:
    lean = rng.normal(0, 0.12)
    parts = (
        ("round", 1.05, 0.8, 0.62),
        ("round", 2.09, 0.8, 0.62),
        ("narrow", -0.15, 0.85, 1.2),
        ("narrow", 3.3, 0.85, 1.2),
        ("notched", -1.57, 1.15, 1.25),
    )
    for name, angle, length, breadth in parts:
        _petal(sketch, _PETALS[name] * [length, breadth], angle + lean, pose, shade(color, rng.uniform(0.92, 1.04)))
    throat = circle(np.array([0.0, -0.3]), 0.2, 10) @ rotation(lean)
    sketch.polygon(_place(throat, pose), mix(color, DISC_YELLOW, 0.8))
    sketch.polygon(_place(circle(np.zeros(2), 0.12, 8), pose), shade(color, 0.5))


def _globe(sketch: Sketch, form: FlowerForm, pose: FlowerPose, color: Color, rng: np.random.Generator) -> None:
    sketch.polygon(circle(pose.center, pose.radius * 0.8, 18), shade(color, 0.62))
    distance = np.sqrt(np.linspace(1.0, 0.0, 42))
    angles = np.arange(42) * 2.399963 + pose.turn
    spike = np.array([[-0.05, 0.09], [0.26, 0.0], [-0.05, -0.09]])
    for reach, angle in zip(distance, angles, strict=True):
        turned = (spike + np.array([reach * 0.78, 0.0])) @ rotation(angle)
        sketch.polygon(pose.center + pose.radius * turned, shade(color, rng.uniform(0.82, 1.08)))


def _floret(sketch: Sketch, form: FlowerForm, pose: FlowerPose, color: Color, rng: np.random.Generator) -> None:
    for index in range(5):
        angle = pose.turn + 2 * np.pi * index / 5
        dot = 0.55 * np.array([np.cos(angle), np.sin(angle)])
        sketch.polygon(_place(circle(dot, 0.42, 7), pose), shade(color, rng.uniform(0.86, 1.04)))
    sketch.polygon(_place(circle(np.zeros(2), 0.25, 6), pose), shade(DISC_YELLOW, 0.9))
