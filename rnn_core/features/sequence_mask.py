"""Which steps of a batch are real.

Where the features have lengths, these decide what the recurrent layers read; the mask that a user
gives then says only which steps are labelled. Dense sequences have no lengths: there the mask
decides both.
"""

from __future__ import annotations

from typing import Final

import tensorflow as tf

from rnn_core.errors import FeatureError
from rnn_core.features.column_state import get_feature
from rnn_core.graph.runtime_checks import checked, require
from rnn_core.types import Features

_TO_TRAIN_ON: Final = "Sequences to train on"


def given_mask(features: Features, key: str) -> tf.Tensor | None:
    """bool [B, T'] from the feature ``key``, if there is one; ragged and sparse ones are padded.

    Raises:
        FeatureError: it has another rank or type.
    """
    if key not in features:
        return None
    mask = get_feature(features, key)
    if isinstance(mask, tf.RaggedTensor):
        mask = mask.to_tensor()
    if isinstance(mask, tf.SparseTensor):
        mask = tf.sparse.to_dense(mask)
    if mask.shape.rank not in (2, None) or not (mask.dtype.is_bool or mask.dtype.is_integer):
        raise FeatureError(
            f"Sequence mask {key!r}: expected booleans [batch, steps], got {mask.dtype.name} "
            f"{mask.shape}."
        )
    return tf.ensure_shape(tf.cast(mask, tf.bool), [None, None])


def steps_mask(
    features: Features, key: str, lengths: tf.Tensor | None, values: tf.Tensor
) -> tf.Tensor:
    """bool [B, T], T >= 1: the steps that the recurrent layers read.

    Args:
        features: the input.
        key: name of the mask that it may hold.
        lengths: int64 [B], or None if no sequence has lengths.
        values: [B, T', ...], a sequence whose steps are all real if nothing else is known.
    """
    if lengths is not None:
        # At least one step, of padding, for a batch of empty sequences; the maximum of no rows is
        # the smallest int64.
        return tf.sequence_mask(lengths, tf.maximum(tf.reduce_max(lengths), 1))
    mask = given_mask(features, key)
    return tf.ones(tf.shape(values)[:2], tf.bool) if mask is None else mask


def fit_mask(mask: tf.Tensor, logits: tf.Tensor, key: str) -> tf.Tensor:
    """``mask`` [B, T'] cut or padded with False to the steps of ``logits`` [B, T, L].

    Raises:
        FeatureError: it has other rows, or marks steps after T (while running).
    """
    batch, time = tf.unstack(tf.shape(logits)[:2])
    missing = tf.maximum(time - tf.shape(mask)[1], 0)
    fitted = tf.pad(mask[:, :time], [[0, 0], [0, missing]])
    same_rows = tf.equal(tf.shape(mask)[0], batch)
    return checked(
        fitted,
        same_rows & ~tf.reduce_any(mask[:, time:]),
        FeatureError,
        f"Sequence mask {key!r}: expected no step after the end of the longest sequence, and a row "
        "for each of the batch; got the shape, and batch and steps of the sequences",
        tf.stack([*tf.unstack(tf.shape(mask)), batch, time]),
    )


def with_steps(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """``values`` of a batch to train on: there is nothing to learn from a row without a step.

    Args:
        values: [B, T, ...].
        mask: bool [B, T].

    Raises:
        FeatureError: a row has no real step (while running).
    """
    empty = tf.where(~tf.reduce_any(mask, 1))[:, 0]
    return checked(
        values,
        tf.equal(tf.size(empty), 0),
        FeatureError,
        f"{_TO_TRAIN_ON}: expected a step in each; filter the others out in input_fn. The number "
        "of rows, and the first rows without a step",
        tf.concat([tf.shape(mask, tf.int64)[:1], empty[:5]], 0),
    )


def require_rows(rows: tf.Tensor) -> tf.Operation:
    """An operation that stops the graph if a batch to train on has no rows, on no replica.

    Raises:
        FeatureError: while running.
    """
    return require(
        rows > 0,
        FeatureError,
        f"{_TO_TRAIN_ON}: expected at least one row in a batch; filter empty ones out in "
        "input_fn. Rows",
        tf.cast(rows, tf.int32),
    )
