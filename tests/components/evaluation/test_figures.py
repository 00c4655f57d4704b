"""The pictures: drawn for few and many classes, small, the same each time, safe in a page."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from components.artifacts.history import HistoryPoint
from components.evaluation.figures import (
    TEXT,
    confusion_figure,
    learning_figure,
    png,
    reliability_figure,
    svg,
)
from components.evaluation.scoring import Bin

SMALL = 100_000
BINS = (Bin(0.0, 0.5, 0, 0.0, 0.0), Bin(0.5, 1.0, 40, 0.8, 0.75))
HISTORY = tuple(
    HistoryPoint(
        step,
        step,
        {"train/loss": 10 / step, "validation/average_loss": 11 / step, "validation/accuracy": 0.5},
    )
    for step in range(10, 200, 10)
)


def confusion(classes: int) -> list[list[int]]:
    return (np.eye(classes, dtype=int) * 30 + 1).tolist()


def texts(picture: str) -> list[str]:
    root = ET.fromstring(f"<p xmlns:xlink='http://www.w3.org/1999/xlink'>{picture}</p>")
    return [node.text or "" for node in root.iter() if node.tag.endswith("text")]


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 20, 150])
def test_a_confusion_matrix_of_any_size_is_small(classes: int) -> None:
    figure = confusion_figure([f"class {i}" for i in range(classes)], confusion(classes))
    assert len(svg(figure, "matrix")) < SMALL
    picture = png(figure)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < SMALL


@pytest.mark.slow
def test_counts_are_written_into_the_cells_while_there_is_room() -> None:
    few = texts(svg(confusion_figure(["a", "b"], [[1234, 0], [2, 0]]), ""))
    assert {"1234", "2", "a", "b", "true", "predicted"} <= set(few)
    assert "0" not in few
    assert "31" not in texts(
        svg(confusion_figure([str(i) * 3 for i in range(40)], confusion(40)), "")
    )


def test_labels_are_text_and_never_markup_or_formulas() -> None:
    labels = ["<b>$x^2$</b>", "日本", "a label that is much too long to be shown"]
    figure = confusion_figure(labels, confusion(3))
    shown = texts(svg(figure, ""))
    assert {"<b>$x^2$</b>", "日本", "a label that is…"} <= set(shown)
    png(figure)


@pytest.mark.slow
def test_learning_curves_show_the_step_that_was_kept() -> None:
    picture = svg(learning_figure(HISTORY, best_step=1200), "curves")
    assert "kept: step 1,200" in texts(picture)
    assert len(picture) < SMALL
    assert not any("kept" in text for text in texts(svg(learning_figure(HISTORY), "curves")))


def test_a_history_without_evaluations_can_be_drawn() -> None:
    picture = svg(learning_figure((HistoryPoint(1, 1, {"train/loss": 1.0}),)), "curves")
    assert "training" in texts(picture)


def test_reliability_shows_only_bins_with_examples() -> None:
    full = svg(reliability_figure(BINS), "reliability")
    empty = svg(reliability_figure(BINS[:1]), "reliability")
    assert len(empty) < len(full) < SMALL


@pytest.mark.slow
def test_a_picture_is_the_same_each_time() -> None:
    first, second = (reliability_figure(BINS) for _ in range(2))
    assert svg(first, "x") == svg(second, "x")
    assert png(first) == png(second)


def test_an_svg_takes_the_colour_and_font_of_the_page_and_names_itself() -> None:
    picture = svg(reliability_figure(BINS), 'a "name" & more')
    assert "currentColor" in picture
    assert TEXT not in picture
    assert "font-family: inherit" in picture
    assert "DejaVu" not in picture
    assert 'aria-label="a &quot;name&quot; &amp; more"' in picture


def test_drawing_leaves_the_settings_of_others_alone() -> None:
    before = dict(mpl.rcParams)
    svg(confusion_figure(["a", "b"], confusion(2)), "")
    assert dict(mpl.rcParams) == before
