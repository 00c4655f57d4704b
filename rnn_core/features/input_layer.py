"""From named features to the tensors that the network reads, through feature columns.

A feature may be ragged, sparse or dense. Numbers that are ragged or dense are padded directly;
everything else goes through the column's own sparse path. A dense sequence has no length of its
own: it takes that of the other columns, or of the mask in the features, or all its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from rnn_core.errors import FeatureError
from rnn_core.features.column_state import ColumnState, FeatureCache, get_feature
from rnn_core.features.columns import width
from rnn_core.features.numeric_features import (
    dense_context_numbers,
    flat_steps,
    normalized,
    padded_numbers,
    padded_sparse_numbers,
)
from rnn_core.features.sequence_mask import steps_mask
from rnn_core.graph.runtime_checks import checked
from rnn_core.types import FeatureColumn, Features


class SequenceInput(NamedTuple):
    """What the recurrent layers read."""

    values: tf.Tensor
    """float32 [B, T, F], T >= 1."""
    mask: tf.Tensor
    """bool [B, T], true for a real step."""


class _Sequence(NamedTuple):
    """What one column reads; T' may differ from the T of the batch."""

    values: tf.Tensor
    """float32 [B, T', F']."""
    lengths: tf.Tensor | None
    """int64 [B]; None for a dense sequence."""


def context_input(
    columns: Sequence[FeatureColumn], features: Features, state: ColumnState
) -> tf.Tensor:
    """float32 [B, C]: all context columns side by side, by name.

    Raises:
        MissingFeatureError: a column's feature is not in the input.
        FeatureError: a feature has the wrong rank or width.
    """
    cache = FeatureCache(dense_context_numbers(columns, features))
    return tf.concat([_context_row(column, cache, state) for column in columns], axis=1)


def _context_row(column: FeatureColumn, cache: FeatureCache, state: ColumnState) -> tf.Tensor:
    values, size = column.get_dense_tensor(cache, state), width([column])
    found = values.shape[1:].num_elements() if values.shape.rank else None
    if found not in (size, None):
        raise FeatureError(
            f"Context feature {column.name!r}: expected {size} numbers per row, got "
            f"{values.shape}. "
            "What has steps belongs to sequence_feature_columns."
        )
    return tf.reshape(values, [tf.shape(values)[0], size])


