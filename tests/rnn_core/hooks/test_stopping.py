"""Hooks that end a run, and values at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from tests.rnn_core.samples import Data, make_estimator

BIAS = "rnn_model/logits/bias"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"), [({"num_steps": 3}, [3, 6]), ({"last_step": 3}, [3, 4])]
)
def test_a_training_stops_at_the_step(
    data: Data, tmp_path: Path, arguments: dict[str, int], expected: list[int]
) -> None:
    estimator = make_estimator(tmp_path)
    hook = rnn_core.StopAtStepHook(**arguments)
    reached = []
    for _ in range(2):
        estimator.train(data.train_input, hooks=[hook])
        reached.append(int(estimator.get_variable_value("global_step")))
    assert reached == expected


@pytest.mark.parametrize("arguments", [{}, {"num_steps": 1, "last_step": 1}])
def test_one_end_is_expected(arguments: dict[str, int]) -> None:
    with pytest.raises(rnn_core.ArgumentError, match="one of num_steps and last_step"):
        rnn_core.StopAtStepHook(**arguments)


@pytest.mark.slow
@pytest.mark.parametrize("good", [0, 5])
def test_a_loss_that_is_not_a_number_may_be_the_end(data: Data, tmp_path: Path, good: int) -> None:
    def poisoned() -> tf.data.Dataset:
        nan = data.train_input().map(lambda x, y: ({**x, "context": x["context"] * np.nan}, y))
        return data.train_input().take(good).concatenate(nan)

    estimator = make_estimator(tmp_path)
    hook = rnn_core.NanTensorHook("loss", fail_on_nan_loss=False)
    estimator.train(poisoned, hooks=[hook], max_steps=10)
    assert estimator.latest_checkpoint() == str(tmp_path / f"model.ckpt-{good}")
    for name in estimator.get_variable_names():
        assert np.all(np.isfinite(estimator.get_variable_value(name)))
    with pytest.raises(rnn_core.NanLossDuringTrainingError):
        estimator.train(poisoned, hooks=[rnn_core.NanTensorHook("loss")], steps=10)


def test_final_values_are_kept_in_their_structure(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    hook = rnn_core.FinalOpsHook({"step": "global_step", "more": [BIAS, "loss"]})
    before = hook.final_ops_values
    assert before is None
    trained.evaluate(words_input, hooks=[hook], name="final")
    assert hook.final_ops_values["step"] == 10
    bias, loss = hook.final_ops_values["more"]
    np.testing.assert_array_equal(bias, trained.get_variable_value(BIAS))
    assert np.isfinite(loss)


def test_final_values_are_fed_by_nobody() -> None:
    with pytest.raises(rnn_core.UnsupportedError, match="final_ops_feed_dict"):
        rnn_core.FinalOpsHook("loss", {"x:0": 1})
