"""Trainings that must not depend on the number of workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import rnn_core
from tests.rnn_core.samples import TOKENS, WIDTH, Data, context_columns

STEPS = 50
GLOBAL_BATCH = 6

column = tf.feature_column


def _numbers() -> Any:
    return column.sequence_numeric_column("numbers", shape=(WIDTH,))


def _embedded() -> Any:
    tokens = column.sequence_categorical_column_with_identity("tokens", TOKENS)
    return column.embedding_column(tokens, 3)


def _clipped(kind: Any, **settings: Any) -> Callable[[], Any]:
    return lambda: kind(**{"learning_rate": 0.1, **settings})


CASES: dict[str, dict[str, Any]] = {
    "simple_rnn": {"sequence_feature_columns": [_numbers()], "cell_type": "simple_rnn"},
    "lstm_embedding": {"sequence_feature_columns": [_embedded(), _numbers()], "cell_type": "lstm"},
    "gru_weights_sum": {
        "sequence_feature_columns": [_numbers()],
        "context_feature_columns": context_columns(),
        "cell_type": "gru",
        "weight_column": "weight",
        "loss_reduction": "sum",
        "label_smoothing": 0.1,
        "optimizer": _clipped(keras.optimizers.SGD, clipnorm=0.05),
    },
    "embedding_clipped_momentum": {
        "sequence_feature_columns": [_embedded()],
        "cell_type": "gru",
        "weight_column": "weight",
        "optimizer": _clipped(keras.optimizers.SGD, momentum=0.9, clipnorm=0.01),
    },
    "embedding_ftrl": {
        "sequence_feature_columns": [_embedded()],
        "cell_type": "simple_rnn",
        "optimizer": _clipped(keras.optimizers.Ftrl, global_clipnorm=0.05),
    },
    "two_layers_adam": {
        "sequence_feature_columns": [_embedded(), _numbers()],
        "cell_type": "lstm",
        "units": [4, 3],
        # A larger rate makes of rounding a difference of its own: Adam divides by the gradient.
        "optimizer": _clipped(keras.optimizers.Adam, learning_rate=0.003),
    },
    "extended_network": {
        "sequence_feature_columns": [_numbers()],
        "context_feature_columns": context_columns(),
        "cell_type": "gru",
        "network": rnn_core.NetworkConfig(
            bidirectional=True,
            pooling="attention",
            context="head",
            layer_normalization=True,
            front_end=(rnn_core.ConvolutionLayer(4, 2, 2),),
        ),
        "optimizer": _clipped(keras.optimizers.SGD, learning_rate=0.01),
    },
    "keras_optimizer": {
        "sequence_feature_columns": [_numbers()],
        "cell_type": "gru",
        "class_weights": [1.0, 2.0, 0.5],
        "focal_gamma": 2.0,
        "optimizer": _clipped(
            keras.optimizers.AdamW,
            learning_rate=rnn_core.OneCycle(0.003, STEPS),
            clipnorm=0.1,
            gradient_accumulation_steps=2,
            use_ema=True,
        ),
    },
}

EXCHANGES = ("gru_weights_sum", "embedding_clipped_momentum", "keras_optimizer")
"""Cases with all that workers send each other: dense gradients and those of the rows of an
embedding, clipped, and added up over batches. The others differ in what a worker does by itself."""


def estimator(case: str, model_dir: Path, **config: Any) -> rnn_core.RNNClassifier:
    """The estimator of a case."""
    arguments = {"units": [4], "n_classes": 3, **CASES[case]}
    return rnn_core.RNNClassifier(
        **arguments,
        model_dir=str(model_dir),
        config=rnn_core.RunConfig(
            **{
                "tf_random_seed": 3,
                "save_checkpoints_steps": 1000,
                "worker_timeout_secs": 60,
                **config,
            }
        ),
    )


def dataset() -> tf.data.Dataset:
    """All rows, in order, with a weight each."""
    data = Data()
    weights = tf.cast(tf.range(len(data.labels)) % 4 + 1, tf.float32)
    return tf.data.Dataset.from_tensor_slices(({**data.features(), "weight": weights}, data.labels))


def train_input(input_context: Any) -> tf.data.Dataset:
    """A worker's rows of each global batch, a batch for each of its replicas."""
    workers = input_context.num_input_pipelines
    own = dataset().shard(workers, input_context.input_pipeline_id)
    return own.repeat().batch(GLOBAL_BATCH // input_context.num_replicas_in_sync)


def eval_input(input_context: Any) -> tf.data.Dataset:
    """Batches of 7 rows, dealt out to the workers: some get more, and the last one is smaller."""
    workers = input_context.num_input_pipelines
    return dataset().batch(7).shard(workers, input_context.input_pipeline_id)


def metrics(trained: rnn_core.RNNClassifier) -> dict[str, float]:
    """The metrics of a case, and one of a function, which adds up over no workers."""

    def confidence(predictions: Any) -> dict[str, keras.metrics.Metric]:
        metric = keras.metrics.Mean(name="confidence")
        metric.update_state(tf.reduce_max(predictions["probabilities"], -1))
        return {"confidence": metric}

    added = rnn_core.add_metrics(trained, confidence).evaluate(eval_input, name="added")
    found = {**trained.evaluate(eval_input), "confidence": added["confidence"]}
    return {name: float(value) for name, value in found.items()}
