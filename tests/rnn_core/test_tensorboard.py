"""TensorBoard shows a training and its evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

from rnn_core import RNNClassifier
from tests.rnn_core.samples import Data, make_estimator

pytestmark = pytest.mark.slow


@pytest.fixture
def estimator(data: Data, tmp_path: Path) -> RNNClassifier:
    return make_estimator(tmp_path).train(data.train_input, steps=5)


def test_runs_and_tags_are_those_of_tensorflow_2_15(estimator: RNNClassifier, data: Data) -> None:
    metrics = estimator.evaluate(data.eval_input)
    estimator.evaluate(data.eval_input, name="test")
    shown: Any = EventMultiplexer().AddRunsFromDirectory(estimator.model_dir).Reload()
    assert set(shown.Runs()) == {".", "eval", "eval_test"}
    assert {"loss", "global_step/sec"} <= set(shown.PluginRunToTagToContent("scalars")["."])
    tags = set(shown.PluginRunToTagToContent("scalars")["eval"])
    assert {"accuracy", "average_loss", "loss"} <= tags
    (shown_loss,) = shown.Tensors("eval", "average_loss")
    assert shown_loss.step == 5
    assert shown_loss.tensor_proto.float_val[0] == pytest.approx(metrics["average_loss"])
