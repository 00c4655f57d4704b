"""Values of single steps (labels, weights), laid out one after another."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from rnn_core.checks import checked
from rnn_core.errors import LabelError


def flat_steps(values: Any, mask: tf.Tensor, what: str) -> tf.Tensor:
    """[N, 1], or [N, ...] if there is more than one value a step: those of the real steps.

    Args:
        values: dense, sparse or ragged [B, T] or [B, T, ...]; dense ones may have more steps than
            the mask, sparse and ragged ones hold the real steps only.
        mask: bool [B, T], N of them true.
        what: names the values in an error.

    Raises:
        LabelError: they have another rank, or their rows another number of steps than the mask.
    """
    if not isinstance(values, (tf.RaggedTensor, tf.SparseTensor)):
        values = tf.convert_to_tensor(values)
    rank = values.shape.rank
    if rank is not None and rank < 2:
        raise LabelError(
            f"{what}: expected one for each step, [B, T] or [B, T, 1], got the shape "
            f"{values.shape}. One for each sequence needs return_sequences=False."
        )
    flat = (
        _flat_dense(values, mask, what)
        if isinstance(values, tf.Tensor)
        else _flat_listed(values, mask, what)
    )
    return flat[:, tf.newaxis] if rank == 2 else flat


def _flat_dense(values: tf.Tensor, mask: tf.Tensor, what: str) -> tf.Tensor:
    shape, wanted = tf.shape(values), tf.shape(mask)
    real_steps = tf.reduce_max(tf.where(mask, tf.range(1, wanted[1] + 1), 0))
    fits = tf.equal(shape[0], wanted[0]) & (shape[1] >= real_steps)
    sizes = tf.concat([shape[:2], wanted], 0)
    message = f"{what}: expected the steps of the sequences; got B, T and those of the sequences"
    known = checked(values, fits, LabelError, message, sizes)
    time = tf.minimum(shape[1], wanted[1])
    return tf.gather_nd(known, tf.where(mask[:, :time]))


def _flat_listed(values: Any, mask: tf.Tensor, what: str) -> tf.Tensor:
    lengths, flat = _listed(values)
    wanted = tf.reduce_sum(tf.cast(mask, tf.int64), 1)
    rows = tf.minimum(tf.minimum(tf.size(lengths), tf.size(wanted)), 5)
    return checked(
        flat,
        tf.reduce_all(tf.raw_ops.Equal(x=lengths, y=wanted, incompatible_shape_error=False)),
        LabelError,
        f"{what}: expected one for each real step; got, row by row, steps and real steps",
        tf.stack([lengths[:rows], wanted[:rows]], 1),
    )


def _listed(values: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """int64 [B] lengths of the rows, and the values of all steps, in order."""
    if isinstance(values, tf.RaggedTensor):
        inner = values.values
        dense = inner.to_tensor() if isinstance(inner, tf.RaggedTensor) else inner
        return tf.cast(values.row_lengths(), tf.int64), dense
    ordered = tf.sparse.reorder(values)
    rows = tf.cast(values.dense_shape[0], tf.int32)
    inner = values.shape[2:].num_elements() or 1
    counts = tf.math.bincount(
        tf.cast(ordered.indices[:, 0], tf.int32), minlength=rows, maxlength=rows, dtype=tf.int64
    )
    return counts // inner, tf.reshape(ordered.values, [-1, *values.shape[2:]])
