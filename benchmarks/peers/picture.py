"""The training steps of all peers, drawn: one group of bars a work."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib

from benchmarks.peers.work import WORKS
from benchmarks.processes.children import ROOT

PICTURE: Final = ROOT / "docs/training_speed.svg"

_COLOURS: Final = {
    "rnn_core": "#1b7f5c",
    "stock": "#7cc4a6",
    "2.15": "#d9822b",
    "Keras 3": "#8a6fb0",
    "torch": "#5b8cc9",
    "products": "#bbbbbb",
}
_LEGEND: Final = {
    "rnn_core": "rnn_core",
    "stock": "rnn_core without its native layers",
    "2.15": "TensorFlow 2.15.1's estimator",
    "Keras 3": "Keras 3, XLA",
    "torch": "torch 2.13",
    "products": "only the step's matrix products",
}


def draw(found: Mapping[str, Mapping[str, Sequence[float]]], path: Path = PICTURE) -> None:
    """Writes the picture of the seconds a step, by work and peer."""
    matplotlib.use("svg")
    # After the choice of what draws, which needs no screen.
    from matplotlib import pyplot

    # So that the same figures give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "rnnflow", "svg.fonttype": "none", "font.size": 9})
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    peers = [peer for peer in _COLOURS if any(peer in one for one in found.values())]
    for position, peer in enumerate(peers):
        drawn = {i: one[peer] for i, one in enumerate(found.values()) if peer in one}
        left = [i + (position - (len(peers) - 1) / 2) * 0.14 for i in drawn]
        heights = [1e3 * statistics.median(seconds) for seconds in drawn.values()]
        bars = axes.bar(left, heights, 0.13, color=_COLOURS[peer], label=_LEGEND[peer])
        axes.bar_label(bars, fmt="%.3g", fontsize=6, padding=1)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("milliseconds a training step")
    axes.set_xticks(range(len(found)), [f"{name}\n{_describe(name)}" for name in found], fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.25)
    axes.legend(ncols=3, frameon=False, loc="upper left", fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _describe(name: str) -> str:
    work = WORKS[name]
    steps = f"{work.shortest} to {work.longest}" if work.is_ragged else str(work.longest)
    return f"{work.cell.upper()} {list(work.units)}\nB={work.rows} T={steps} F={work.features}"
