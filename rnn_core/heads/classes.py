"""What heads with classes share: the names of classes, and signatures."""

from __future__ import annotations

import tensorflow as tf

from rnn_core.heads.export_outputs import (
    CLASSIFICATION,
    PREDICT,
    SERVING_DEFAULT,
    ClassificationOutput,
    ExportOutput,
    PredictOutput,
)
from rnn_core.heads.labels import Vocabulary
from rnn_core.types import Predictions


def class_names(batch: tf.Tensor, classes: int, vocabulary: Vocabulary | None) -> tf.Tensor:
    """string [B, K]: the names of all classes for each row of ``batch``."""
    ids = tf.strings.as_string(tf.range(classes))
    words = ids if vocabulary is None else tf.constant(vocabulary.words)
    return tf.repeat(words[tf.newaxis], tf.shape(batch)[0], axis=0)


def class_predictions(
    class_ids: tf.Tensor, classes: int, vocabulary: Vocabulary | None
) -> Predictions:
    """``class_ids`` [B, 1] with their names, and ids and names of all classes [B, K]."""
    names = class_names(class_ids, classes, vocabulary)
    return {
        "class_ids": class_ids,
        "classes": tf.gather(names, class_ids, batch_dims=1),
        "all_class_ids": tf.repeat(tf.range(classes)[tf.newaxis], tf.shape(class_ids)[0], axis=0),
        "all_classes": names,
    }


def classifier_outputs(predictions: Predictions, classes: tf.Tensor) -> dict[str, ExportOutput]:
    """The signatures of every classifier: all ``classes`` [B, K] with their probabilities."""
    classification = ClassificationOutput(predictions["probabilities"], classes)
    return {
        SERVING_DEFAULT: classification,
        CLASSIFICATION: classification,
        PREDICT: PredictOutput(predictions),
    }
