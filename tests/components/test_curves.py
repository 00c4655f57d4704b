"""Reading a history: what a kill and a resumption leave in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.curves import read_history, series


def line(step: int, **metrics: float) -> str:
    return json.dumps({"step": step, "timestamp_milliseconds": step, "metrics": metrics}) + "\n"


def test_points_come_by_step_with_the_metrics_of_one_step_together(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(line(20, loss=1.0) + line(10, loss=2.0) + line(20, accuracy=0.5))
    points = read_history(history)
    assert [point.step for point in points] == [10, 20]
    assert points[1].metrics == {"loss": 1.0, "accuracy": 0.5}


def test_what_a_resumed_run_writes_again_counts(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(line(10, loss=2.0) + line(20, loss=9.0) + line(20, loss=1.0))
    assert series(read_history(history), "loss") == ([10, 20], [2.0, 1.0])


def test_half_a_line_at_the_end_is_left_out(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(line(10, loss=2.0) + line(20, loss=1.0)[:-4])
    assert series(read_history(history), "loss") == ([10], [2.0])


def test_a_series_skips_the_points_that_lack_its_metric(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(line(10, loss=2.0) + line(20, accuracy=0.5))
    points = read_history(history)
    assert series(points, "accuracy") == ([20], [0.5])
    assert series(points, "other") == ([], [])


def test_without_a_file_there_are_no_points(tmp_path: Path) -> None:
    assert read_history(tmp_path / "none.jsonl") == ()


def test_a_whole_line_that_is_no_point_is_an_error(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text('{"step": "ten"}\n')
    with pytest.raises(ValueError, match="step"):
        read_history(history)
