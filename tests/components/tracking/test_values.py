from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param

from components.tracking.values import (
    PARAM_LENGTH,
    Point,
    batches,
    param_texts,
    read_points,
    safe_name,
)


def line(step: int, **metrics: float) -> str:
    return json.dumps({"step": step, "timestamp_milliseconds": 100 + step, "metrics": metrics})


def test_parameters_become_text() -> None:
    assert param_texts({"units": (64, 32), "kind": "gru", "seed": 7}) == {
        "units": "[64, 32]",
        "kind": "gru",
        "seed": "7",
    }


def test_every_value_is_kept_even_if_it_is_empty_or_none() -> None:
    assert param_texts({"a": None, "b": {}, "c": [], "d": "", "e": False}) == {
        "a": "None",
        "b": "{}",
        "c": "[]",
        "d": "",
        "e": "False",
    }


@given(text=st.text(min_size=0, max_size=20), repeats=st.integers(1, 2000))
def test_a_long_value_is_cut_into_parts_that_give_it_back(text: str, repeats: int) -> None:
    value = text * repeats
    parts = param_texts({"name": value})
    assert "".join(parts.values()) == value
    assert all(len(part) <= PARAM_LENGTH for part in parts.values())
    assert len(parts) == max(1, -(-len(value) // PARAM_LENGTH))


@given(name=st.text(max_size=300), value=st.text(max_size=50))
def test_mlflow_takes_every_name(name: str, value: str) -> None:
    _validate_metric_name(safe_name(name))  # type: ignore[no-untyped-call]  # mlflow's own check
    _validate_param(safe_name(name), value)  # type: ignore[no-untyped-call]  # mlflow's own check


@pytest.mark.parametrize("name", ["train/loss", "test/recall/1", "a b.c-d_e:f", "größe"])
def test_a_name_that_mlflow_takes_is_kept(name: str) -> None:
    assert safe_name(name) == name


def test_two_names_that_must_change_stay_two() -> None:
    assert safe_name("recall/a?") != safe_name("recall/a!")


@given(items=st.lists(st.integers(), max_size=50), size=st.integers(1, 9))
def test_batches_hold_all_items_in_order_and_no_more_than_asked(
    items: list[int], size: int
) -> None:
    found = list(batches(items, size))
    assert [item for batch in found for item in batch] == items
    assert all(1 <= len(batch) <= size for batch in found)


def test_a_history_is_read_on_from_where_the_last_reading_ended(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(line(1, loss=2.0) + "\n")
    points, offset = read_points(history, 0)
    assert points == [Point("loss", 2.0, 1, 101)]
    with history.open("a") as file:
        file.write(line(2, loss=1.0, accuracy=0.5) + "\n" + line(3, loss=0.5)[:-4])
    points, offset = read_points(history, offset)
    assert points == [Point("loss", 1.0, 2, 102), Point("accuracy", 0.5, 2, 102)]
    assert read_points(history, offset) == ([], offset)


def test_a_history_without_a_file_has_no_points(tmp_path: Path) -> None:
    assert read_points(tmp_path / "none.jsonl", 0) == ([], 0)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_history_that_was_cut_and_written_again_is_read_from_its_start(
    tmp_path: Path, kept: int
) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text("".join(line(step, loss=1.0) + "\n" for step in range(3)))
    _, offset = read_points(history, 0)
    longer = line(9, loss=0.123456789012345, accuracy=0.123456789012345) + "\n"
    history.write_text((line(0, loss=1.0) + "\n") * kept + longer * 2)
    points, _ = read_points(history, offset)
    assert [point.step for point in points] == [0] * kept + [9, 9, 9, 9]
