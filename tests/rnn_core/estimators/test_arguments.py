"""Which arguments are legal together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArgumentError
from rnn_core.config.run_config import USE_DEFAULT
from rnn_core.estimators.arguments import check_lengths
from tests.rnn_core.samples import WIDTH, Data, make_estimator, sequence_columns

NUMBERS = tf.feature_column.sequence_numeric_column("numbers", shape=(WIDTH,))
CONTEXT = tf.feature_column.numeric_column("context", shape=(2,))


class PathOfOnesOwn:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"units": None}, "units: expected the hidden units"),
        ({"units": []}, "units: expected positive"),
        ({"units": [0]}, "units: expected positive"),
        ({"rnn_cell_fn": list}, "rnn_cell_fn: expected neither"),
        (
            {"units": None, "cell_type": USE_DEFAULT, "rnn_cell_fn": "gru"},
            "rnn_cell_fn: expected a function",
        ),
        ({"cell_type": 3}, "cell_type: expected one of .* or a class of cells"),
        ({"sequence_mask": 1}, "sequence_mask: expected the name"),
        ({"cell_type": "elman"}, "cell_type: expected one of"),
        ({"n_classes": 1}, "n_classes"),
        ({"label_vocabulary": ["a"]}, "label_vocabulary: expected 3"),
        ({"loss_reduction": "none"}, "loss_reduction"),
        ({"sequence_feature_columns": []}, "at least one column"),
        ({"config": {"model_dir": "/elsewhere"}}, "model_dir: got"),
    ],
)
def test_arguments_that_do_not_fit_are_named(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_estimator(tmp_path, **wrong)


def test_a_cell_type_is_not_needed_and_a_model_dir_neither() -> None:
    estimator = rnn_core.RNNClassifier(sequence_columns(), units=[2])
    assert Path(estimator.model_dir).is_dir()
    assert estimator.config.model_dir == estimator.model_dir


@pytest.mark.parametrize(("steps", "max_steps"), [(1, 1), (0, None), (None, -1)])
def test_lengths_of_a_training_are_checked(steps: int | None, max_steps: int | None) -> None:
    with pytest.raises(ArgumentError, match="steps"):
        check_lengths(steps, max_steps)


def test_lengths_may_be_numbers_of_numpy_and_in_exponential_notation() -> None:
    assert check_lengths(np.int64(3), None) == (3, None)  # type: ignore[arg-type]
    assert check_lengths(None, 1e4) == (None, 10000)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"steps: expected a whole number >= 1, got 2\.5"):
        check_lengths(2.5, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"units": np.int64(3)}, {"units": 3}),
        ({"units": [np.int32(3), np.int64(2)]}, {"units": [3, 2]}),
        ({"units": np.array([3, 2])}, {"units": [3, 2]}),
        ({"n_classes": np.int64(3)}, {}),
        ({"sequence_feature_columns": NUMBERS}, {"sequence_feature_columns": [NUMBERS]}),
        ({"sequence_feature_columns": {NUMBERS}}, {"sequence_feature_columns": [NUMBERS]}),
        ({"context_feature_columns": CONTEXT}, {"context_feature_columns": [CONTEXT]}),
        ({"model_dir": PathOfOnesOwn}, {}),
    ],
)
def test_what_is_as_good_as_another_argument_makes_the_same_model(
    tmp_path: Path, data: Data, given: dict[str, Any], plain: dict[str, Any]
) -> None:
    given = {k: v(tmp_path / "given") if v is PathOfOnesOwn else v for k, v in given.items()}
    values = []
    for name, arguments in (("given", given), ("plain", plain)):
        estimator = make_estimator(**{"model_dir": tmp_path / name, **arguments})
        estimator.train(data.train_input, max_steps=np.int64(2))  # type: ignore[arg-type]
        names = estimator.get_variable_names()
        values.append({name: estimator.get_variable_value(name).tolist() for name in names})
    assert values[0] == values[1]
    assert values[0]["global_step"] == 2
