"""Numbers that are ragged, sparse or dense, as dense steps or rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import tensorflow as tf

from rnn_core.errors import FeatureError
from rnn_core.features.column_state import get_feature, sparse_if_ragged
from rnn_core.features.columns import width
from rnn_core.graph.runtime_checks import checked
from rnn_core.types import FeatureColumn, Features, TensorLike


def normalized(column: FeatureColumn, feature: TensorLike) -> TensorLike:
    """The feature after the column's ``normalizer_fn``, which padding never meets.

    A sparse tensor is given as it is, as under TensorFlow 2.15; if the function cannot take it, it
    gets the values alone.
    """
    normalizer = column.normalizer_fn
    if normalizer is None:
        return feature
    if isinstance(feature, tf.RaggedTensor):
        return tf.ragged.map_flat_values(normalizer, feature)
    if not isinstance(feature, tf.SparseTensor):
        return normalizer(feature)
    try:
        found = normalizer(feature)
    except (TypeError, ValueError):
        found = None
    return (
        found
        if isinstance(found, tf.SparseTensor)
        else feature.with_values(normalizer(feature.values))
    )


def padded_numbers(column: FeatureColumn, feature: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    """float32 [B, T, F] and int64 lengths [B] of a ragged sequence."""
    size = width([column])
    padded = normalized(column, feature).to_tensor(tf.cast(column.default_value, feature.dtype))
    lengths = tf.cast(feature.row_lengths(), tf.int64)
    if feature.shape.rank == 2 and size > 1:
        # As for sparse rows of this rank: a step is the next `size` values of the flat row.
        missing = -tf.shape(padded)[1] % size
        padded = tf.pad(padded, [[0, 0], [0, missing]], constant_values=column.default_value)
        lengths = (lengths + size - 1) // size
    return flat_steps(padded, column), lengths


def padded_sparse_numbers(
    column: FeatureColumn, feature: tf.SparseTensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """float32 [B, T, F] and int64 lengths [B] of a sparse sequence of rank 2 or 3.

    As ``get_sequence_dense_tensor`` of the column gives them, in less time.
    """
    # The last index of a row says how long it is, if indices are in order: to_dense checks that.
    size = width([column])
    default = tf.cast(column.default_value, feature.dtype)
    padded = flat_steps(tf.sparse.to_dense(feature, default), column)
    rows = tf.range(feature.dense_shape[0])
    # By row b, how many values there are in the rows up to b: differences are the counts of the
    # rows.
    ends = tf.searchsorted(feature.indices[:, 0], rows, side="right")
    counts = ends - tf.pad(ends[:-1], [[1, 0]])
    last = tf.stack([tf.maximum(ends - 1, 0), tf.ones_like(ends)], 1)
    lengths = tf.cond(
        tf.size(feature.values) > 0,
        lambda: tf.where(counts > 0, tf.gather_nd(feature.indices, last) + 1, 0),
        lambda: tf.cast(counts, tf.int64),
    )
    # Rounded up: a row that ends within a step has that step, filled with the default value.
    return padded, (lengths + size - 1) // size if feature.shape.rank == 2 else lengths


def flat_steps(values: tf.Tensor, column: FeatureColumn) -> tf.Tensor:
    """[B, T, ...] as float32 [B, T, F]; [B, T * F] is split into steps.

    Raises:
        FeatureError: it has another rank or width.
    """
    size, rank = width([column]), values.shape.rank
    if rank is not None and (rank < 2 or not _fits(values.shape, size)):
        raise FeatureError(
            f"Sequence feature {column.name!r}: expected [batch, steps, {size}], got "
            f"{values.shape}. What has no steps belongs to context_feature_columns."
        )
    time = tf.shape(values)[1] if rank != 2 else tf.shape(values)[1] // size
    shaped = tf.reshape(values, [tf.shape(values)[0], time, size])
    return tf.cast(shaped, tf.float32)


def _fits(shape: tf.TensorShape, size: int) -> bool:
    if shape.rank == 2:
        return shape[1] is None or shape[1] % size == 0
    last = shape[2:].num_elements()
    return last is None or last == size


def dense_context_numbers(
    columns: Iterable[FeatureColumn], features: Features
) -> dict[str, TensorLike]:
    """The features, numeric ones dense; missing numbers are the column's default value, or 0.

    Raises:
        MissingFeatureError: a column's feature is not in the input.
        FeatureError: a row has more numbers than the column (raised while running).
    """
    dense = dict(features)
    for column in _numeric_columns(columns):
        feature = sparse_if_ragged(get_feature(features, column.key))
        if isinstance(feature, tf.SparseTensor):
            dense[column.key] = _dense_rows(column, feature)
    return dense


def _numeric_columns(columns: Iterable[FeatureColumn]) -> Iterator[FeatureColumn]:
    """The numeric ones among the columns and all that they are made of."""
    for column in columns:
        if hasattr(column, "normalizer_fn"):
            yield column
        # The parents of a column are columns, and the names of features.
        parents = getattr(getattr(column, "lookup", column), "parents", ())
        yield from _numeric_columns(one for one in parents if not isinstance(one, str))


def _dense_rows(column: FeatureColumn, feature: tf.SparseTensor) -> tf.Tensor:
    size = width([column])
    default = (column.default_value or (0,))[0]
    rows = feature.dense_shape[0]
    flat = tf.sparse.reshape(feature, tf.stack([rows, -1]))
    fits = tf.reduce_all(flat.indices[:, 1] < size)
    indices = checked(
        flat.indices,
        fits,
        FeatureError,
        f"Context feature {column.name!r}: expected at most {size} numbers per row, got the shape",
        feature.dense_shape,
    )
    resized = tf.SparseTensor(indices, flat.values, tf.stack([rows, size]))
    values = tf.sparse.to_dense(resized, tf.cast(default, feature.dtype))
    return tf.ensure_shape(values, [None, size])
