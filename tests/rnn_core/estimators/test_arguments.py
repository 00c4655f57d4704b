"""Which arguments are legal together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rnn_core
from rnn_core import ArgumentError
from rnn_core.config.run_config import USE_DEFAULT
from rnn_core.estimators.arguments import check_steps
from tests.rnn_core.samples import make_estimator, sequence_columns


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
        check_steps(steps, max_steps)
