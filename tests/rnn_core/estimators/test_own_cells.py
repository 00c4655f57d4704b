"""Cells of one's own through the whole life of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, RNNClassifier, RunConfig, export
from tests.rnn_core.models.own_cells import samples

pytestmark = pytest.mark.slow

COLUMN = tf.feature_column.sequence_numeric_column("x", shape=(2,))
VALUES = np.random.default_rng(2).normal(size=(4, 3, 2)).astype(np.float32)


def batches() -> tf.data.Dataset:
    ragged = tf.RaggedTensor.from_tensor(VALUES, lengths=[3, 1, 2, 3])
    return tf.data.Dataset.from_tensors(({"x": ragged}, [0, 1, 1, 0]))


def classifier(model_dir: Path, make: Callable[[], Any]) -> RNNClassifier:
    config = RunConfig(tf_random_seed=1)
    return RNNClassifier(
        [COLUMN], rnn_cell_fn=make, model_dir=model_dir, config=config, optimizer="Adam"
    )


def train(model: RNNClassifier, steps: int) -> None:
    model.train(lambda: batches().repeat(), steps=steps)


def values(model: RNNClassifier) -> dict[str, Any]:
    return {name: model.get_variable_value(name) for name in model.get_variable_names()}


CELLS: dict[str, Callable[[], Any]] = {
    "hidden in plain objects": lambda: [samples.Nested(), samples.Hidden()],
    "counting layer": samples.HiddenLayer,
    "made in the first call": samples.Lazy,
    "wrapped": lambda: tf.nn.RNNCellResidualWrapper(
        tf.nn.RNNCellDropoutWrapper(keras.layers.LSTMCell(2), output_keep_prob=0.5)
    ),
    "dropout of Keras": lambda: keras.layers.GRUCell(2, dropout=0.5),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_trained_saved_restored_and_exported(name: str, tmp_path: Path) -> None:
    make = CELLS[name]
    at_once, in_parts = (classifier(tmp_path / part, make) for part in ("a", "b"))
    train(at_once, 4)
    train(in_parts, 1)
    first = values(in_parts)
    train(classifier(tmp_path / "b", make), 3)
    last = values(in_parts)
    weights = [key for key in last if key.startswith("rnn_model/rnn/")]
    assert len(weights) >= 2
    assert not any(np.array_equal(last[key], first[key]) for key in weights)
    expected = values(at_once)
    assert set(last) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(last[key], value, err_msg=key)

    measured = at_once.evaluate(batches)
    assert measured == classifier(tmp_path / "b", make).evaluate(batches)
    assert measured == at_once.evaluate(batches)
    assert values(at_once).keys() == last.keys()
    dense = tf.data.Dataset.from_tensors({"x": VALUES})
    predicted = [row["logits"] for row in in_parts.predict(lambda: dense)]
    features = {"x": tf.TensorSpec([None, None, 2], tf.float32)}
    receiver = export.build_raw_serving_input_receiver_fn(features)
    path = in_parts.export_saved_model(str(tmp_path / "export"), receiver)
    served = tf.saved_model.load(path).signatures["predict"](x=tf.constant(VALUES))
    np.testing.assert_allclose(served["logits"], predicted, rtol=1e-5, atol=1e-6)


def test_a_variable_from_outside_is_trained_and_saved_and_its_export_refused(
    tmp_path: Path,
) -> None:
    weights = tf.Variable(tf.ones([6, 4]))

    class Cell:
        state_size = output_size = 4

        def get_initial_state(self, batch_size: Any) -> list[tf.Tensor]:
            return [tf.zeros([batch_size, 4])]

        def call(self, x: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
            hidden = tf.tanh(tf.concat([x, states[0]], 1) @ weights)
            return hidden, [hidden]

    model = classifier(tmp_path, Cell)
    train(model, 2)
    (name,) = [each for each in model.get_variable_names() if each.endswith("/weights")]
    assert not np.allclose(model.get_variable_value(name), 1.0)
    spec = tf.feature_column.make_parse_example_spec([COLUMN])
    receiver = export.build_parsing_serving_input_receiver_fn(spec)
    with pytest.raises(ArgumentError, match="Cell: expected variables that rnn_cell_fn makes"):
        model.export_saved_model(str(tmp_path / "export"), receiver)
