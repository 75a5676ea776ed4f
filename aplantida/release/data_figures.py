"""Plots of a collection: photos per species, licences, sizes, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from aplantida.domain.escaping import for_plot
from aplantida.release.figures import COLORS, named_bars

MOST_BARS = 20


def draw_photos_per_species(axes: Axes, counts: Sequence[int]) -> None:
    """Photos per species on a logarithmic scale, species by rank."""
    ordered = sorted((count for count in counts if count > 0), reverse=True)
    axes.fill_between(range(1, len(ordered) + 1), ordered, 0.8, step="mid", color=COLORS[0], alpha=0.35)
    axes.step(range(1, len(ordered) + 1), ordered, where="mid", color=COLORS[0])
    axes.set_yscale("log")
    axes.set(title="Photos per species", xlabel="species, by number of photos", ylabel="photos (log)", ylim=(0.8, None))


def draw_counts(axes: Axes, counts: Mapping[str, int], title: str, xlabel: str = "photos") -> None:
    """The most frequent values as bars."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_BARS][::-1]
    named_bars(axes, [for_plot(name) for name, _ in rows], [count for _, count in rows], color=COLORS[2])
    for at, (_, count) in enumerate(rows):
        axes.text(count, at, f" {count}", va="center", fontsize=8)
    axes.margins(x=0.12)
    axes.set(title=for_plot(title), xlabel=xlabel)


def draw_sizes(axes: Axes, short_sides: Mapping[int, int], stored: int) -> None:
    """A histogram of the originals' short sides; the dashed line is the stored short side."""
    axes.hist(list(short_sides), bins=40, weights=list(short_sides.values()), color=COLORS[1])
    axes.axvline(stored, color="#222222", linestyle="--", linewidth=1)
    axes.set(title=f"Short side of the originals (stored: {stored})", xlabel="pixels", ylabel="photos")
