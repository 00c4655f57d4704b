"""A program as people wrote it for TensorFlow 1, around every method of an estimator.

Run as a script with the names of the functions of ``tf.compat.v1`` that it is to begin with, since
what they disable cannot be enabled again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf


def input_fn() -> tf.data.Dataset:
    """Two rows of two steps: numbers and tokens."""
    rows = tf.data.Dataset.from_tensor_slices(([[1.0, 2.0], [3.0, 4.0]], [[1, 2], [3, 2]], [0, 1]))
    return rows.batch(2).map(
        lambda numbers, tokens, labels: (
            {"x": tf.sparse.from_dense(numbers), "t": tf.sparse.from_dense(tokens)},
            labels,
        )
    )


def batch() -> Any:
    """The tensors of a batch, as from an iterator of TensorFlow 1."""
    return tf.compat.v1.data.make_one_shot_iterator(input_fn()).get_next()


def model_fn(features: Any, labels: Any, mode: str) -> Any:
    """A sum of numbers times a weight, trained with TensorFlow 1's gradient descent."""
    import rnn_core  # a program may set TensorFlow up before it imports this

    weight = tf.compat.v1.get_variable("weight", [], initializer=tf.compat.v1.zeros_initializer())
    predictions = {"sum": weight * tf.sparse.reduce_sum(features["x"], 1)}
    if mode == rnn_core.ModeKeys.PREDICT:
        return rnn_core.EstimatorSpec(mode, predictions)
    loss = tf.reduce_mean(tf.square(predictions["sum"] - tf.cast(labels, tf.float32)))
    step = tf.compat.v1.train.get_global_step()
    train_op = tf.compat.v1.train.GradientDescentOptimizer(0.01).minimize(loss, step)
    return rnn_core.EstimatorSpec(mode, predictions, loss, train_op)


def classifier(directory: Path) -> Any:
    """With an optimizer and columns that are made where the program is."""
    import keras

    import rnn_core

    column = tf.feature_column
    columns = [column.sequence_numeric_column("x")]
    tokens = column.sequence_categorical_column_with_identity("t", 4)
    if not tf.executing_eagerly():
        columns += column.shared_embeddings([tokens], 2)
    return rnn_core.RNNClassifier(
        columns,
        units=[3],
        cell_type="gru",
        optimizer=keras.optimizers.Adam(0.125),
        model_dir=directory / "classifier",
    )


def run(directory: Path) -> None:
    """Trains, evaluates, predicts and exports; checks what comes of it."""
    import rnn_core

    estimator = classifier(directory)
    estimator.train(lambda: input_fn().repeat(3))
    estimator.train(batch, steps=9)
    assert estimator.get_variable_value("global_step") == 4
    assert estimator.get_variable_value("training/Adam/learning_rate") == 0.125
    assert estimator.evaluate(input_fn) == estimator.evaluate(batch)
    assert len(list(estimator.predict(input_fn))) == 2
    for _ in estimator.predict(input_fn):
        break
    spec = {"x": tf.io.VarLenFeature(tf.float32), "t": tf.io.VarLenFeature(tf.int64)}
    receiver_fn = rnn_core.export.build_parsing_serving_input_receiver_fn(spec)
    assert Path(estimator.export_saved_model(directory, receiver_fn), "saved_model.pb").exists()
    metrics, exports = rnn_core.train_and_evaluate(
        estimator,
        rnn_core.TrainSpec(lambda: input_fn().repeat(), max_steps=6),
        rnn_core.EvalSpec(
            input_fn,
            exporters=rnn_core.FinalExporter("final", receiver_fn),
            start_delay_secs=0,
            throttle_secs=0,
        ),
    )
    assert metrics["global_step"] == 6
    assert len(exports) == 1
    assert rnn_core.load_predictor(estimator).weights
    own = rnn_core.Estimator(model_fn, directory / "own")
    own.train(lambda: input_fn().repeat(3))
    assert own.get_variable_value("weight") > 0
    assert own.evaluate(input_fn)["loss"] < 0.5
    assert len(list(own.predict(input_fn))) == 2


if __name__ == "__main__":
    for name in sys.argv[1:]:
        getattr(tf.compat.v1, name)()
    eager, shape = tf.executing_eagerly(), type(tf.TensorShape([1])[0])
    with tempfile.TemporaryDirectory() as made:
        run(Path(made))
    assert (eager, shape) == (tf.executing_eagerly(), type(tf.TensorShape([1])[0]))
