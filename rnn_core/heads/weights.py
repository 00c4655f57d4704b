"""The weights of examples."""

from __future__ import annotations

import tensorflow as tf

from rnn_core.errors import ArgumentError, LabelError
from rnn_core.features.column_state import get_feature, sparse_if_ragged
from rnn_core.graph.runtime_checks import checked, require
from rnn_core.heads import labels
from rnn_core.types import FeatureColumn, Features


def check_weight_column(weight_column: str | FeatureColumn | None) -> str | FeatureColumn | None:
    """The ``weight_column`` argument: None, a string, or a numeric column.

    Raises:
        ArgumentError: it is something else.
    """
    if weight_column is None or isinstance(getattr(weight_column, "key", weight_column), str):
        return weight_column
    raise ArgumentError(
        "weight_column: expected the name of a feature or a tf.feature_column.numeric_column, got "
        f"{weight_column!r}."
    )


def weights(
    features: Features,
    weight_column: str | FeatureColumn | None,
    logits: tf.Tensor,
    widths: tuple[int, ...] = (1,),
) -> tf.Tensor:
    """float32 [B, 1], or another of ``widths``: the weights, 1 without a weight column.

    ``weight_column`` is a feature's name, or a numeric column whose normalizer is applied.

    Raises:
        MissingFeatureError: the weight is not in the features.
        LabelError: it is not a number, negative, or of another shape.
    """
    if weight_column is None:
        return tf.ones([tf.shape(logits)[0], 1])
    key = getattr(weight_column, "key", weight_column)
    values = sparse_if_ragged(get_feature(features, key))
    if isinstance(values, tf.SparseTensor):
        values = tf.sparse.to_dense(values)
    if not (values.dtype.is_floating or values.dtype.is_integer):
        raise LabelError(f"Weights {key!r}: expected numbers, got {values.dtype.name}.")
    if values.shape.rank == 1:
        values = values[:, tf.newaxis]
    normalizer = getattr(weight_column, "normalizer_fn", None)
    values = tf.cast(values if normalizer is None else normalizer(values), tf.float32)
    # NaN is neither negative nor positive, and would make the loss and all metrics NaN.
    found = labels.as_columns(values, f"Weights {key!r}", logits, widths)
    wrong = tf.boolean_mask(found, (found < 0) | tf.math.is_nan(found))
    message = f"Weights {key!r} that are negative, or no numbers; 0 leaves a row out. Found"
    return checked(found, tf.equal(tf.size(wrong), 0), LabelError, message, wrong[:5])


def require_some_weight(examples: tf.Tensor, weighted: tf.Tensor) -> tf.Operation:
    """An operation that stops the graph if all weights of the batch are zero: it teaches nothing.

    Args:
        examples: a scalar, how many there are in the batch.
        weighted: a scalar, how many of them have a weight that is not zero.

    Raises:
        LabelError: while running.
    """
    return require(
        (weighted > 0) | tf.equal(examples, 0),
        LabelError,
        "Weights: expected at least one in the batch to be more than 0, or there is nothing to "
        "train on; filter such rows out, or make batches larger. Rows",
        tf.cast(examples, tf.int32),
    )
