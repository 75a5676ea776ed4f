"""What stands around a drawn plant: backgrounds, things in the way, light and the camera's faults."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from aplantida.demo.species import PALETTE

Pixels = NDArray[np.float32]
BACKGROUNDS = ("soil", "grass", "sky", "wall", "leaves")


def _noise(size: tuple[int, int], cells: int, rng: np.random.Generator) -> Pixels:
    """Smooth noise in -1..1, (height, width), with about ``cells`` bumps across."""
    width, height = size
    coarse = rng.uniform(-1, 1, size=(max(2, cells * height // width), cells)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def draw_background(kind: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """An RGB picture of ``size`` (width, height), out of focus: soil, grass, sky, wall or leaves."""
    painter = {"soil": _soil, "grass": _grass, "sky": _sky, "wall": _wall, "leaves": _leaves}[kind]
    half = painter((size[0] // 2, size[1] // 2), rng)
    _blossoms(half, rng)
    half = half.filter(ImageFilter.GaussianBlur(float(rng.uniform(4.0, 7.0))))
    return half.resize(size, Image.Resampling.BILINEAR)


def _blossoms(image: Image.Image, rng: np.random.Generator) -> None:
    """Other flowers far behind, of any color: the colors of a photo say little about the plant in front."""
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for color in rng.permutation(list(PALETTE.values()))[: int(rng.integers(2, 5))].tolist():
        for x, y, radius, light in rng.uniform((0, 0, 5, 0.8), (width, height, 15, 1.1), size=(6, 4)).tolist():
            fill = tuple(int(min(255, channel * light)) for channel in color)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _textured(color: tuple[float, float, float], texture: Pixels) -> Image.Image:
    base = np.array(color, dtype=np.float32) * (1 + texture[..., None])
    return Image.fromarray(np.clip(base, 0, 255).astype(np.uint8), "RGB")


def _soil(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    brown = np.array([118, 92, 68]) + rng.normal(0, 12, 3)
    texture = 0.14 * _noise(size, 9, rng) + 0.16 * _noise(size, 48, rng)
    image = _textured(tuple(brown), texture)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 22))):
        x, y, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(1, 5)
        gray = int(rng.integers(90, 175))
        draw.ellipse((x, y, x + radius * 1.4, y + radius), fill=(gray, gray - 6, gray - 14))
    return image


def _grass(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    green = np.array([70, 98, 44]) + rng.normal(0, 10, 3)
    image = _textured(tuple(green), 0.2 * _noise(size, 7, rng))
    draw = ImageDraw.Draw(image)
    for x, y, lean, length, light in rng.uniform((0, 0, -13, 15, 0.6), (*size, 13, 55, 1.5), size=(90, 5)).tolist():
        red, leaf, blue = (int(min(255, channel * light)) for channel in green)
        draw.line((x, y + length / 2, x + lean, y - length / 2), fill=(red, leaf, blue), width=1)
    return image


def _sky(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    width, height = size
    down = np.linspace(-0.18, 0.16, height, dtype=np.float32)[:, None] * np.ones((1, width), np.float32)
    blue = np.array([122, 160, 204]) + rng.normal(0, 14, 3)
    return _textured(tuple(blue), down + 0.16 * np.clip(_noise(size, 5, rng), 0, 1))


def _wall(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    base = np.array([[176, 164, 148], [150, 104, 84], [132, 132, 130]][int(rng.integers(3))]) + rng.normal(0, 9, 3)
    image = _textured(tuple(base), 0.07 * _noise(size, 6, rng) + 0.07 * _noise(size, 60, rng))
    draw = ImageDraw.Draw(image)
    tall, wide = int(rng.integers(9, 21)), int(rng.integers(22, 48))
    mortar = tuple(int(channel * 0.8) for channel in base)
    for row, y in enumerate(range(int(rng.integers(0, tall)), size[1], tall)):
        draw.line((0, y, size[0], y), fill=mortar, width=1)
        for x in range((row % 2) * wide // 2, size[0], wide):
            draw.line((x, y, x, y + tall), fill=mortar, width=1)
    return image


def _leaves(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    green = np.array([58, 84, 46]) + rng.normal(0, 10, 3)
    image = _textured(tuple(green), 0.25 * _noise(size, 6, rng))
    draw = ImageDraw.Draw(image)
    for x, y, radius, light in rng.uniform((0, 0, 4, 0.55), (*size, 20, 1.5), size=(34, 4)).tolist():
        color = tuple(int(min(255, channel * light)) for channel in green)
        draw.ellipse((x - radius, y - radius * 0.6, x + radius, y + radius * 0.6), fill=color)
    return image.filter(ImageFilter.GaussianBlur(1.3))


def compose(plant: Image.Image, background: Image.Image, rng: np.random.Generator) -> Pixels:
    """Lay premultiplied ``plant`` (RGBa) over ``background`` (RGB) with a soft shadow: (H, W, 3) float32 in 0..255."""
    pixels = np.asarray(plant)
    through = 1.0 - pixels[..., 3:].astype(np.float32) / 255.0
    shadow = plant.getchannel("a").reduce(4).filter(ImageFilter.GaussianBlur(2.0)).resize(plant.size)
    moved = np.roll(np.asarray(shadow, dtype=np.float32), tuple(int(v) for v in rng.integers(-12, 13, size=2)), (0, 1))
    through *= 1.0 - float(rng.uniform(0.1, 0.5)) / 255.0 * moved[..., None]
    return pixels[..., :3] + np.asarray(background, dtype=np.float32) * through


def occlude(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put blurred blades of grass, or a leaf too close to the lens, before the picture."""
    width, height = image.size
    veil = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(veil)
    for _ in range(int(rng.integers(1, 4))):
        x, lean, thick = rng.uniform(0, width), rng.uniform(-70, 70), rng.uniform(5, 16)
        draw.polygon([(x - thick, height), (x + thick, height), (x + lean, rng.uniform(0, height * 0.5))], fill=235)
    color = tuple(int(v) for v in np.array([92, 124, 58]) * rng.uniform(0.6, 1.25))
    front = Image.new("RGB", image.size, color)
    return Image.composite(front, image, veil.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.8, 3.5)))))


def light_and_noise(pixels: Pixels, rng: np.random.Generator) -> Image.Image:
    """Directional light, dappled shade, exposure, white balance and sensor noise: the picture as a camera stores it."""
    height, width = pixels.shape[:2]
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    light = 1 + np.float32(strength) * (np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down)
    if rng.random() < 0.35:
        light = light * (1 - 0.35 * (np.clip(_noise((width, height), 5, rng) * 3, -1, 1) * 0.5 + 0.5))
    balance = np.exp(rng.normal(0, 0.05, 3)) * rng.uniform(0.78, 1.18)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * float(rng.uniform(1, 8))
    pixels *= light[..., None]
    pixels *= balance.astype(np.float32)
    pixels += grain
    return Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8), "RGB")


def blur(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Now and then a photo is out of focus: radius up to 1.6 pixels."""
    radius = float(rng.uniform(0, 1.6)) if rng.random() < 0.25 else 0.0
    return image.filter(ImageFilter.GaussianBlur(radius)) if radius > 0.3 else image
