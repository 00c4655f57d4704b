"""What graphs for training and evaluation answer with."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core import ArgumentError, export

ONE = tf.constant(1.0)


def test_outputs_bear_the_names_of_2_15() -> None:
    output = export.EvalOutput(ONE, {"logits": ONE}, {"accuracy": (ONE, ONE)})
    assert sorted(output.outputs) == [
        "loss",
        "metrics/accuracy/update_op",
        "metrics/accuracy/value",
        "predictions/logits",
    ]


def test_a_prediction_that_is_given_alone_has_no_name_of_its_own() -> None:
    assert sorted(export.TrainOutput({"a": ONE, "loss/b": ONE}, ONE).outputs) == [
        "loss/a",
        "loss/b",
        "predictions",
    ]


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(ArgumentError, match="EvalOutput: expected a tensor as 'loss', got 1"):
        export.EvalOutput(loss=1)