def checked_rows(context: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """The context [B, C], which must have as many rows as the sequences.

    Raises:
        FeatureError: it has more or less (while running).
    """
    return checked(
        context,
        tf.equal(tf.shape(context)[0], batch),
        FeatureError,
        "Context features: expected a row for each sequence, got rows, and sequences",
        tf.stack([tf.shape(context)[0], batch]),
    )


def sequence_input(
    columns: Sequence[FeatureColumn], features: Features, state: ColumnState, mask_key: str
) -> SequenceInput:
    """All sequence columns side by side, by name, padded to the longest row.

    Raises:
        MissingFeatureError: a column's feature is not in the input.
        FeatureError: a feature has the wrong rank.
        FeatureError: the columns disagree about the lengths (raised while running).
    """
    cache = FeatureCache(features)
    read = {column.name: _read(column, features, cache, state) for column in columns}
    lengths = _common_lengths(read)
    mask = steps_mask(features, mask_key, lengths, next(iter(read.values())).values)
    fitted = [_fit(name, sequence, mask) for name, sequence in read.items()]
    return SequenceInput(tf.concat(fitted, axis=2), mask)


def _fit(name: str, sequence: _Sequence, mask: tf.Tensor) -> tf.Tensor:
    """Cuts or pads [B, T', F'] to the steps of the mask [B, T]."""
    batch, time = tf.unstack(tf.shape(mask))
    values = sequence.values
    cut = values[:, :time]
    missing = time - tf.shape(cut)[1]
    fitted = tf.pad(cut, [[0, 0], [0, missing], [0, 0]])
    fitted.set_shape([None, None, values.shape[-1]])
    if sequence.lengths is not None:
        return fitted
    # A dense sequence may be longer than the lengths or the mask say, as its padding is cut off. It
    # must not be shorter: the zeros that were padded above would count as real steps.
    real_steps = tf.reduce_max(tf.reduce_sum(tf.cast(mask, tf.int32), 1, keepdims=True))
    return checked(
        fitted,
        tf.equal(tf.shape(values)[0], batch) & (tf.shape(values)[1] >= real_steps),
        FeatureError,
        f"Sequence feature {name!r}: expected as many rows and at least as many steps as the other "
        "sequences or the mask have; got its shape, and their rows and steps",
        tf.concat([tf.shape(values), tf.shape(mask)], 0),
    )


def _common_lengths(read: dict[str, _Sequence]) -> tf.Tensor | None:
    known = [(name, one.lengths) for name, one in read.items() if one.lengths is not None]
    if not known:
        return None
    first_name, first = known[0]
    for name, lengths in known[1:]:
        rows = tf.minimum(tf.minimum(tf.size(first), tf.size(lengths)), 5)
        first = checked(
            first,
            # False, not an error of shapes, if the numbers of rows differ.
            tf.reduce_all(tf.raw_ops.Equal(x=first, y=lengths, incompatible_shape_error=False)),
            FeatureError,
            f"Sequence features {first_name!r} and {name!r} have different lengths; give the same "
            "steps to all columns of a row. Row by row",
            tf.stack([first[:rows], lengths[:rows]], 1),
        )
    return first


def _read(
    column: FeatureColumn, features: Features, cache: FeatureCache, state: ColumnState
) -> _Sequence:
    if not hasattr(column, "normalizer_fn"):
        read = _by_column(column, cache, state)
        lengths = _ragged_lengths(column, features)
        return read if lengths is None else _Sequence(read.values, lengths)
    feature = get_feature(features, column.key)
    if isinstance(feature, tf.SparseTensor):
        feature = normalized(column, feature)
        if feature.shape.rank in (2, 3) and (feature.dtype.is_floating or feature.dtype.is_integer):
            return _Sequence(*padded_sparse_numbers(column, feature))
        # The feature is normalized already, so the column must not do it again.
        plain = column._replace(normalizer_fn=None)
        return _by_column(plain, FeatureCache({column.key: feature}), state)
    if isinstance(feature, tf.RaggedTensor):
        return _Sequence(*padded_numbers(column, feature))
    return _Sequence(flat_steps(normalized(column, feature), column), None)


def _by_column(column: FeatureColumn, cache: FeatureCache, state: ColumnState) -> _Sequence:
    try:
        pair = column.get_sequence_dense_tensor(cache, state)
    except (TypeError, ValueError) as error:
        if isinstance(error, FeatureError):
            raise
        raise FeatureError(f"Sequence feature {column.name!r} does not fit: {error}") from error
    return _Sequence(flat_steps(pair.dense_tensor, column), tf.cast(pair.sequence_length, tf.int64))


def _ragged_lengths(column: FeatureColumn, features: Features) -> tf.Tensor | None:
    """int64 [B] of the one ragged feature [B, T, values of a step] that the column reads, or None.

    The column itself sees a sparse tensor, which ends a row at its last value: steps without any
    behind it would be lost. So 2.15 reads a sparse feature, and a sparse one is still read so.
    """
    keys = _feature_names(column)
    feature = features.get(keys.pop()) if len(keys) == 1 else None
    if not isinstance(feature, tf.RaggedTensor) or feature.shape.rank == 2:
        return None
    return tf.cast(feature.row_lengths(), tf.int64)


def _feature_names(column: FeatureColumn) -> set[str]:
    """The features that a column is made of; its parents are columns and names of features."""
    parents = getattr(getattr(column, "lookup", column), "parents", ())
    names = (({one} if isinstance(one, str) else _feature_names(one)) for one in parents)
    return set().union(*names)
