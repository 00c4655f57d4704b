"""What signatures answer with."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.heads.export_outputs import ClassificationOutput, PredictOutput, RegressionOutput

FLOATS, STRINGS, INTEGERS = tf.constant([[0.5]]), tf.constant([["a"]]), tf.constant([[1]])


def test_one_output_without_a_name_is_called_output() -> None:
    assert list(PredictOutput(FLOATS).outputs) == ["output"]
    assert list(PredictOutput({"a": INTEGERS}).outputs) == ["a"]


def test_scores_or_classes_are_enough() -> None:
    assert ClassificationOutput(FLOATS).classes is None
    assert ClassificationOutput(classes=STRINGS).scores is None
    assert RegressionOutput(FLOATS).value is FLOATS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PredictOutput({1: FLOATS}), "expected a tensor or a dict .* got 1"),
        (lambda: PredictOutput({"a": 1}), "expected a tensor or a dict"),
        (lambda: ClassificationOutput(), "expected scores or classes"),
        (lambda: ClassificationOutput(INTEGERS), "scores: expected a tensor of floats"),
        (lambda: ClassificationOutput(FLOATS, INTEGERS), "classes: expected a tensor of strings"),
        (lambda: RegressionOutput(INTEGERS), "value: expected a tensor of floats"),
        (lambda: RegressionOutput(0.5), "value: expected a tensor of floats"),
    ],
)
def test_values_of_another_kind_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
