"""A sketch: flat shapes in plant coordinates, painted in the order they were added, seen by an affine camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]
Color = tuple[int, int, int]
_SUPERSAMPLING = 2


def shade(color: Sequence[float], factor: float) -> Color:
    """``color`` (0..255 per channel) times ``factor``, clipped."""
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in color)
    return red, green, blue


def mix(first: Sequence[float], second: Sequence[float], part: float) -> Color:
    """``first`` and ``second`` mixed, ``part`` (0..1) of the second."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, second, strict=True))
    return red, green, blue


def rotation(angle: float) -> Points:
    """The 2 × 2 matrix that turns row vectors by ``angle`` radians counter-clockwise: ``points @ matrix``."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


def circle(center: Points, radius: float, corners: int = 14) -> Points:
    """A regular polygon of (corners, 2) points."""
    angles = np.linspace(0.0, 2 * np.pi, corners, endpoint=False)
    return center + radius * np.column_stack([np.cos(angles), np.sin(angles)])


@dataclass
class Sketch:
    """Shapes in plant coordinates: x to the right, y up, the whole plant about one unit tall."""

    shapes: list[tuple[Points, Color, float]] = field(default_factory=list)
    focus: list[Points] = field(default_factory=list)

    def polygon(self, points: Points, color: Color) -> None:
        """Add a filled polygon of (n, 2) points."""
        self.shapes.append((points, color, 0.0))

    def line(self, points: Points, color: Color, width: float) -> None:
        """Add an open line of (n, 2) points, ``width`` in plant units."""
        self.shapes.append((points, color, width))

    def bounds(self) -> tuple[Points, Points]:
        """The lower left and upper right corner of everything drawn."""
        everything = np.concatenate([points for points, _, _ in self.shapes])
        return everything.min(axis=0), everything.max(axis=0)

    def rasterize(self, matrix: Points, offset: Points, size: tuple[int, int], scale: float) -> Image.Image:
        """Photograph the sketch: premultiplied RGBA of ``size`` (width, height) pixels, antialiased.

        Args:
            matrix: (2, 2), plant units to pixels for row vectors.
            offset: (2,), where the origin falls, in pixels.
            size: width and height of the picture in pixels.
            scale: pixels per plant unit, for the widths of lines.
        """
        factor = _SUPERSAMPLING
        canvas = Image.new("RGBA", (size[0] * factor, size[1] * factor))
        draw = ImageDraw.Draw(canvas)
        lengths = [len(points) for points, _, _ in self.shapes]
        pixels = (np.concatenate([points for points, _, _ in self.shapes]) @ matrix + offset) * factor
        flat = pixels.ravel().tolist()
        start = 0
        for (_, color, width), length in zip(self.shapes, lengths, strict=True):
            corners = flat[start : start + 2 * length]
            start += 2 * length
            if width > 0:
                draw.line(corners, fill=(*color, 255), width=max(1, round(width * scale * factor)), joint="curve")
            else:
                draw.polygon(corners, fill=(*color, 255))
        return _reduce(canvas, factor)


def _reduce(canvas: Image.Image, factor: int) -> Image.Image:
    """Premultiply, then average ``factor`` × ``factor`` blocks."""
    opaque = canvas.convert("RGBa")
    bands = [band.reduce(factor) for band in opaque.split()]
    return Image.merge("RGBa", bands)
