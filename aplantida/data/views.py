"""Views of a photo: the crop a teacher looked at, kept as data, so that the student can look at exactly the same.

A label belongs to a view, not to an image. View 0 is the centre crop; views 1…K are random-resized-crop + flip, drawn
from ``derive_seed(seed, "view", image_id, view)``. A crop is stored in coordinates normalized to the stored photo, so
it can be replayed at any image size. (Fast knowledge distillation: Shen & Xing, 2022, arXiv 2112.01528.)
"""

from __future__ import annotations

import math
import random
import struct
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.seeds import derive_seed

CENTRE = 0
DEFAULT_SCALE = (0.35, 1.0)
DEFAULT_RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 10
_FLOAT32 = struct.Struct("4f")
_draws = threading.local()  # seeding a generator is half as much work as making one

VIEW_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("view", pa.int16(), nullable=False),  # 0 the centre crop, 1…K drawn
        pa.field("x0", pa.float32(), nullable=False),  # left edge, 0..1 of the stored photo's width
        pa.field("y0", pa.float32(), nullable=False),  # upper edge, 0..1 of its height
        pa.field("x1", pa.float32(), nullable=False),  # right edge, > x0
        pa.field("y1", pa.float32(), nullable=False),  # lower edge, > y0
        pa.field("flip", pa.bool_(), nullable=False),  # mirrored left to right, after the crop
    ]
)


class View(NamedTuple):
    """A crop of a stored photo in 0..1 of its width and height, and whether it is mirrored afterwards.

    The coordinates are float32 values, so that writing and reading them changes nothing.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    flip: bool = False

    @property
    def box(self) -> tuple[float, float, float, float]:
        """``(x0, y0, x1, y1)``."""
        return (self.x0, self.y0, self.x1, self.y1)

    def pixels(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The crop ``(left, upper, right, lower)`` in pixels of a ``width`` x ``height`` photo, not rounded."""
        return (self.x0 * width, self.y0 * height, self.x1 * width, self.y1 * height)


def centre_view(width: int, height: int, preprocessing: Preprocessing) -> View:
    """View 0: the square that ``preprocessing`` keeps of a ``width`` x ``height`` photo, not mirrored.

    Raises:
        ValueError: when a side is not positive.
    """
    _check_sides(width, height)
    side = min(width, height) * preprocessing.image_size / preprocessing.resize_size
    return _view((width - side) / 2, (height - side) / 2, side, side, width, height, flip=False)


def random_view(
    width: int,
    height: int,
    *,
    seed: int,
    image_id: str,
    view: int,
    scale: tuple[float, float] = DEFAULT_SCALE,
    ratio: tuple[float, float] = DEFAULT_RATIO,
    flip_probability: float = 0.5,
) -> View:
    """One random-resized-crop + flip: a pure function of its arguments (Inception crop, Szegedy et al., 2015).

    Args:
        width: of the stored photo, pixels; only the proportion of the sides matters.
        height: of the stored photo, pixels.
        seed: the run's seed.
        image_id: the photo.
        view: 1 or more.
        scale: smallest and largest part of the photo's area, within (0, 1].
        ratio: smallest and largest width / height of the crop, in pixels; drawn evenly on a log scale.
        flip_probability: 0 to 1.

    Raises:
        ValueError: when a side, the view's number or a range cannot be meant.
    """
    _check_sides(width, height)
    if view < 1:
        raise ValueError(f"a drawn view has a number of 1 or more, not {view}: view {CENTRE} is the centre crop")
    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale must be two rising parts of the area within 0..1, not {scale}")
    if not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio must be two rising positive numbers, not {ratio}")
    draw = seeded(derive_seed(seed, "view", image_id, view))
    flip = draw.random() < flip_probability
    least, most = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(_ATTEMPTS):
        area = width * height * (scale[0] + (scale[1] - scale[0]) * draw.random())
        proportion = math.exp(least + (most - least) * draw.random())
        crop_width, crop_height = math.sqrt(area * proportion), math.sqrt(area / proportion)
        if crop_width <= width and crop_height <= height:
            left, upper = draw.random() * (width - crop_width), draw.random() * (height - crop_height)
            return _view(left, upper, crop_width, crop_height, width, height, flip=flip)
    crop_width, crop_height = min(width, height * ratio[1]), min(height, width / ratio[0])
    return _view(
        (width - crop_width) / 2, (height - crop_height) / 2, crop_width, crop_height, width, height, flip=flip
    )


def random_views(
    width: int,
    height: int,
    *,
    seed: int,
    image_id: str,
    num_views: int,
    scale: tuple[float, float] = DEFAULT_SCALE,
    ratio: tuple[float, float] = DEFAULT_RATIO,
    flip_probability: float = 0.5,
) -> list[View]:
    """Views 1…``num_views`` in order, see :func:`random_view`. Asking for more views never changes the first ones."""
    return [
        random_view(
            width,
            height,
            seed=seed,
            image_id=image_id,
            view=view,
            scale=scale,
            ratio=ratio,
            flip_probability=flip_probability,
        )
        for view in range(1, num_views + 1)
    ]


def views_to_arrow(rows: Iterable[tuple[str, int, View]]) -> pa.Table:
    """A table of ``VIEW_SCHEMA`` from (image id, view number, view), in the order given."""
    listed = list(rows)
    columns: dict[str, Sequence[object]] = {
        "image_id": [image_id for image_id, _, _ in listed],
        "view": [number for _, number, _ in listed],
        **{name: [getattr(view, name) for _, _, view in listed] for name in View._fields},
    }
    return pa.table(columns, schema=VIEW_SCHEMA)


def views_from_arrow(table: pa.Table) -> dict[tuple[str, int], View]:
    """(image id, view number) -> view, in the order of the rows.

    Raises:
        ValueError: when a column of ``VIEW_SCHEMA`` is missing, or an image has two views of one number.
    """
    missing = [name for name in VIEW_SCHEMA.names if name not in table.column_names]
    if missing:
        raise ValueError(f"not a table of views: no column {missing}, only {table.column_names}")
    columns = [table[name].to_pylist() for name in VIEW_SCHEMA.names]
    views = {(image_id, number): View(*box) for image_id, number, *box in zip(*columns, strict=True)}
    if len(views) != table.num_rows:
        raise ValueError(f"views: {table.num_rows} rows but {len(views)} different (image_id, view)")
    return views


def _check_sides(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"a photo has sides of at least one pixel, not {width} x {height}")


def _view(left: float, upper: float, wide: float, high: float, width: int, height: int, *, flip: bool) -> View:
    edges = (left / width, upper / height, (left + wide) / width, (upper + high) / height)
    x0, y0, x1, y1 = _FLOAT32.unpack(_FLOAT32.pack(*[min(max(edge, 0.0), 1.0) for edge in edges]))
    return View(x0, y0, x1, y1, flip)


def seeded(seed: int) -> random.Random:
    """This thread's generator, in the state of a new one of this seed."""
    draw: random.Random | None = getattr(_draws, "generator", None)
    if draw is None:
        draw = _draws.generator = random.Random()
    draw.seed(seed)
    return draw
