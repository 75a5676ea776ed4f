"""The trials of a sweep for a reader: a table, and accuracy against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from aplantida.release.figures import COLORS, to_svg
from aplantida.release.page import page, section, table


def sweep_page(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], metric: str, best: int) -> str:
    """One HTML file.

    Args:
        columns: of the table, in order.
        rows: of the trials: the columns, ``trial``, ``bytes`` and ``val_top1`` among them.
        metric: by which the best was chosen.
        best: number of that trial.
    """
    ordered = sorted(rows, key=lambda row: (-row["val_top1"], row["val_loss"], row["trial"]))
    return page(
        "Trials of the distillation",
        "\n".join(
            (
                f"<p>Trial {best} is the best by {metric}.</p>",
                section(
                    "Accuracy and size",
                    to_svg(partial(draw_pareto, rows=rows)),
                    "<p>The line joins the trials that no smaller or equally small one beats.</p>",
                ),
                section("All trials", table(columns, [[row[name] for name in columns] for row in ordered])),
            )
        ),
    )


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (size, accuracy) those that no point of the same size or less equals or beats, by size."""
    front: list[tuple[float, float]] = []
    for size, accuracy in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((size, accuracy))
    return front


def draw_pareto(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Validation top-1 over the size of the weights in float16."""
    points = [(row["bytes"] / 1e6, row["val_top1"]) for row in rows]
    front = pareto_front(points)
    axes.scatter(*zip(*points, strict=True), color=COLORS[2], s=18)
    axes.plot(*zip(*front, strict=True), color=COLORS[0], marker="o", markersize=5)
    axes.set(title="Trials", xlabel="MB of weights in float16", ylabel="val top-1")
