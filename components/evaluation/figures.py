"""The pictures of a run: confusion matrix, learning curves, reliability diagram.

Drawn with matplotlib's object-oriented interface, without a display. Two colours that
people with any colour vision tell apart, readable on a light and on a dark page.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType
from numpy.typing import NDArray

from components.artifacts.history import HistoryPoint, series
from components.evaluation.intervals import wilson
from components.evaluation.scoring import Bin

BLUE = "#2f7fc1"
ORANGE = "#d9730d"
TEXT = "#1f2328"
# With more classes than these, counts and names overlap in a figure as wide as the report.
_COUNTS_UP_TO = 20
_NAMES_UP_TO = 40
_LABEL_WIDTH = 16
"""Characters of a label that are shown."""
_STYLE: dict[RcKeyType, Any] = {
    "font.size": 9,
    "axes.edgecolor": TEXT,
    "axes.labelcolor": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "grid.alpha": 0.14,
    "grid.color": TEXT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": TEXT,
    "text.parse_math": False,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    # Text stays text, to be searched and read aloud; a fixed salt makes the same ids each time.
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnflow",
}


def confusion_figure(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> Figure:
    """Rows: true labels, columns: predicted; colour: the share of the row; text: the count."""
    with mpl.rc_context(_STYLE):
        counts = np.asarray(confusion, dtype=np.float64)
        rows = counts.sum(axis=1, keepdims=True)
        share = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
        # In inches: 0.3 per class, and room for the names of the axes.
        side = float(np.clip(1.7 + 0.3 * len(labels), 3.4, 8.0))
        figure = _figure(side, side)
        axes = figure.subplots()
        axes.imshow(_shades(share), interpolation="nearest")
        axes.set(xlabel="predicted", ylabel="true")
        _name_classes(axes, labels)
        if len(labels) <= _COUNTS_UP_TO:
            _write_counts(axes, counts, share)
        return figure


def learning_figure(points: tuple[HistoryPoint, ...], best_step: int | None = None) -> Figure:
    """Loss and accuracy against the global step; a line marks the step that was kept."""
    with mpl.rc_context(_STYLE):
        figure = _figure(5.2, 4.4)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        above.plot(*series(points, "train/loss"), color=BLUE, lw=1, alpha=0.75, label="training")
        validation = {"color": ORANGE, "lw": 1.6, "marker": "o", "ms": 3}
        average_loss = series(points, "validation/average_loss")
        above.plot(*average_loss, label="validation", **validation)
        below.plot(*series(points, "validation/accuracy"), **validation)
        above.set_title("Loss (mean cross entropy, nats)")
        below.set_title("Validation accuracy")
        below.set_xlabel("global step")
        above.legend(loc="upper right")
        above.set_ylim(bottom=0)
        for axes in (above, below):
            axes.grid(visible=True)
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            if best_step is not None:
                axes.axvline(best_step, color=TEXT, lw=0.9, ls=(0, (2, 2)))
        if best_step is not None:
            below.annotate(
                f"kept: step {best_step:,}",
                (best_step, 0.06),
                xycoords=("data", "axes fraction"),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
            )
        return figure


def reliability_figure(bins: Sequence[Bin]) -> Figure:
    """Accuracy against confidence, with 95 % intervals, over a histogram of the confidence."""
    with mpl.rc_context(_STYLE):
        figure = _figure(4.2, 4.4)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        above.plot([0, 1], [0, 1], color=TEXT, lw=0.9, ls=(0, (2, 2)), label="perfect calibration")
        for each in bins:
            if each.count:
                seen = wilson(round(each.accuracy * each.count), each.count)
                error = [[seen.value - seen.low], [seen.high - seen.value]]
                above.errorbar(
                    each.confidence, seen.value, error,
                    color=BLUE, marker="o", ms=5, lw=1.2, capsize=2,
                )  # fmt: skip
        above.set(xlim=(0, 1), ylim=(0, 1.02))
        above.set_title("Accuracy in each bin of confidence")
        above.legend(loc="lower right")
        width = bins[0].high - bins[0].low
        counts = [each.count for each in bins]
        below.bar([each.low for each in bins], counts, width * 0.9, align="edge", color=BLUE)
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        below.set_title("Examples in each bin")
        below.set_xlabel("confidence (top probability)")
        above.grid(visible=True)
        return figure


def trials_figure(
    curves: Sequence[tuple[Sequence[int], Sequence[float]]], best: int, metric: str
) -> Figure:
    """The metric of each trial of a sweep against its global step; the best one stands out.

    Args:
        curves: the steps and the values of each trial.
        best: the place of the best among them.
        metric: its name.
    """
    with mpl.rc_context(_STYLE):
        figure = _figure(5.2, 3.4)
        axes = figure.subplots()
        for place, (steps, values) in enumerate(curves):
            if place != best:
                axes.plot(steps, values, color=BLUE, lw=0.9, alpha=0.4)
        axes.plot(*curves[best], color=ORANGE, lw=1.8, label="best trial")
        axes.set_title(metric)
        axes.set_xlabel("global step")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(visible=True)
        axes.legend()
        return figure


def importances_figure(importances: Mapping[str, float]) -> Figure:
    """A bar for each parameter of a sweep, the most important one at the top."""
    with mpl.rc_context(_STYLE):
        figure = _figure(5.2, 0.6 + 0.3 * len(importances))
        axes = figure.subplots()
        axes.barh(list(importances), list(importances.values()), color=BLUE, height=0.6)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.tick_params(axis="y", length=0)
        return figure


def png(figure: Figure) -> bytes:
    """The figure on white, 110 dots per inch."""
    buffer = io.BytesIO()
    metadata = {"Software": None}
    with warnings.catch_warnings():
        # A label in a script that the font lacks is drawn as a box: that is enough.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(buffer, format="png", dpi=110, facecolor="white", metadata=metadata)
    return buffer.getvalue()


def svg(figure: Figure, description: str) -> str:
    """The figure as an ``<svg>`` element for a page: scales, takes the page's font and text colour.

    Args:
        figure: made by this module.
        description: what a screen reader says.
    """
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The page's font, not this one, draws the text.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    # Matplotlib writes a document of fixed size; an element of a page has a viewBox instead, and a
    # width in CSS pixels, of which a point has 4/3.
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    width, height = (float(value) for value in re.findall(r'(?:width|height)="([\d.]+)pt"', text))
    head = (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width * 4 / 3:.0f}" role="img" '
        f'aria-label="{html.escape(description)}">'
    )
    text = head + text[text.index(">") + 1 :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]+", "font-family: inherit", text)
    return text.replace(TEXT, "currentColor").strip()


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _shades(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """[K, K] shares as [K, K, 4] colours; the paper shows through a small share."""
    colours = np.empty((*share.shape, 4))
    colours[..., :3] = to_rgb(BLUE)
    colours[..., 3] = np.where(share > 0, 0.12 + 0.88 * share, 0.03)
    return colours


def _name_classes(axes: Axes, labels: Sequence[str]) -> None:
    """Every name while there is room, then every second, and so on."""
    shown = range(0, len(labels), -(-len(labels) // _NAMES_UP_TO))
    names = [
        labels[i] if len(labels[i]) <= _LABEL_WIDTH else labels[i][: _LABEL_WIDTH - 1] + "…"
        for i in shown
    ]
    upright = max(map(len, names)) > 3
    axes.set_xticks(shown, names, rotation=90 if upright else 0)
    axes.set_yticks(shown, names)
    axes.tick_params(length=0, labelsize=9 if len(labels) <= _COUNTS_UP_TO else 7)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write_counts(axes: Axes, counts: NDArray[np.float64], share: NDArray[np.float64]) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if share[row, column] > 0.5 else TEXT
        text = f"{counts[row, column]:.0f}"
        cell = axes.text(column, row, text, ha="center", va="center", color=colour)
        cell.set_in_layout(False)  # Inside the axes anyway, and hundreds take seconds to lay out.
