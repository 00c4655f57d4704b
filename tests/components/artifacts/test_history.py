"""The history of a training run survives kills and restarts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.history import (
    HistoryPoint,
    HistoryReader,
    append_point,
    read_history,
    series,
    steps_per_second,
    truncate_after,
)


def _steps(path: Path) -> list[int]:
    return [point.step for point in read_history(path)]


def test_points_are_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_point(path, 10, {"train/loss": 1.5})
    append_point(path, 20, {"train/loss": 0.5, "validation/accuracy": 0.9})
    points = read_history(path)
    assert series(points, "train/loss") == ([10, 20], [1.5, 0.5])
    assert series(points, "validation/accuracy") == ([20], [0.9])


def _points(*steps_and_seconds: tuple[int, float]) -> tuple[HistoryPoint, ...]:
    return tuple(
        HistoryPoint(step, round(1000 * seconds), {"train/loss": 0.5})
        for step, seconds in steps_and_seconds
    )


def test_the_speed_is_that_of_most_points_whatever_a_kill_or_an_evaluation_took() -> None:
    points = _points((10, 1), (20, 2), (30, 3), (40, 9), (50, 10), (60, 40_000), (70, 40_001))
    assert steps_per_second(points) == 10.0
    evaluation = HistoryPoint(70, 40_001_500, {"validation/accuracy": 0.9})
    assert steps_per_second((*points, evaluation)) == 10.0


def test_a_training_of_one_point_has_no_speed() -> None:
    assert steps_per_second(()) is None
    assert steps_per_second(_points((10, 1))) is None
    assert steps_per_second(_points((10, 1), (20, 1))) is None


def test_without_a_file_there_are_no_points(tmp_path: Path) -> None:
    assert read_history(tmp_path / "none") == ()


def test_a_line_torn_by_a_kill_is_left_out_and_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_point(path, 10, {"train/loss": 1.5})
    with path.open("a") as file:
        file.write('{"step": 20, "timest')
    assert _steps(path) == [10]
    truncate_after(path, 10)
    append_point(path, 20, {"train/loss": 0.5})
    assert _steps(path) == [10, 20]


@given(steps=st.lists(st.integers(0, 50), max_size=20), cut=st.integers(0, 50))
def test_truncation_keeps_what_is_not_behind_the_step(steps: list[int], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        for step in steps:
            append_point(path, step, {"train/loss": float(step)})
        truncate_after(path, cut)
        assert _steps(path) == [step for step in steps if step <= cut]


def _new(reader: HistoryReader) -> list[int]:
    return [point.step for point in reader.new_points()]


def test_a_reader_tells_each_new_point_once(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    reader = HistoryReader(path)
    assert _new(reader) == []
    append_point(path, 1, {"a": 1.0})
    append_point(path, 2, {"a": 1.0})
    assert _new(reader) == [1, 2]
    assert _new(reader) == []
    append_point(path, 2, {"b": 1.0})
    assert _new(reader) == [2]


def test_a_reader_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    reader = HistoryReader(path)
    append_point(path, 1, {"a": 1.0})
    line = path.read_text()
    path.write_text(line + line[:9])
    assert _new(reader) == [1]
    path.write_text(line + line)
    assert _new(reader) == [1]


def test_a_reader_leaves_out_what_was_there_and_what_is_kept_at_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for step in (1, 2, 3):
        append_point(path, step, {"a": 1.0})
    reader = HistoryReader(path)
    assert _new(reader) == []
    truncate_after(path, 2)
    assert _new(reader) == []
    append_point(path, 3, {"a": 1.0})
    assert _new(reader) == [3]
