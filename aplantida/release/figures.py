"""The dashboard's plots. Equal values give equal bytes: no dates, no versions, no random ids."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aplantida.domain.escaping import for_plot
from aplantida.release.findings import Findings

COLORS = ("#2f6f4f", "#c98a1b", "#4d78a8", "#a44a3f", "#7a6aa8", "#5d8a8a")
SHOWN_PAIRS = 15
SHOWN_SPECIES = 60  # bars with a name; with more species the axis shows ranks
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "aplantida",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


def draw_funnel(axes: Axes, findings: Findings) -> None:
    """Rows left after each stage."""
    names = [for_plot(name) for name, _ in findings.stages][::-1]
    counts = [count for _, count in findings.stages][::-1]
    named_bars(axes, names, counts, color=COLORS[0])
    for at, count in enumerate(counts):
        axes.text(count, at, f" {count}", va="center")
    axes.set(title="From the collection to the split", xlabel="photos")
    axes.margins(x=0.15)


def draw_species(axes: Axes, findings: Findings) -> None:
    """Photos per species, most photographed first, stacked by split."""
    below = [0] * len(findings.species)
    for color, name in zip(COLORS, ("train", "val", "test"), strict=False):
        counts = [row[name] for row in findings.species]
        above = [low + count for low, count in zip(below, counts, strict=True)]
        if len(counts) <= SHOWN_SPECIES:
            axes.bar(range(len(counts)), counts, bottom=below, width=1.0, color=color, label=name)
        else:  # one outline instead of thousands of bars
            places = range(len(counts))
            axes.fill_between(places, below, above, step="mid", color=color, linewidth=0, label=name)
        below = above
    axes.set(title="Photos per species", ylabel="photos", xlabel="species, by number of photos")
    if len(below) <= SHOWN_SPECIES:
        names = [for_plot(row["class_id"]) for row in findings.species]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6, style="italic")
        axes.set_xlabel("")
    _legend_above(axes)


def draw_curves(axes: Axes, findings: Findings) -> None:
    """Validation top-1 by epoch, a line per run."""
    for position, (name, rows) in enumerate(findings.curves.items()):
        epochs = [row["epoch"] for row in rows]
        color = COLORS[position % len(COLORS)]
        axes.plot(epochs, [row["val_top1"] for row in rows], marker=".", color=color, label=for_plot(name))
    axes.set(title="Training", xlabel="epoch", ylabel="val top-1", ylim=(0, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7, framealpha=0.8)


def draw_models(axes: Axes, findings: Findings) -> None:
    """Test accuracy of every model, with the 95 % interval of top-1."""
    for shift, (key, color) in enumerate(zip(("top1", "top5", "macro_top1"), COLORS, strict=False)):
        values = [metrics["test"][key] or 0.0 for _, metrics in findings.models]
        places = [at + (shift - 1) * 0.27 for at in range(len(values))]
        axes.bar(places, values, width=0.25, color=color, label=key.replace("_", " "))
        if key == "top1":
            spans = [metrics["test"]["top1_interval"] or (0.0, 0.0) for _, metrics in findings.models]
            below = [max(0.0, value - span[0]) for value, span in zip(values, spans, strict=True)]
            above = [max(0.0, span[1] - value) for value, span in zip(values, spans, strict=True)]
            axes.errorbar(places, values, yerr=[below, above], fmt="none", ecolor="#222222", capsize=2)
    axes.set_xticks(
        range(len(findings.models)), [for_plot(label) for label, _ in findings.models], rotation=20, ha="right"
    )
    axes.set(title="Accuracy on the test photos", ylim=(0, 1))
    _legend_above(axes)


def draw_reliability(axes: Axes, findings: Findings) -> None:
    """Accuracy against confidence, before and after temperature scaling."""
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    for name, color in (("before", COLORS[3]), ("after", COLORS[0])):
        part = findings.calibration["reliability"][name]["equal_width"]
        bins = part["bins"]
        label = f"{name}: ECE {part['ece']:.3f}"
        axes.plot(
            [row["confidence"] for row in bins], [row["accuracy"] for row in bins], "o-", color=color, label=label
        )
    axes.set(title="Calibration on the test photos", xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)


def draw_confusions(axes: Axes, findings: Findings) -> None:
    """The most frequent confusions; within a genus in another color."""
    rows = findings.confusions[:SHOWN_PAIRS][::-1]
    names = [for_plot(f"{row['true']} → {row['predicted']}") for row in rows]
    colors = [COLORS[1] if row["same_genus"] == "True" else COLORS[2] for row in rows]
    named_bars(axes, names, [int(row["count"]) for row in rows], color=colors)
    axes.tick_params(axis="y", labelsize=7)
    axes.set(title="Most frequent confusions (ochre: within the genus)", xlabel="photos")


def named_bars(axes: Axes, names: Sequence[str], lengths: Sequence[float], **style: Any) -> None:
    """Bars with names, each on a line of its own even where two names are alike; names are fit for a plot."""
    axes.barh(range(len(names)), lengths, **style)
    axes.set_yticks(range(len(names)), names)


def _legend_above(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)


def panels(findings: Findings) -> dict[str, Callable[[Axes, Findings], None]]:
    """The plots for which there is something to show, in the page's order."""
    available = {
        "funnel": (findings.stages, draw_funnel),
        "species": (findings.species, draw_species),
        "curves": (findings.curves, draw_curves),
        "models": (findings.models, draw_models),
        "reliability": (findings.calibration, draw_reliability),
        "confusions": (findings.confusions, draw_confusions),
    }
    return {name: draw for name, (values, draw) in available.items() if values}


def to_svg(draw: Callable[[Axes], None]) -> str:
    """One plot as an ``<svg>`` element to put into a page."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        draw(figure.subplots())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata=_NO_METADATA)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def to_png(findings: Findings, title: str) -> bytes:
    """All plots on one sheet, 1800 pixels wide."""
    shown = list(panels(findings).values())
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(15, 1 + 4.5 * -(-len(shown) // 2)), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(for_plot(title), fontweight="bold", fontsize=14)
        for position, draw in enumerate(shown, start=1):
            draw(figure.add_subplot(-(-len(shown) // 2), 2, position), findings)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
