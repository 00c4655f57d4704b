"""Imports TensorFlow and traces one training, of the model that JapaneseVowels is learnt with."""

from __future__ import annotations

import sys

import tensorflow as tf

import rnn_core
from rnn_core.loops.trainable_model import TrainableModel


def main(model_dir: str) -> None:
    column = tf.feature_column.sequence_numeric_column("x", shape=(12,))
    classifier = rnn_core.RNNClassifier(
        [column], units=[96], cell_type="gru", optimizer="adam", n_classes=9, model_dir=model_dir
    )
    steps = tf.RaggedTensor.from_row_lengths(tf.ones([20, 12]), [8, 12])
    batch = ({"x": steps}, tf.constant([0, 1]))
    model = TrainableModel(classifier.new_model(rnn_core.ModeKeys.TRAIN))
    model.prepare(iter(tf.data.Dataset.from_tensors(batch).repeat()))


if __name__ == "__main__":
    main(sys.argv[1])
