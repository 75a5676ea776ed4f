"""Pictures of no plant, drawn: one function a kind, from a random generator to (SIDE, SIDE, 3) uint8."""

from __future__ import annotations

import colorsys
import string
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE = 256
Pixels = npt.NDArray[np.uint8]
Draw = np.random.Generator


def _color(draw: Draw) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(draw.uniform(), draw.uniform(0, 0.9), draw.uniform(0.15, 1.0))
    return int(255 * red), int(255 * green), int(255 * blue)


def _grid() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return x, y


def _blend(draw: Draw, share: npt.NDArray[np.floating]) -> Pixels:
    """Two colors, mixed by (SIDE, SIDE) shares of 0..1."""
    one, other = np.array(_color(draw)), np.array(_color(draw))
    return (one + share[..., None] * (other - one)).clip(0, 255).astype(np.uint8)


def _clouds(draw: Draw, roughness: float) -> npt.NDArray[np.float64]:
    """(SIDE, SIDE) smooth noise of many scales, 0..1."""
    found, weight = np.zeros((SIDE, SIDE)), 1.0
    for cells in (3, 6, 12, 24, 48):
        grid = Image.fromarray((255 * draw.random((cells, cells))).astype(np.uint8))
        found += weight * np.asarray(grid.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 255
        weight *= roughness
    low, high = found.min(), found.max()
    return (found - low) / max(high - low, 1e-9)


def _canvas(color: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (SIDE, SIDE), color)
    return picture, ImageDraw.Draw(picture)


def _words(draw: Draw, count: int) -> str:
    letters = list(string.ascii_lowercase)
    return " ".join("".join(draw.choice(letters, draw.integers(2, 10))) for _ in range(count))


def pixel_noise(draw: Draw) -> Pixels:
    """Independent pixels: uniform, or around a color."""
    if draw.random() < 0.5:
        return draw.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    noise = draw.normal(scale=draw.uniform(5, 60), size=(SIDE, SIDE, 3))
    return (np.array(_color(draw)) + noise).clip(0, 255).astype(np.uint8)


def clouds(draw: Draw) -> Pixels:
    """Smooth noise between two colors."""
    return _blend(draw, _clouds(draw, draw.uniform(0.3, 0.7)))


def gradient(draw: Draw) -> Pixels:
    """From one color to another, along a line or around a point."""
    x, y = _grid()
    if draw.random() < 0.5:
        angle = draw.uniform(0, 2 * np.pi)
        share = x * np.cos(angle) + y * np.sin(angle)
    else:
        share = np.hypot(x - draw.uniform(), y - draw.uniform())
    return _blend(draw, (share - share.min()) / np.ptp(share))


def flat_color(draw: Draw) -> Pixels:
    """One color."""
    return np.full((SIDE, SIDE, 3), _color(draw), np.uint8)


def shapes(draw: Draw) -> Pixels:
    """Circles, boxes and triangles."""
    picture, pen = _canvas(_color(draw))
    for _ in range(draw.integers(3, 20)):
        x, y, size = draw.uniform(0, SIDE), draw.uniform(0, SIDE), draw.uniform(10, 90)
        kind = draw.integers(3)
        if kind == 0:
            pen.ellipse((x - size, y - size, x + size, y + size), fill=_color(draw))
        elif kind == 1:
            pen.rectangle((x - size, y - size / 2, x + size, y + size / 2), fill=_color(draw))
        else:
            pen.polygon([(x, y - size), (x - size, y + size), (x + size, y + size)], fill=_color(draw))
    return np.asarray(picture)


def stripes(draw: Draw) -> Pixels:
    """Stripes or a chequered board."""
    x, y = _grid()
    angle, waves = draw.uniform(0, np.pi), draw.uniform(3, 30)
    across = np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)))
    along = np.sin(2 * np.pi * waves * (y * np.cos(angle) - x * np.sin(angle)))
    return _blend(draw, ((across * along if draw.random() < 0.5 else across) > 0).astype(float))


