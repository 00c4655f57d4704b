"""A tiny data set of every kind of feature, and estimators on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rnn_core
from rnn_core.optimizers.optimizers import optimizer_spec

ROWS, CLASSES, TOKENS, WIDTH = 24, 3, 6, 2
WORDS = [f"class-{index}" for index in range(CLASSES)]


class Data:
    """Rows of 1 to 5 steps: numbers and tokens, a context of numbers and a category, labels."""

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        self.lengths = random.integers(1, 6, ROWS)
        steps = int(self.lengths.sum())
        self.numbers = random.normal(size=(steps, WIDTH)).astype(np.float32)
        self.tokens = random.integers(0, TOKENS, steps)
        self.context = random.normal(size=(ROWS, 2)).astype(np.float32)
        self.category = random.integers(0, 4, (ROWS, 1))
        self.labels = random.integers(0, CLASSES, ROWS)
        self.labels[:CLASSES] = range(CLASSES)

    def features(self) -> dict[str, Any]:
        return {
            "numbers": tf.RaggedTensor.from_row_lengths(self.numbers, self.lengths),
            "tokens": tf.RaggedTensor.from_row_lengths(self.tokens, self.lengths),
            "context": tf.constant(self.context),
            "category": tf.constant(self.category),
        }

    def dataset(self, labels: Any = None) -> tf.data.Dataset:
        labels = self.labels if labels is None else labels
        return tf.data.Dataset.from_tensor_slices((self.features(), labels))

    def train_input(self) -> tf.data.Dataset:
        return self.dataset().shuffle(ROWS, seed=1).repeat().batch(5)

    def eval_input(self) -> tf.data.Dataset:
        return self.dataset().batch(7)


def sequence_columns() -> list[Any]:
    column = tf.feature_column
    tokens = column.sequence_categorical_column_with_identity("tokens", TOKENS)
    return [
        column.sequence_numeric_column("numbers", shape=(WIDTH,)),
        column.embedding_column(tokens, 3),
    ]


def context_columns() -> list[Any]:
    column = tf.feature_column
    category = column.categorical_column_with_identity("category", 4)
    return [column.numeric_column("context", shape=(2,)), column.indicator_column(category)]


def make_estimator(model_dir: Path | str, **changes: Any) -> rnn_core.RNNClassifier:
    """A small GRU classifier of ``Data`` with checkpoints every 4 steps."""
    config = changes.pop("config", {})
    arguments = {
        "sequence_feature_columns": sequence_columns(),
        "context_feature_columns": context_columns(),
        "units": [3],
        "cell_type": "gru",
        "n_classes": CLASSES,
        "model_dir": model_dir,
        "config": rnn_core.RunConfig(
            **{
                "tf_random_seed": 7,
                "save_checkpoints_steps": 4,
                "save_summary_steps": 2,
                "log_step_count_steps": 4,
                **config,
            }
        ),
    }
    return rnn_core.RNNClassifier(**{**arguments, **changes})


def weights_of(estimator: rnn_core.Estimator) -> dict[str, Any]:
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


def same_bits(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one
    )


def run_optimizer(optimizer: Any, gradients: list[Any], start: Any) -> Any:
    """The variable after a step for each gradient."""
    variable = tf.Variable(start)
    ours = optimizer_spec(optimizer).make({"v": variable})
    for step, gradient in enumerate(gradients):
        ours.apply([gradient], tf.constant(step, tf.int64))
    return variable.numpy()
