"""The predictions table: what it refuses, what counts as right, and the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts.predictions import PredictionTable, read_predictions, write_predictions
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