def text_page(draw: Draw) -> Pixels:
    """A page of words, or a screen of them in light on dark."""
    dark = draw.random() < 0.3
    picture, pen = _canvas((20, 20, 28) if dark else (250, 248, 240))
    size = int(draw.integers(9, 26))
    font, ink = ImageFont.load_default(size), (225, 225, 210) if dark else (25, 25, 30)
    for top in range(6, SIDE, int(size * 1.4)):
        pen.text((int(draw.integers(4, 24)), top), _words(draw, 9), fill=ink, font=font)
    return np.asarray(picture)


def screen(draw: Draw) -> Pixels:
    """Windows with title bars, lists and buttons."""
    picture, pen = _canvas(_color(draw))
    font = ImageFont.load_default(10)
    for _ in range(draw.integers(1, 4)):
        left, top = draw.integers(0, SIDE // 2, 2).tolist()
        right, bottom = left + int(draw.integers(80, 200)), top + int(draw.integers(60, 180))
        pen.rectangle((left, top, right, bottom), fill=(245, 245, 247), outline=(90, 90, 90))
        pen.rectangle((left, top, right, top + 14), fill=_color(draw))
        for line in range(top + 20, bottom - 10, 13):
            pen.text((left + 5, line), _words(draw, 4)[: (right - left) // 7], fill=(40, 40, 40), font=font)
        pen.rectangle((right - 40, bottom - 16, right - 5, bottom - 4), fill=_color(draw))
    return np.asarray(picture)


def chart(draw: Draw) -> Pixels:
    """Axes with bars or lines."""
    picture, pen = _canvas((255, 255, 255))
    pen.line([(25, 10), (25, 230), (245, 230)], fill=(0, 0, 0), width=2)
    if draw.random() < 0.5:
        for left in range(35, 235, int(draw.integers(14, 40))):
            pen.rectangle((left, int(draw.integers(30, 220)), left + 10, 230), fill=_color(draw))
    else:
        for _ in range(draw.integers(1, 5)):
            heights = (120 + draw.normal(scale=18, size=22).cumsum()).clip(15, 228)
            pen.line([(25 + 10 * at, float(height)) for at, height in enumerate(heights)], fill=_color(draw), width=2)
    return np.asarray(picture)


def bricks(draw: Draw) -> Pixels:
    """A wall of bricks or tiles, with grain."""
    picture, pen = _canvas((170, 165, 160))
    height, width, base = int(draw.integers(12, 44)), int(draw.integers(24, 90)), np.array(_color(draw))
    for row, top in enumerate(range(0, SIDE, height)):
        for left in range(-width, SIDE, width):
            shade = (base * draw.uniform(0.8, 1.1)).clip(0, 255).astype(int)
            start = left + (row % 2) * width // 2
            pen.rectangle((start + 2, top + 2, start + width - 2, top + height - 2), fill=tuple(shade.tolist()))
    grain = draw.normal(scale=8, size=(SIDE, SIDE, 1))
    return (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)


def wood(draw: Draw) -> Pixels:
    """Grain of a board."""
    x, y = _grid()
    rings = np.sin(2 * np.pi * (draw.uniform(6, 20) * x + 2 * _clouds(draw, 0.4) + 0.3 * y))
    one = np.array([draw.integers(120, 200), draw.integers(80, 130), draw.integers(40, 80)])
    return (one + 22 * rings[..., None] + draw.normal(scale=4, size=(SIDE, SIDE, 1))).clip(0, 255).astype(np.uint8)


def fabric(draw: Draw) -> Pixels:
    """Threads over and under."""
    x, y = _grid()
    waves = draw.uniform(15, 50)
    over, under = np.floor(waves * y) % 2, np.floor(waves * x) % 2
    weave = np.sin(2 * np.pi * waves * x) * over + np.sin(2 * np.pi * waves * y) * under
    return _blend(draw, (0.5 + 0.3 * weave + draw.normal(scale=0.05, size=weave.shape)).clip(0, 1))


def sky(draw: Draw) -> Pixels:
    """Clouds before blue or evening."""
    y = _grid()[1]
    high, low = np.array([60, 110, 190]), np.array([190, 210, 235]) if draw.random() < 0.6 else np.array([240, 150, 90])
    colors = high + y[..., None] * (low - high)
    cover = (_clouds(draw, 0.55) ** draw.uniform(1, 3))[..., None]
    return (colors + cover * (245 - colors)).clip(0, 255).astype(np.uint8)


def water(draw: Draw) -> Pixels:
    """Waves towards a horizon."""
    x, y = _grid()
    far = 1 / (0.08 + y)
    share = 0.5 + 0.25 * np.sin(25 * far + 6 * _clouds(draw, 0.5)) + 0.2 * np.sin(14 * far * x + draw.uniform(0, 6))
    deep = np.array([10, draw.integers(40, 90), draw.integers(80, 150)])
    return (deep + 110 * share.clip(0, 1)[..., None]).clip(0, 255).astype(np.uint8)


def lights(draw: Draw) -> Pixels:
    """Blurred lights at night."""
    picture, pen = _canvas((8, 8, int(draw.integers(8, 40))))
    for _ in range(draw.integers(15, 60)):
        x, y, size = draw.uniform(0, SIDE), draw.uniform(0, SIDE), draw.uniform(3, 16)
        pen.ellipse((x - size, y - size, x + size, y + size), fill=_color(draw))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(float(draw.uniform(0.5, 5)))))


def face(draw: Draw) -> Pixels:
    """A drawn face."""
    picture, pen = _canvas(_color(draw))
    tone = int(draw.integers(90, 240))
    pen.ellipse((60, 40, 196, 220), fill=(tone, int(tone * 0.82), int(tone * 0.7)))
    pen.pieslice((55, 20, 201, 150), 180, 360, fill=_color(draw))
    for left in (92, 140):
        pen.ellipse((left, 105, left + 24, 122), fill=(255, 255, 255))
        pen.ellipse((left + 7, 107, left + 17, 120), fill=_color(draw))
    pen.arc((95, 150, 162, 195), 10, 170, fill=(150, 40, 40), width=int(draw.integers(3, 8)))
    soft = picture.filter(ImageFilter.GaussianBlur(float(draw.uniform(0, 3))))
    return (np.asarray(soft) + draw.normal(scale=5, size=(SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)


def room(draw: Draw) -> Pixels:
    """Walls, floor, a window and a table."""
    picture, pen = _canvas(_color(draw))
    line = int(draw.integers(130, 190))
    pen.polygon([(0, SIDE), (SIDE, SIDE), (200, line), (56, line)], fill=_color(draw))
    pen.rectangle((56, 0, 200, line), fill=_color(draw))
    left = int(draw.integers(70, 120))
    pen.rectangle((left, 30, left + 60, 90), fill=(200, 225, 245), outline=(80, 60, 50), width=4)
    pen.polygon([(40, 200), (170, 200), (190, 225), (30, 225)], fill=_color(draw))
    light = 0.7 + 0.5 * _clouds(draw, 0.3)[..., None]
    return (np.asarray(picture) * light + draw.normal(scale=5, size=(SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)


def bar_code(draw: Draw) -> Pixels:
    """Black and white bars or squares, as on a label."""
    if draw.random() < 0.5:
        cells = (draw.random((25, 25)) < 0.5).astype(np.uint8) * 255
    else:
        cells = np.repeat((draw.random((1, 60)) < 0.5).astype(np.uint8) * 255, 60, axis=0)
    picture = Image.fromarray(cells).resize((200, 200), Image.Resampling.NEAREST)
    page = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    page.paste(picture.rotate(float(draw.uniform(-12, 12)), fillcolor=255), (28, 28))
    return np.asarray(page)


KINDS: Mapping[str, Callable[[Draw], Pixels]] = {
    kind.__name__: kind
    for kind in (
        *(pixel_noise, clouds, gradient, flat_color, shapes, stripes, text_page, screen, chart, bricks, wood),
        *(fabric, sky, water, lights, face, room, bar_code),
    )
}
