"""The predictions table: what it refuses, what counts as right, and the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts.predictions import (
    PredictionTable,
    StepPredictions,
    read_predictions,
    write_predictions,
)
from components.errors import DataError, NotFoundError

NAN = float("nan")


def table(
    probabilities: list[list[float]],
    labels: tuple[str, ...],
    classes: tuple[str, ...] = ("x", "y"),
    ids: tuple[str, ...] | None = None,
) -> PredictionTable:
    ids = tuple(f"row-{i}" for i in range(len(labels))) if ids is None else ids
    return PredictionTable(ids, labels, classes, np.array(probabilities, dtype=np.float64))


def test_the_most_probable_class_is_the_prediction() -> None:
    answers = table([[0.8, 0.2], [0.3, 0.7]], ("x", "x"))
    assert answers.predicted == ("x", "y")
    assert answers.correct.tolist() == [True, False]


def test_a_label_that_the_model_does_not_know_is_wrong() -> None:
    assert table([[0.8, 0.2]], ("z",)).correct.tolist() == [False]


def test_probabilities_that_are_not_finite_are_no_prediction() -> None:
    answers = table([[NAN, 0.2], [0.5, np.inf]], ("x", "y"))
    assert answers.predicted == ("", "")
    assert not answers.correct.any()


def test_no_prediction_and_an_unknown_label_do_not_match() -> None:
    assert table([[NAN, NAN]], ("z",)).correct.tolist() == [False]


def test_a_file_brings_back_the_same_table(tmp_path: Path) -> None:
    answers = table([[0.1, 0.9], [NAN, 0.5], [1 / 3, 2 / 3]], ("y", "é z", "x"))
    write_predictions(answers, tmp_path / "p.parquet")
    again = read_predictions(tmp_path / "p.parquet")
    assert (again.ids, again.labels, again.classes) == (answers.ids, answers.labels, ("x", "y"))
    np.testing.assert_array_equal(again.probabilities, answers.probabilities)


def test_the_file_can_be_read_by_anything_that_reads_parquet(tmp_path: Path) -> None:
    write_predictions(table([[0.1, 0.9]], ("x",)), tmp_path / "p.parquet")
    assert pq.read_table(tmp_path / "p.parquet").to_pylist() == [
        {
            "id": "row-0",
            "label": "x",
            "predicted": "y",
            "correct": False,
            "probabilities": [0.1, 0.9],
        }
    ]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    answers = table([[0.1, 0.9]], ("x",))
    for name in "ab":
        write_predictions(answers, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no predictions at"):
        read_predictions(tmp_path / "none.parquet")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    for name in ("other", "text"):
        with pytest.raises(DataError, match="does not hold predictions"):
            read_predictions(tmp_path / f"{name}.parquet")


@pytest.mark.parametrize(
    ("probabilities", "labels", "ids", "message"),
    [
        (np.empty((0, 2)), (), (), "need examples"),
        (np.ones((2, 3)), ("x", "y"), ("a", "b"), "do not fit"),
        (np.ones((2, 2)), ("x",), ("a", "b"), "do not fit"),
        (np.ones((2, 2)), ("x", "y"), ("a", "a"), "id 'a' more than once"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    probabilities: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    labels: tuple[str, ...],
    ids: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        PredictionTable(ids, labels, ("x", "y"), probabilities)


def test_a_class_that_comes_twice_is_refused() -> None:
    with pytest.raises(DataError, match="class 'x' more than once"):
        table([[0.5, 0.5]], ("x",), classes=("x", "x"))


def steps(nan: float = 0.5) -> StepPredictions:
    """Rows of two and one steps."""
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [nan, 0.5]])
    return StepPredictions(("r", "s"), ("x", "z", "y"), ("x", "y"), probabilities, (2, 1))


def test_steps_stand_row_by_row() -> None:
    table = steps()
    assert len(table) == 2
    assert table.row_of_answer.tolist() == [0, 0, 1]
    assert table.correct.tolist() == [True, False, False]
    assert table.row_sums(np.array([[1.0], [2.0], [5.0]])).tolist() == [[3.0], [5.0]]
    # Neither an unknown label nor a missing prediction is equal to anything.
    assert list(steps(NAN).segments()) == [([0, -1], [0, 1]), ([1], [-2])]


def test_rows_of_steps_are_taken_with_all_of_their_steps() -> None:
    table = steps().take([1, 0])
    assert (table.ids, table.labels, table.steps) == (("s", "r"), ("y", "x", "z"), (1, 2))
    assert table.probabilities[:, 0].tolist() == [0.5, 0.9, 0.2]


def test_a_file_of_steps_has_a_list_a_row_and_brings_back_the_same_table(tmp_path: Path) -> None:
    table = steps(NAN)
    write_predictions(table, tmp_path / "p.parquet")
    first, _ = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert first == {
        "id": "r",
        "label": ["x", "z"],
        "predicted": ["x", "y"],
        "correct": [True, False],
        "probabilities": [[0.9, 0.1], [0.2, 0.8]],
    }
    again = read_predictions(tmp_path / "p.parquet")
    assert isinstance(again, StepPredictions)
    assert (again.ids, again.labels, again.steps) == (table.ids, table.labels, table.steps)
    np.testing.assert_array_equal(again.probabilities, table.probabilities)


def test_steps_that_do_not_fit_their_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit"):
        StepPredictions(("r",), ("x", "y"), ("x", "y"), np.ones((2, 2)), (3,))


def test_a_table_is_made_of_the_labels_of_each_row() -> None:
    made = StepPredictions.of(["r", "s"], [("x", "z"), ("y",)], ("x", "y"), steps().probabilities)
    assert (made.labels, made.steps) == (("x", "z", "y"), (2, 1))
    plain = PredictionTable.of(["r"], [("x",)], ("x", "y"), np.ones((1, 2)))
    assert plain.labels == ("x",)
